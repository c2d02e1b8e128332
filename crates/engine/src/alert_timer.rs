//! Resolves alerts whose time has come: those that their sender says end at some time, and those that flapped and are quiet
//! now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::lease::Lease;
use clock::Env;
use model::audit::Actor;
use store::Store;
use store::log_store_failure;
use store::sources::{Arrival, NewSignal, Said};

/// How often due alerts are looked for.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many alerts one look resolves at most; more follow at once.
const BATCH: u32 = 500;

/// Runs until the task is dropped, while this node leads. Two nodes that did so at once would only get in each other's way.
pub async fn run(store: Store, source: Env, lease: Arc<Lease>) {
    loop {
        let resolved = match lease.leads(source.monotonic_millis()) {
            true => resolve_due(&store, &source).await,
            false => 0,
        };
        if resolved < BATCH {
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// Resolves one batch of due alerts; says how many. The store decides again inside its transaction: one that was sent again
/// meanwhile goes on.
pub async fn resolve_due(store: &Store, source: &Env) -> u32 {
    let due = match store.sources.due_alerts(source.now(), BATCH).await {
        Ok(due) => due,
        Err(error) => {
            log_store_failure!(error, "due alerts could not be read; trying again");
            return 0;
        }
    };
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
        match store.sources.receive(arrival).await {
            Ok(_) => resolved += count,
            Err(error) => {
                log_store_failure!(error, %source_id, "due alerts could not be resolved; trying again");
            }
        }
    }
    resolved
}
