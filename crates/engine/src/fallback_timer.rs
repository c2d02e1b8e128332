//! Hands deliveries that are late to the fallbacks of their webhooks. What is dead is handed over where it dies.

use std::sync::Arc;
use std::time::Duration;

use crate::lease::Lease;
use clock::Env;
use store::Store;
use store::log_store_failure;

/// How often late deliveries are looked for.
const INTERVAL: Duration = Duration::from_secs(1);
/// The pause between two batches, so that deliveries come first.
const BATCH_PAUSE: Duration = Duration::from_millis(20);

/// Runs until the task is dropped, while this node leads. Two nodes that did so at once would only get in each other's way.
pub async fn run(store: Store, source: Env, lease: Arc<Lease>) {
    loop {
        let has_more = lease.leads(source.monotonic_millis()) && take_over_late(&store, &source).await;
        tokio::time::sleep(if has_more { BATCH_PAUSE } else { INTERVAL }).await;
    }
}

/// Hands over one batch; says whether there is more.
pub async fn take_over_late(store: &Store, source: &Env) -> bool {
    match store.queue.take_over_late(source.now()).await {
        Ok(has_more) => has_more,
        Err(error) => {
            log_store_failure!(
                error,
                "late deliveries could not be handed to fallbacks; trying again"
            );
            false
        }
    }
}
