//! Inboxes and what came to them.

use async_trait::async_trait;

use crate::StoreResult;
use model::audit::Change;
use model::id::{InboxId, InboxRequestId};
use model::inbox::{Inbox, InboxAnswer, InboxRequest};
use model::secret::SecretText;

/// Changes of an inbox. Absent fields stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InboxEdit {
    /// How it answers.
    pub answer: Option<InboxAnswer>,
    /// What signatures are checked against, or nothing.
    pub secret: Option<Option<SecretText>>,
}

/// Inboxes. The secret is sealed at rest.
#[async_trait]
pub trait Inboxes: Send + Sync {
    /// Creates an inbox; a conflict beyond [`model::inbox::MAX_INBOXES`].
    async fn create(&self, inbox: Inbox, change: Change) -> StoreResult<Inbox>;

    /// All inboxes, newest first, each with how many requests it keeps.
    async fn list(&self) -> StoreResult<Vec<(Inbox, u32)>>;

    /// One inbox.
    async fn get(&self, id: InboxId) -> StoreResult<Inbox>;

    /// Changes an inbox.
    async fn update(&self, id: InboxId, edit: InboxEdit, change: Change) -> StoreResult<Inbox>;

    /// Deletes an inbox with its requests.
    async fn delete(&self, id: InboxId, change: Change) -> StoreResult<()>;

    /// Keeps a request; the oldest beyond [`model::inbox::MAX_INBOX_REQUESTS`] and those older than
    /// [`model::inbox::INBOX_REQUEST_LIFETIME`] go. Not found if there is no such inbox. Leaves no audit row.
    async fn keep(&self, request: InboxRequest) -> StoreResult<()>;

    /// What came to an inbox, newest first; nothing if there is no such inbox.
    async fn requests(&self, id: InboxId) -> StoreResult<Vec<InboxRequest>>;

    /// Deletes one request, or all of them. What is gone already is passed over.
    async fn clear(&self, id: InboxId, request: Option<InboxRequestId>, change: Change) -> StoreResult<()>;
}
