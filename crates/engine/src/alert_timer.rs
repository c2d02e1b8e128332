//! Resolves alerts whose time has come: those that their sender says end at some time, and those that flapped and are quiet
//! now. And tells of sources that are silent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::lease::Lease;
use clock::Env;
use model::audit::Actor;
use store::Store;
use store::StoreResult;
use store::log_store_failure;
use store::sources::{Arrival, NewSignal, Said};

/// How often due alerts are looked for.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many alerts one look resolves at most; more follow at once.
const BATCH: u32 = 500;

/// How long senders have, after we were away, to say that their alerts still fire: Prometheus says so each minute.
const GRACE: Duration = Duration::from_secs(180);

/// Runs until the task is dropped, while this node leads. Two nodes that did so at once would only get in each other's way.
pub async fn run(store: Store, source: Env, lease: Arc<Lease>) {
    // Since when requests can have come, on the clock that nobody sets: silence of before was our own.
    let mut listening_since = None;
    loop {
        let mut resolved = 0;
        if lease.leads(source.monotonic_millis()) {
            let since_ms = *listening_since.get_or_insert_with(|| source.monotonic_millis());
            let listened = Duration::from_millis((source.monotonic_millis() - since_ms).unsigned_abs());
            match tend(&store, &source, listened).await {
                Ok(count) => resolved = count,
                Err(error) => {
                    log_store_failure!(error, "alerts that are due could not be looked for; trying again");
                    listening_since = None;
                }
            }
        } else {
            listening_since = None;
        }
        if resolved < BATCH {
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

async fn tend(store: &Store, source: &Env, listened: Duration) -> StoreResult<u32> {
    let now = source.now();
    store.sources.tell_silent(now, now.minus(listened)).await?;
    match listened >= GRACE {
        true => resolve_due(store, source).await,
        false => Ok(0),
    }
}

/// Resolves one batch of due alerts; says how many. The store decides again inside its transaction: one that was sent again
/// meanwhile goes on.
async fn resolve_due(store: &Store, source: &Env) -> StoreResult<u32> {
    let due = store.sources.due_alerts(source.now(), BATCH).await?;
    let mut by_source: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (source_id, key) in due {
        by_source.entry(source_id).or_default().push(key);
    }
    let mut resolved = 0;
    for (source_id, keys) in by_source {
        let count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let new_signal = |key| NewSignal {
            what: Said::ByTimer { key },
            incident_id: source.new_incident_id(),
            event_id: source.new_event_id(),
            change: source.change(Actor::System),
        };
        let arrival = Arrival {
            source_id,
            at: source.now(),
            signals: keys.into_iter().map(new_signal).collect(),
            request: None,
        };
        store.sources.receive(arrival).await?;
        resolved += count;
    }
    Ok(resolved)
}
