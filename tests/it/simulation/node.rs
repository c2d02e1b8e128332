//! One run of one node: the real store and the real board, and what lies between two of their steps. Dropping it is a
//! crash.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use destination::task::Classify;
use engine::dispatch_handle::DispatchHandle;
use engine::prepared::Prepared;
use engine::rescuer::JumpWatch;
use engine::scheduler::{Effects, SchedulerLimits};
use model::delivery::{Claim, ClaimedDelivery};
use model::exchange::Exchange;
use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use model::webhook::{Degraded, Endpoint};
use store::NoObserver;
use store::Store;
use store::queue::{AttemptRecord, ClaimRequest, Claimed};
use store::seal::{MasterKey, Sealer};
use store::wakeup::Wakeup;
use store_sqlite::Settings;
use telemetry::Metrics;

/// Small enough that every bound is met.
const LIMITS: SchedulerLimits = SchedulerLimits {
    max_in_flight: 12,
    max_ready: 24,
    max_unrecorded: 16,
};

pub struct Node {
    store: Option<Store>,
    pub inbox: Arc<DispatchHandle>,
    pub prepared: HashMap<WebhookId, Arc<Prepared>>,
    pub flights: Vec<Flight>,
    pub effects: Vec<Errand>,
    pub next_look_at: Option<Timestamp>,
    pub watch: JumpWatch,
    /// When the lease was last renewed, on the monotonic clock.
    pub beat_at: i64,
}

/// A request on its way.
pub struct Flight {
    pub delivery: ClaimedDelivery,
    pub prepared: Arc<Prepared>,
    pub started_at: Timestamp,
    /// On the monotonic clock.
    pub ends_at: i64,
    pub exchange: Exchange,
    /// Reads it.
    pub classify: Classify,
}

/// Something the dispatcher has begun and not yet ended. What reads and then writes is two effects.
pub enum Errand {
    Load(WebhookId),
    Loaded(WebhookId, Option<Box<Endpoint>>),
    Claim(Vec<ClaimRequest>),
    Claimed(Vec<Claimed>),
    Release(Vec<(DeliveryId, Claim)>),
    Health(WebhookId, Option<Degraded>),
    /// An attempt that ended at a monotonic time.
    Record(Box<AttemptRecord>, i64),
}

impl Node {
    /// A new run on the store in a folder.
    pub fn open(directory: &Path, number: i64, now: Timestamp, monotonic_millis: i64) -> Self {
        let inbox = Arc::new(DispatchHandle::new(
            LIMITS,
            Wakeup::new(),
            Arc::new(Metrics::new()),
        ));
        let store = store_sqlite::open(Settings {
            directory: directory.to_owned(),
            sealer: Sealer::new(&MasterKey::new([7; 32]), None),
            delivery_sink: Arc::clone(&inbox) as _,
            node: number,
            observer: Arc::new(NoObserver),
            max_pages: None,
        });
        Self {
            store: Some(store.unwrap()),
            inbox,
            prepared: HashMap::new(),
            flights: Vec::new(),
            effects: Vec::new(),
            next_look_at: None,
            watch: JumpWatch::new(now, monotonic_millis),
            beat_at: i64::MIN / 2,
        }
    }

    /// The store, as long as this run lasts.
    pub fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// Lets go of the store, which is for one run at a time.
    pub fn close(&mut self) {
        self.store = None;
    }

    /// Takes up what the scheduler wants done; gives back what is to be sent at once.
    pub fn take_errands(&mut self, effects: Effects) -> Vec<ClaimedDelivery> {
        self.next_look_at = effects.next_tick_at;
        self.effects.extend(effects.load.into_iter().map(Errand::Load));
        if !effects.claim.is_empty() {
            self.effects.push(Errand::Claim(effects.claim));
        }
        if !effects.release.is_empty() {
            self.effects.push(Errand::Release(effects.release));
        }
        let health = effects.health.into_iter();
        self.effects
            .extend(health.map(|(id, degraded)| Errand::Health(id, degraded)));
        effects.start
    }

    /// The errand with this index; what is noted of a webhook's health keeps its order.
    pub fn take_errand(&mut self, index: usize) -> Errand {
        let is_health = |errand: &Errand| matches!(errand, Errand::Health(..));
        let index = if is_health(&self.effects[index]) {
            self.effects.iter().position(is_health).unwrap()
        } else {
            index
        };
        self.effects.remove(index)
    }

    /// Whether an attempt ended whose result is not on disk.
    pub fn has_unrecorded(&self) -> bool {
        self.effects
            .iter()
            .any(|errand| matches!(errand, Errand::Record(..)))
    }

    /// Has nothing begun that is not ended.
    pub fn is_at_rest(&self) -> bool {
        self.flights.is_empty() && self.effects.is_empty()
    }
}
