//! Keeping the store in shape: pruning, the "nothing is lost" balance, backups, new master keys.

use std::path::PathBuf;

use async_trait::async_trait;

use crate::model::audit::Change;
use crate::model::id::WebhookId;
use crate::model::time::Timestamp;
use crate::store::StoreResult;

/// What the pruner may delete: everything finished before these times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Delivered deliveries made before this, with their attempts and, once unused, their events.
    pub delivered_before: Timestamp,
    /// Dead deliveries made before this.
    pub dead_before: Timestamp,
    /// Idempotency keys made before this.
    pub receipts_before: Timestamp,
    /// Periods of activity that began before this.
    pub activity_before: Timestamp,
    /// What is remembered of messages and was not changed since this.
    pub memories_before: Timestamp,
    /// Requests that came to inboxes before this.
    pub inbox_requests_before: Timestamp,
    /// Sessions and sign-in links that no longer hold at this time.
    pub expired_by: Timestamp,
}

/// The balance of one webhook: what was accepted must be somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// Deliveries ever made for it, as counted in the transactions that made them.
    pub accepted: u64,
    /// Of those, how many the pruner deleted.
    pub pruned: u64,
    /// Found in the store: delivered.
    pub delivered: u64,
    /// Found in the store: scheduled, queued, claimed or held.
    pub open: u64,
    /// Found in the store: dead.
    pub dead: u64,
}

impl Balance {
    /// How many deliveries are missing (positive) or too many (negative). Zero when nothing is lost.
    pub fn missing(&self) -> i64 {
        let expected = i128::from(self.accepted) - i128::from(self.pruned);
        let found = i128::from(self.delivered) + i128::from(self.open) + i128::from(self.dead);
        i64::try_from(expected - found).unwrap_or(i64::MAX)
    }
}

/// One finding of the deep check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable code: `integrity`, `lane_blocked`, `claim_of_nobody`, `event_missing`, `balance`.
    pub code: &'static str,
    /// A sentence.
    pub sentence: String,
}

/// What the store says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreInfo {
    /// Which backend, with its version.
    pub backend: String,
    /// The number of the last migration.
    pub schema_version: u32,
    /// Bytes on disk.
    pub size_bytes: u64,
    /// Bytes free in the file, to be used again.
    pub free_bytes: u64,
}

/// Keeping the store in shape.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Deletes a small batch of what may go; says how many rows, so that the caller goes on until it is zero.
    /// Incidents, and webhooks that were deleted, are never pruned.
    async fn prune(&self, retention: Retention) -> StoreResult<u64>;

    /// Lets a small batch of open deliveries of deleted webhooks die; says how many.
    async fn bury_deleted(&self, now: Timestamp) -> StoreResult<u64>;

    /// The balance of every webhook.
    async fn balance(&self) -> StoreResult<Vec<Balance>>;

    /// Looks for anything the schema cannot forbid: lanes without a head, claims of nobody, damaged pages.
    async fn examine(&self, now: Timestamp) -> StoreResult<Vec<Finding>>;

    /// Writes a copy of the whole store to a new file while it is in use; a conflict if the file exists.
    async fn backup(&self, to: PathBuf, change: Change) -> StoreResult<()>;

    /// Seals every secret anew under the current master key; says how many.
    async fn rekey(&self, change: Change) -> StoreResult<u64>;

    /// Whether the store answers and can be written.
    async fn ping(&self) -> StoreResult<()>;

    /// What the store says about itself.
    async fn info(&self) -> StoreResult<StoreInfo>;
}
