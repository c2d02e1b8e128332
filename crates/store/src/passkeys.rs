//! Passkeys: the public keys that people sign in by.

use async_trait::async_trait;

use crate::StoreResult;
use model::audit::Change;
use model::id::{PasskeyId, UserId};
use model::passkey::Passkey;
use model::time::Timestamp;

/// The most passkeys that one person has.
pub const MAX_PASSKEYS_PER_USER: u32 = 10;

/// Passkeys, each a person's. Deleting a user forgets theirs.
#[async_trait]
pub trait Passkeys: Send + Sync {
    /// The passkey with this credential.
    async fn find(&self, credential_id: Vec<u8>) -> StoreResult<Option<Passkey>>;

    /// A person's passkeys, the oldest first.
    async fn list(&self, user_id: UserId) -> StoreResult<Vec<Passkey>>;

    /// Gives a person a passkey. Taken if there is one with its credential, a conflict beyond [`MAX_PASSKEYS_PER_USER`].
    async fn create(&self, passkey: Passkey, change: Change) -> StoreResult<()>;

    /// Somebody signs in with a passkey whose counter is now this. False, and nothing is changed, if the counter does not go on from
    /// the last one (`model::passkey::is_count_after`), or there is no such passkey.
    async fn count_use(&self, id: PasskeyId, sign_count: u32, now: Timestamp) -> StoreResult<bool>;

    /// Takes a passkey of a person away.
    async fn delete(&self, user_id: UserId, id: PasskeyId, change: Change) -> StoreResult<()>;

    /// Takes every passkey of a person away; says how many.
    async fn delete_all(&self, user_id: UserId, change: Change) -> StoreResult<u64>;
}
