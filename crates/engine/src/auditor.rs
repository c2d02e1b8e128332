//! The running check that nothing is lost: every delivery ever made is delivered, open or dead.

use std::sync::Arc;
use std::time::Duration;

use crate::lease::Lease;
use clock::Env;
use store::Store;
use store::log_store_failure;
use telemetry::Metrics;

/// How often the balance is drawn.
const INTERVAL: Duration = Duration::from_secs(60);

/// Draws the balance until the task is dropped, while this node leads; a metric and the log say when it does not come out
/// even.
pub async fn run(store: Store, source: Env, lease: Arc<Lease>, metrics: Arc<Metrics>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        if !lease.leads(source.monotonic_millis()) {
            metrics.balance_missing.set(0);
            continue;
        }
        match store.upkeep.balance().await {
            Ok(balances) => {
                let missing: i64 = balances.iter().map(|balance| balance.missing().abs()).sum();
                metrics.balance_missing.set(missing);
                if missing != 0 {
                    tracing::error!(
                        missing,
                        "deliveries are missing from the store; run `opsknight doctor`"
                    );
                }
            }
            Err(error) => log_store_failure!(error, "the balance could not be drawn"),
        }
    }
}
