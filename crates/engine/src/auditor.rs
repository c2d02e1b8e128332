//! The running check that nothing is lost: every delivery ever made is delivered, open or dead.

use std::sync::Arc;
use std::time::Duration;

use crate::lease::Lease;
use clock::Env;
use store::Store;
use store::log_store_failure;
use telemetry::Metrics;

/// How often the balance is drawn, at most.
const INTERVAL: Duration = Duration::from_secs(60);
/// It looks at every delivery: it rests for so many times as long as that took, so that it costs a hundredth of a reader
/// however many there are.
const REST: u32 = 100;

/// Draws the balance until the task is dropped, while this node leads; a metric and the log say when it does not come out
/// even.
pub async fn run(store: Store, source: Env, lease: Arc<Lease>, metrics: Arc<Metrics>) {
    let (mut rest, mut led) = (INTERVAL, false);
    loop {
        tokio::time::sleep(rest).await;
        rest = INTERVAL;
        if !lease.leads(source.monotonic_millis()) {
            // Only what came of leading: on a server that never led, what `/metrics` has counted stays.
            if std::mem::take(&mut led) {
                metrics.forget_audit();
            }
            continue;
        }
        led = true;
        let began_ms = source.monotonic_millis();
        let drawn = store.upkeep.balance().await;
        let took_ms = source.monotonic_millis().saturating_sub(began_ms).unsigned_abs();
        rest = rest_after(Duration::from_millis(took_ms));
        match drawn {
            Ok(balances) => {
                let missing = metrics.show_audit(&balances, source.now());
                if missing != 0 {
                    tracing::error!(
                        missing,
                        "deliveries are missing from the store; run `opsknight doctor --deep`"
                    );
                }
            }
            Err(error) => log_store_failure!(error, "the balance could not be drawn"),
        }
    }
}

fn rest_after(took: Duration) -> Duration {
    INTERVAL.max(took.saturating_mul(REST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_of_very_many_deliveries_is_drawn_less_often() {
        let rests = [5, 600, 4000].map(|ms| rest_after(Duration::from_millis(ms)));
        assert_eq!(rests, [60, 60, 400].map(Duration::from_secs));
    }
}
