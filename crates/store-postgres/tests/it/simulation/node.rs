//! One run of one node: its store, what it holds, and attempts whose results it has not recorded yet.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use model::delivery::ClaimedDelivery;
use model::id::WebhookId;
use model::time::Timestamp;
use store::queue::AttemptRecord;
use store::{DeliverySink, Store};
use store_conformance::Opening;

use super::super::backend::open_database;

pub struct Node {
    pub run: i64,
    pub store: Store,
    pub hand: Vec<ClaimedDelivery>,
    /// Attempts that were made, and may come too late.
    pub unrecorded: Vec<AttemptRecord>,
    pub sink: Arc<Sink>,
}

impl Node {
    pub async fn start(url: &str, run: i64) -> Self {
        let sink = Arc::<Sink>::default();
        let opening = Opening {
            node: run,
            delivery_sink: Arc::clone(&sink) as _,
            ..Opening::default()
        };
        Self {
            run,
            store: open_database(url, &opening).await.unwrap().into(),
            hand: Vec::new(),
            unrecorded: Vec::new(),
            sink,
        }
    }

    pub async fn beat(&self, now: Timestamp) {
        // A connection that broke a step ago is noticed by whoever uses it next.
        while self.store.queue.heartbeat(now).await.is_err() {}
    }

    pub fn take_born_claimed(&self) -> Vec<ClaimedDelivery> {
        std::mem::take(&mut *self.sink.taken.lock().unwrap())
    }
}

/// A dispatcher with as much room as it is given.
#[derive(Default)]
pub struct Sink {
    pub room: AtomicU32,
    taken: Mutex<Vec<ClaimedDelivery>>,
}

impl DeliverySink for Sink {
    fn reserve(&self, _: WebhookId) -> bool {
        let less = |room: u32| room.checked_sub(1);
        self.room
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            .is_ok()
    }
    fn cancel(&self, _: WebhookId) {
        self.room.fetch_add(1, Ordering::SeqCst);
    }
    fn take(&self, delivery: ClaimedDelivery) {
        self.taken.lock().unwrap().push(delivery);
    }
    fn wake(&self, _: WebhookId, _: Timestamp) {}
    fn webhook_changed(&self, _: WebhookId) {}
    fn events_up_to(&self, _: i64) {}
}
