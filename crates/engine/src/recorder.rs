//! Brings attempts to disk in batches. One batch is on its way at a time; what comes meanwhile is the next batch.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::dispatch_handle::DispatchHandle;
use clock::Env;
use model::delivery::Claim;
use model::id::DeliveryId;
use store::log_store_failure;
use store::queue::{AttemptRecord, Recorded};
use store::{Store, StoreError};

/// The most attempts in one batch.
const MAX_BATCH: usize = 256;
/// The wait before a batch that the store did not take is tried again.
const RETRY_WAIT: Duration = Duration::from_millis(500);
/// How often a store may call an attempt impossible before it is believed.
const MAX_REFUSALS: u32 = 3;
/// When the delivery of an attempt that cannot be recorded is due again.
const REFUSED_WAIT: Duration = Duration::from_secs(300);

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
        let records = Arc::from_iter(batch.drain(..));
        record(&records, &store, &source).await;
        handle.scheduler().recorded(records.len());
        handle.notify();
    }
}

async fn record(batch: &Arc<[AttemptRecord]>, store: &Store, source: &Env) {
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

/// Records attempts, however often it takes. One that the store refuses for good must not keep the others waiting.
pub async fn record_within(batch: &Arc<[AttemptRecord]>, store: &Store, source: &Env) -> Vec<Recorded> {
    loop {
        match store.queue.record(Arc::clone(batch), source.now()).await {
            Ok(results) => return results,
            Err(StoreError::Corrupt(_)) => return record_each(batch, store, source).await,
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

async fn record_each(batch: &[AttemptRecord], store: &Store, source: &Env) -> Vec<Recorded> {
    let mut results = Vec::with_capacity(batch.len());
    for record in batch {
        results.push(record_one(record, store, source).await);
    }
    results
}

/// Records an attempt that may be what the store refused. If it is, it is lost, and the delivery is made again later.
async fn record_one(record: &AttemptRecord, store: &Store, source: &Env) -> Recorded {
    let alone = Arc::from([record.clone()]);
    let mut refusals = 0;
    loop {
        let error = match store.queue.record(Arc::clone(&alone), source.now()).await {
            Ok(results) => return results.first().copied().unwrap_or(Recorded::Gone),
            Err(error) => error,
        };
        if let StoreError::Corrupt(reason) = &error {
            refusals += 1;
            if refusals == MAX_REFUSALS {
                let delivery = record.delivery_id;
                tracing::error!(%delivery, reason, "the store refuses to record an attempt; the delivery is made again later");
                tokio::spawn(give_back_later(record.delivery_id, record.claim, store.clone()));
                return Recorded::Gone;
            }
        }
        log_store_failure!(error, attempts = 1, "attempts cannot be recorded; trying again");
        tokio::time::sleep(RETRY_WAIT).await;
    }
}

/// Not at once: its attempt may be refused again, and a receiver should not get it over and over.
async fn give_back_later(delivery_id: DeliveryId, claim: Claim, store: Store) {
    tokio::time::sleep(REFUSED_WAIT).await;
    while let Err(error) = store.queue.release(vec![(delivery_id, claim)]).await {
        log_store_failure!(error, "a claim cannot be given back; trying again");
        tokio::time::sleep(REFUSED_WAIT).await;
    }
}
