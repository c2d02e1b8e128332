//! Idempotency keys: the first answer to a request is kept, so that a repeated request gets it again.
//!
//! Triggers and transitions keep their receipt in the transaction of the change. Other requests reserve the key
//! first and keep the answer afterwards.

use std::time::Duration;

use async_trait::async_trait;

use crate::StoreResult;
use crate::incidents::Committed;
use crate::seal::Sealer;
use crate::sealed::{open_bytes, receipt_place};
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

/// A receipt as it is kept.
pub struct KeptReceipt {
    pub request_hash: [u8; 32],
    /// Whether the node that reserved it may still be at work on it.
    pub is_held: bool,
    pub created_at: Timestamp,
    /// The HTTP status and the sealed body.
    pub answer: Option<(u16, Vec<u8>)>,
}

impl KeptReceipt {
    /// What it means for a request; [`ReceiptState::New`] if it no longer counts.
    pub fn state(
        self,
        request_hash: &[u8; 32],
        now: Timestamp,
        sealer: &Sealer,
        place: &str,
    ) -> StoreResult<ReceiptState> {
        let is_fresh = self.created_at >= now.minus(RECEIPT_LIFETIME);
        if !is_fresh || (self.answer.is_none() && !self.is_held) {
            return Ok(ReceiptState::New);
        }
        if self.request_hash != *request_hash {
            return Ok(ReceiptState::Misused);
        }
        let Some((status, sealed)) = self.answer else {
            return Ok(ReceiptState::InProgress);
        };
        let body = open_bytes(sealer, place, &sealed)?;
        Ok(ReceiptState::Answered(Answer { status, body }))
    }

    /// What it means for a trigger or a transition; nothing if the change is made, and its answer kept. A reservation without
    /// an answer counts as nothing: their rows are only written whole.
    pub fn earlier_answer(
        self,
        receipt: &Receipt,
        now: Timestamp,
        sealer: &Sealer,
    ) -> StoreResult<Option<Committed>> {
        let place = receipt_place(&receipt.owner, &receipt.key);
        Ok(match self.state(&receipt.request_hash, now, sealer, &place)? {
            ReceiptState::New | ReceiptState::InProgress => None,
            ReceiptState::Misused => Some(Committed::KeyMisused),
            ReceiptState::Answered(answer) => Some(Committed::Repeated(answer)),
        })
    }
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

    /// Whether nobody has used this key before, on any node: it is used now, for good, and gets no answer.
    async fn use_up(&self, owner: String, key: String, now: Timestamp) -> StoreResult<bool>;

    /// Forgets a reservation whose request failed before it changed anything.
    async fn forget(&self, owner: String, key: String) -> StoreResult<()>;
}
