//! Idempotency keys: the first answer to a request is kept, so that a repeated request gets it again.
//!
//! Triggers and transitions keep their receipt in the transaction of the change. Other requests reserve the key
//! first and keep the answer afterwards.

use std::time::Duration;

use async_trait::async_trait;

use crate::StoreResult;
use crate::incidents::Committed;
use model::time::Timestamp;

/// How long a key is remembered (docs/contract.md, 2).
pub const RECEIPT_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The longest idempotency key, in bytes.
pub const MAX_KEY_BYTES: usize = 255;

/// A request's idempotency key, and how to answer it.
#[derive(Clone)]
pub struct Receipt {
    /// Whose key it is: the API key's id.
    pub owner: String,
    /// The key as the client sent it.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub request_hash: [u8; 32],
    /// Renders the answer inside the transaction.
    pub render: fn(&Committed) -> Answer,
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receipt")
            .field("owner", &self.owner)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Receipt {
    fn eq(&self, other: &Self) -> bool {
        (&self.owner, &self.key, self.request_hash) == (&other.owner, &other.key, other.request_hash)
    }
}

impl Eq for Receipt {}

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: Vec<u8>,
}

/// What is known of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptState {
    /// Nothing: the key is now reserved, and the caller must finish or forget it.
    New,
    /// The same request was answered.
    Answered(Answer),
    /// The same request is being worked on.
    InProgress,
    /// The key was used for another request.
    Misused,
}

/// Idempotency keys of requests other than triggers and transitions.
#[async_trait]
pub trait Receipts: Send + Sync {
    /// Looks a key up and reserves it if it is new. Reservations of an earlier run of this node do not count.
    async fn begin(
        &self,
        owner: String,
        key: String,
        request_hash: [u8; 32],
        now: Timestamp,
    ) -> StoreResult<ReceiptState>;

    /// Keeps the answer (sealed, since it may show a new secret).
    async fn finish(&self, owner: String, key: String, answer: Answer) -> StoreResult<()>;

    /// Forgets a reservation whose request failed before it changed anything.
    async fn forget(&self, owner: String, key: String) -> StoreResult<()>;
}
