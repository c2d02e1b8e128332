//! Sessions of people who signed in.

use async_trait::async_trait;

use crate::StoreResult;
use model::access::KeyHash;
use model::audit::Change;
use model::id::{SessionId, UserId};
use model::session::Session;
use model::time::Timestamp;
use model::user::User;

/// Sessions. Deleting a user ends theirs.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Keeps a new session, and removes those of anybody that have expired by then. Beyond
    /// [`model::session::MAX_SESSIONS_PER_USER`], the person's longest unused ones end. An unknown reference if
    /// there is no such person.
    async fn begin(&self, session: Session, change: Change) -> StoreResult<()>;

    /// The usable session with this hash, with its person as they are now.
    async fn find(&self, hash: KeyHash, now: Timestamp) -> StoreResult<Option<(Session, User)>>;

    /// Notes that a session is used now. One that ended meanwhile is passed over.
    async fn touch(&self, id: SessionId, now: Timestamp) -> StoreResult<()>;

    /// A person's usable sessions, the last used first.
    async fn list(&self, user_id: UserId, now: Timestamp) -> StoreResult<Vec<Session>>;

    /// Ends one session of a person. Not found if it is not theirs.
    async fn end(&self, user_id: UserId, id: SessionId, change: Change) -> StoreResult<()>;
}
