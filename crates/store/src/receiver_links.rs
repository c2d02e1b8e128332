//! Links to receivers' pages.

use async_trait::async_trait;

use crate::StoreResult;
use model::access::KeyHash;
use model::audit::Change;
use model::id::{ReceiverLinkId, WebhookId};
use model::receiver_link::ReceiverLink;
use model::time::Timestamp;

/// Links to receivers' pages. Of a token only the hash is kept.
#[async_trait]
pub trait ReceiverLinks: Send + Sync {
    /// Keeps a new link; those of its webhook that have ended go. Not found if there is no such webhook, a conflict beyond
    /// [`model::receiver_link::MAX_RECEIVER_LINKS`].
    async fn create(&self, link: ReceiverLink, change: Change) -> StoreResult<ReceiverLink>;

    /// The links of a webhook, newest first; ended ones too, until the next is made.
    async fn list(&self, webhook_id: WebhookId) -> StoreResult<Vec<ReceiverLink>>;

    /// The link whose token has this hash, usable or not; nothing if its webhook was deleted.
    async fn find(&self, hash: KeyHash) -> StoreResult<Option<ReceiverLink>>;

    /// Ends a link of a webhook. Doing so twice changes nothing.
    async fn revoke(
        &self,
        webhook_id: WebhookId,
        id: ReceiverLinkId,
        change: Change,
    ) -> StoreResult<ReceiverLink>;

    /// Writes down that a link was used. Leaves no audit row.
    async fn touch(&self, id: ReceiverLinkId, at: Timestamp) -> StoreResult<()>;
}
