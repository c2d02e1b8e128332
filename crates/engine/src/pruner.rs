//! Deletes what is older than it must be kept, in small batches, folds what was counted into days, and lets deliveries of
//! deleted webhooks die. One node does it, the leader; it does no harm that two do it for a while.

use std::sync::Arc;
use std::time::Duration;

use crate::lease::Lease;
use clock::Env;
use model::activity::ACTIVITY_LIFETIME;
use model::attempt::MESSAGE_REF_LIFETIME;
use model::inbox::INBOX_REQUEST_LIFETIME;
use model::source::ALERT_LIFETIME;
use store::Store;
use store::StoreResult;
use store::log_store_failure;
use store::receipts::RECEIPT_LIFETIME;
use store::upkeep::Retention;

/// How often old rows are looked for.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60);
/// How often open deliveries of deleted webhooks are looked for.
const BURY_INTERVAL: Duration = Duration::from_secs(2);
/// The pause between two batches, so that deliveries come first.
const BATCH_PAUSE: Duration = Duration::from_millis(20);

/// How long finished deliveries are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepFor {
    /// Delivered ones.
    pub delivered: Duration,
    /// Dead ones.
    pub dead: Duration,
}

/// Prunes until the task is dropped.
pub async fn run(store: Store, source: Env, lease: Arc<Lease>, keep_for: KeepFor) {
    let leads = || lease.leads(source.monotonic_millis());
    loop {
        tokio::time::sleep(PRUNE_INTERVAL).await;
        let now = source.now();
        let retention = Retention {
            delivered_before: now.minus(keep_for.delivered),
            dead_before: now.minus(keep_for.dead),
            receipts_before: now.minus(RECEIPT_LIFETIME),
            activity_before: now.minus(ACTIVITY_LIFETIME),
            message_refs_before: now.minus(MESSAGE_REF_LIFETIME),
            inbox_requests_before: now.minus(INBOX_REQUEST_LIFETIME),
            alerts_before: now.minus(ALERT_LIFETIME),
            expired_by: now,
        };
        while leads() && goes_on(store.upkeep.fold_insights().await).await {}
        while leads() && goes_on(store.upkeep.prune(retention).await).await {}
    }
}

/// Buries open deliveries of deleted webhooks until the task is dropped.
pub async fn reap(store: Store, source: Env, lease: Arc<Lease>) {
    let leads = || lease.leads(source.monotonic_millis());
    loop {
        tokio::time::sleep(BURY_INTERVAL).await;
        while leads() && goes_on(store.upkeep.bury_deleted(source.now()).await).await {}
    }
}

/// What follows a batch: another one after a pause, or nothing.
async fn goes_on(deleted: StoreResult<u64>) -> bool {
    match deleted {
        Ok(0) => false,
        Ok(_) => {
            tokio::time::sleep(BATCH_PAUSE).await;
            true
        }
        Err(error) => {
            log_store_failure!(error, "old rows could not be cleared away; trying again later");
            false
        }
    }
}
