//! Brings attempts to disk in batches. One batch is on its way at a time; what comes meanwhile is the next batch.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::dispatch_handle::DispatchHandle;
use clock::Env;
use store::Store;
use store::log_store_failure;
use store::queue::{AttemptRecord, Recorded};

/// The most attempts in one batch.
const MAX_BATCH: usize = 256;
/// The wait before a batch that the store did not take is tried again.
const RETRY_WAIT: Duration = Duration::from_millis(500);

/// Records attempts until the sender is dropped. An attempt is held until it is on disk, however long that takes:
/// the scheduler stops starting new ones when too many wait here.
pub async fn run(
    mut attempts: mpsc::UnboundedReceiver<AttemptRecord>,
    store: Store,
    handle: Arc<DispatchHandle>,
    source: Env,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while attempts.recv_many(&mut batch, MAX_BATCH).await > 0 {
        record(&batch, &store, &source).await;
        handle.scheduler().recorded(batch.len());
        handle.notify();
        batch.clear();
    }
}

async fn record(batch: &[AttemptRecord], store: &Store, source: &Env) {
    let results = record_within(batch, store, source).await;
    let late = results.iter().filter(|result| **result != Recorded::Applied);
    let late = late.count();
    if late > 0 {
        tracing::warn!(
            late,
            "attempts ended after their claim was lost; they are kept as history"
        );
    }
}

/// Records attempts, however often it takes.
pub async fn record_within(batch: &[AttemptRecord], store: &Store, source: &Env) -> Vec<Recorded> {
    loop {
        match store.queue.record(batch.to_vec(), source.now()).await {
            Ok(results) => return results,
            Err(error) => {
                log_store_failure!(
                    error,
                    attempts = batch.len(),
                    "attempts cannot be recorded; trying again"
                );
                tokio::time::sleep(RETRY_WAIT).await;
            }
        }
    }
}
