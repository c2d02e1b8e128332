//! Fires the escalation timers of incidents that nobody acknowledged.

use std::sync::Arc;
use std::time::Duration;

use crate::lease::Lease;
use clock::Env;
use model::audit::Actor;
use store::Store;
use store::log_store_failure;

/// How often due timers are looked for.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many timers one look fires at most; more follow at once.
const BATCH: u32 = 100;

/// Runs until the task is dropped, while this node leads. Two nodes that did so at once would only get in each other's way.
pub async fn run(store: Store, source: Env, lease: Arc<Lease>) {
    loop {
        let fired = match lease.leads(source.monotonic_millis()) {
            true => fire_due(&store, &source).await,
            false => 0,
        };
        if fired < BATCH {
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// Fires one batch of due timers; says how many fired. The store decides again inside its transaction, so that a step
/// never fires twice.
pub async fn fire_due(store: &Store, source: &Env) -> u32 {
    let due = match store.incidents.due_escalations(source.now(), BATCH).await {
        Ok(due) => due,
        Err(error) => {
            log_store_failure!(error, "due escalations could not be read; trying again");
            return 0;
        }
    };
    let mut fired = 0;
    for incident_id in due {
        let change = source.change(Actor::System);
        match store
            .incidents
            .fire_escalation(incident_id, source.new_event_id(), change)
            .await
        {
            Ok(_) => fired += 1,
            Err(error) => {
                log_store_failure!(error, %incident_id, "an escalation could not fire; trying again")
            }
        }
    }
    fired
}
