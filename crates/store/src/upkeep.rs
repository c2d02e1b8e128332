//! Keeping the store in shape: pruning, the "nothing is lost" balance, backups, new master keys.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{StoreError, StoreResult};
use model::audit::Change;
use model::id::WebhookId;
use model::time::Timestamp;

/// The codes of trouble that can be found without looking through the database.
pub const TROUBLE_CODES: [&str; 5] = [
    "clock_differs",
    "commits_fail",
    "files_replaced",
    "log_damaged",
    "events_lost",
];

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
    pub message_refs_before: Timestamp,
    /// Requests that came to inboxes before this.
    pub inbox_requests_before: Timestamp,
    /// Alerts that fire no more and were last heard of before this.
    pub alerts_before: Timestamp,
    /// Sessions and sign-in links that no longer hold at this time.
    pub expired_by: Timestamp,
}

/// The balance of one webhook: what was accepted must be somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
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
    /// Found in the store: superseded or expired.
    pub superseded: u64,
    pub expired: u64,
}

impl Balance {
    /// Those that ended without having been sent, since they waited through an outage.
    pub fn unsent(&self) -> u64 {
        self.superseded + self.expired
    }

    /// How many deliveries are missing (positive) or too many (negative). Zero when nothing is lost.
    pub fn missing(&self) -> i64 {
        let expected = i128::from(self.accepted) - i128::from(self.pruned);
        let found = [
            self.delivered,
            self.open,
            self.dead,
            self.superseded,
            self.expired,
        ];
        let found: i128 = found.into_iter().map(i128::from).sum();
        i64::try_from(expected - found).unwrap_or(i64::MAX)
    }
}

/// What the balance of all webhooks came to when a server drew it by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audited {
    /// How many deliveries were missing, or too many.
    pub off: i64,
    /// When.
    pub at: Timestamp,
}

/// Up to how many deliveries are counted for the balance while somebody waits for a page: more take their time.
pub const BALANCED_AT_ONCE: u64 = 20_000;

/// What to do about a finding for which nothing better is known.
pub const REPORT_IT: &str = "keep the data directory as it is, make a backup, and report it";

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable code; `docs/watching.md` lists them.
    pub code: &'static str,
    pub sentence: String,
    /// What to do.
    pub advice: &'static str,
}

/// Codes of what is worth knowing and need not be changed.
const ADVICE_CODES: [&str; 4] = [
    "checksums_off",
    "replica_asynchronous",
    "schema_ahead",
    "tables_missing",
];

impl Finding {
    /// Whether it may stay as it is.
    pub fn is_advice(&self) -> bool {
        ADVICE_CODES.contains(&self.code)
    }

    /// Something that should never be.
    pub fn unexpected(code: &'static str, sentence: String) -> Self {
        Self {
            code,
            sentence,
            advice: REPORT_IT,
        }
    }
}

/// What the deep check came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examined {
    pub findings: Vec<Finding>,
    /// The balance of every webhook, which is a part of it.
    pub balances: Vec<Balance>,
}

/// How far the deep check has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckProgress {
    /// What is looked at: `pages`, `lanes`, `deliveries`, `events`, `references`, `balance`.
    pub step: &'static str,
    pub done: u64,
    /// Of about how many.
    pub of: u64,
}

/// Hears how far the deep check has come, and says whether it shall go on. It is asked with what it has heard already while a
/// step takes long.
pub type CheckListener = Arc<dyn Fn(CheckProgress) -> ControlFlow<()> + Send + Sync>;

/// Tells a listener; an error if it wants no more.
pub fn tell(listener: &CheckListener, step: &'static str, done: u64, of: u64) -> StoreResult<()> {
    match listener(CheckProgress { step, done, of }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(StoreError::Unavailable("the check was broken off".into())),
    }
}

/// What a database lacks of what the high-water mark beside it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    pub events: u64,
    pub deliveries: u64,
}

impl Loss {
    /// Whether nothing is missing.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// This loss and another.
    pub fn and(self, other: Self) -> Self {
        Self {
            events: self.events.saturating_add(other.events),
            deliveries: self.deliveries.saturating_add(other.deliveries),
        }
    }
}

/// A webhook that does not deliver as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnwellWebhook {
    /// Which.
    pub id: WebhookId,
    pub name: String,
    /// Since when it is degraded, and by what failure.
    pub degraded: Option<(Timestamp, String)>,
    /// Since when the server has disabled it, and why.
    pub disabled_by_failure: Option<(Timestamp, String)>,
    /// Its dead deliveries, without tests and those that a person has given up.
    pub dead: u64,
}

/// How much room a file system has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSpace {
    /// Where it is mounted.
    pub mounted_at: PathBuf,
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

impl std::fmt::Display for DiskSpace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the disk at {} has {} free of {}",
            self.mounted_at.display(),
            in_words(self.free_bytes),
            in_words(self.total_bytes)
        )
    }
}

/// A size in the unit in which it is a short number.
fn in_words(bytes: u64) -> String {
    const MEBIBYTE: u64 = 1024 * 1024;
    match bytes / MEBIBYTE {
        mebibytes @ ..10_240 => format!("{mebibytes} MiB"),
        mebibytes => format!("{} GiB", mebibytes / 1024),
    }
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
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// The most bytes that the file may have, if that is limited.
    pub max_bytes: Option<u64>,
    /// The disk that it lies on, if the system says.
    pub disk: Option<DiskSpace>,
    /// The place of the last event, by the high-water mark beside the database.
    pub last_event: i64,
}

/// The most webhooks that are told as unwell.
pub const MAX_UNWELL: u32 = 1000;

/// Keeping the store in shape.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Deletes a small batch of what may go; says how many rows, so that the caller goes on until it is zero.
    /// Incidents, and webhooks that were deleted, are never pruned.
    async fn prune(&self, retention: Retention) -> StoreResult<u64>;

    /// Lets a small batch of open deliveries of deleted webhooks die; says how many.
    async fn bury_deleted(&self, now: Timestamp) -> StoreResult<u64>;

    /// Folds a small batch of what was counted of incidents into days; says how many changes. Nobody sees a difference.
    async fn fold_insights(&self) -> StoreResult<u64>;

    /// The balance of every webhook. It looks at every delivery.
    async fn balance(&self) -> StoreResult<Vec<Balance>>;

    /// How many deliveries there should be, as counted in the transactions that made and deleted them.
    async fn kept_deliveries(&self) -> StoreResult<u64>;

    /// The balance, if there are no more than [`BALANCED_AT_ONCE`] deliveries.
    async fn balance_at_once(&self) -> StoreResult<Option<Vec<Balance>>> {
        match self.kept_deliveries().await? {
            0..=BALANCED_AT_ONCE => self.balance().await.map(Some),
            _ => Ok(None),
        }
    }

    /// Looks for anything the schema cannot forbid: lanes without a head, claims of nobody, damaged pages. It reads the whole
    /// store.
    async fn examine(&self, now: Timestamp) -> StoreResult<Vec<Finding>> {
        let nobody: CheckListener = Arc::new(|_| ControlFlow::Continue(()));
        Ok(self.examine_heard(now, nobody).await?.findings)
    }

    /// The same with the balance, and with somebody who hears how far it has come and may break it off.
    async fn examine_heard(&self, now: Timestamp, listener: CheckListener) -> StoreResult<Examined>;

    /// Looks at the database server that keeps the data: settings that endanger what is accepted, tables and replicas in bad
    /// shape. Nothing if the store keeps the data itself.
    async fn examine_server(&self, now: Timestamp) -> StoreResult<Vec<Finding>>;

    /// A sentence if this program must stop: since its start, newer ones have taken something out of the schema.
    async fn outdated(&self) -> StoreResult<Option<String>>;

    /// Writes a copy of the whole store to a new file while it is in use; a conflict if the file exists.
    async fn backup(&self, to: PathBuf, change: Change) -> StoreResult<()>;

    /// Seals every secret anew under the current master key; says how many.
    async fn rekey(&self, change: Change) -> StoreResult<u64>;

    /// Whether the store can be written: known from the last commit, or tried by a small change.
    async fn ping(&self) -> StoreResult<()>;

    /// What is wrong, as far as it is known without looking through the store.
    fn troubles(&self) -> Vec<Finding>;

    /// What was found missing at a start and nobody has accepted yet.
    fn loss(&self) -> Loss;

    /// Takes the loss for known; says what it was. It is told no more.
    async fn accept_loss(&self, change: Change) -> StoreResult<Loss>;

    /// The webhooks that are degraded, disabled by failure, or have dead deliveries; at most [`MAX_UNWELL`].
    async fn unwell_webhooks(&self) -> StoreResult<Vec<UnwellWebhook>>;

    /// What the store says about itself.
    async fn info(&self) -> StoreResult<StoreInfo>;
}
