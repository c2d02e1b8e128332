//! Makes operational events of the notices that the store keeps. One node does it, the leader; it does no harm that two do it
//! for a while.

use std::sync::Arc;
use std::time::Duration;

use crate::lease::Lease;
use clock::Env;
use store::Store;
use store::log_store_failure;
use store::operational::PUBLISH_BATCH;

/// How often it is looked for notices.
const INTERVAL: Duration = Duration::from_secs(1);

/// Publishes until the task is dropped, while this node leads.
pub async fn run(store: Store, source: Env, lease: Arc<Lease>) {
    loop {
        let published = match lease.leads(source.monotonic_millis()) {
            true => publish(&store, &source).await,
            false => 0,
        };
        if published < PUBLISH_BATCH {
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// Publishes what is due; says how many events that made.
pub async fn publish(store: &Store, source: &Env) -> u32 {
    match store.operational.publish_due(source.now()).await {
        Ok(published) => published,
        Err(error) => {
            log_store_failure!(error, "operational events could not be made; trying again");
            0
        }
    }
}
