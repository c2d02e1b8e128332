//! Second factors: the secret of one-time codes, and recovery codes.

use async_trait::async_trait;

use crate::StoreResult;
use model::access::KeyHash;
use model::audit::Change;
use model::id::UserId;
use model::second_factor::TotpSecret;

/// A person's second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondFactor {
    pub secret: TotpSecret,
    /// The step of the last code that was used.
    pub last_step: i64,
    /// How many recovery codes are left.
    pub recovery_codes: u32,
}

/// Second factors. Deleting a user forgets theirs.
#[async_trait]
pub trait SecondFactors: Send + Sync {
    /// A person's second factor; nothing if they have none.
    async fn get(&self, user_id: UserId) -> StoreResult<Option<SecondFactor>>;

    /// Gives a person a second factor, whose code of this step is used already, with these recovery codes. A conflict if they
    /// have one.
    async fn create(
        &self,
        user_id: UserId,
        secret: TotpSecret,
        step: i64,
        recovery_codes: Vec<KeyHash>,
        change: Change,
    ) -> StoreResult<()>;

    /// Uses the code of a step up. False if that or a later one was used before, or there is no second factor.
    async fn use_step(&self, user_id: UserId, step: i64) -> StoreResult<bool>;

    /// Uses a recovery code up. False if there is no such code.
    async fn use_recovery_code(&self, user_id: UserId, hash: KeyHash, change: Change) -> StoreResult<bool>;

    /// Takes a person's second factor away; says whether they had one.
    async fn delete(&self, user_id: UserId, change: Change) -> StoreResult<bool>;
}
