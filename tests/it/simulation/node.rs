//! One run of one node: the real store and the real board, and what lies between two of their steps. Dropping it is a
//! crash.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use engine::board::{BoardLimits, Errands};
use engine::inbox::Inbox;
use engine::prepared::Prepared;
use engine::rescuer::JumpWatch;
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
const LIMITS: BoardLimits = BoardLimits {
    max_in_flight: 12,
    max_ready: 24,
    max_unrecorded: 16,
};

pub struct Node {
    store: Option<Store>,
    pub inbox: Arc<Inbox>,
    pub prepared: HashMap<WebhookId, Arc<Prepared>>,
    pub flights: Vec<Flight>,
    pub errands: Vec<Errand>,
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
}

/// Something the dispatcher has begun and not yet ended. What reads and then writes is two errands.
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
        let inbox = Arc::new(Inbox::new(LIMITS, Wakeup::new(), Arc::new(Metrics::new())));
        let store = store_sqlite::open(Settings {
            directory: directory.to_owned(),
            sealer: Sealer::new(&MasterKey::new([7; 32]), None),
            hand_over: Arc::clone(&inbox) as _,
            node: number,
            observer: Arc::new(NoObserver),
            max_pages: None,
        });
        Self {
            store: Some(store.unwrap()),
            inbox,
            prepared: HashMap::new(),
            flights: Vec::new(),
            errands: Vec::new(),
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

    /// Takes up what the board wants done; gives back what is to be sent at once.
    pub fn take_errands(&mut self, errands: Errands) -> Vec<ClaimedDelivery> {
        self.next_look_at = errands.next_look_at;
        self.errands.extend(errands.load.into_iter().map(Errand::Load));
        if !errands.claim.is_empty() {
            self.errands.push(Errand::Claim(errands.claim));
        }
        if !errands.release.is_empty() {
            self.errands.push(Errand::Release(errands.release));
        }
        let health = errands.health.into_iter();
        self.errands
            .extend(health.map(|(id, degraded)| Errand::Health(id, degraded)));
        errands.start
    }

    /// The errand with this index; what is noted of a webhook's health keeps its order.
    pub fn take_errand(&mut self, index: usize) -> Errand {
        let is_health = |errand: &Errand| matches!(errand, Errand::Health(..));
        let index = if is_health(&self.errands[index]) {
            self.errands.iter().position(is_health).unwrap()
        } else {
            index
        };
        self.errands.remove(index)
    }

    /// Whether an attempt ended whose result is not on disk.
    pub fn has_unrecorded(&self) -> bool {
        self.errands
            .iter()
            .any(|errand| matches!(errand, Errand::Record(..)))
    }

    /// Has nothing begun that is not ended.
    pub fn is_at_rest(&self) -> bool {
        self.flights.is_empty() && self.errands.is_empty()
    }
}
