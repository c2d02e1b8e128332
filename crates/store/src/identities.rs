//! Who people are at an OpenID provider.

use async_trait::async_trait;

use crate::StoreResult;
use model::access::Role;
use model::audit::Change;
use model::id::UserId;
use model::identity::{Identity, LinkedIdentity, ProvenPerson};
use model::user::User;

/// The most identities that one person has.
pub const MAX_IDENTITIES_PER_USER: u32 = 10;

/// Identities, each tied to one user. Deleting a user forgets theirs.
#[async_trait]
pub trait Identities: Send + Sync {
    /// The user of an identity.
    async fn find(&self, identity: Identity) -> StoreResult<Option<User>>;

    /// Somebody whom the provider has proven signs in with this role: the user of their identity, or, if it has none, a new
    /// one with the given id. Taken if a new user's address is another's: an address proves nothing.
    async fn admit(
        &self,
        person: ProvenPerson,
        role: Role,
        new_id: UserId,
        change: Change,
    ) -> StoreResult<User>;

    /// Ties an identity to a user. Taken if it is another's, a conflict beyond [`MAX_IDENTITIES_PER_USER`]; doing so twice
    /// changes nothing.
    async fn link(&self, identity: Identity, user_id: UserId, change: Change) -> StoreResult<()>;

    /// A user's identities, the oldest first.
    async fn list(&self, user_id: UserId) -> StoreResult<Vec<LinkedIdentity>>;

    /// Unties every identity of a user, and ends their sessions; says how many identities.
    async fn unlink(&self, user_id: UserId, change: Change) -> StoreResult<u64>;
}
