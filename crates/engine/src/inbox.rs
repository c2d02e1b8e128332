//! The dispatcher's side of a commit: room is kept on the board before it, deliveries land on the board after it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::board::{Board, BoardLimits};
use model::delivery::ClaimedDelivery;
use model::id::WebhookId;
use model::time::Timestamp;
use store::HandOver;
use store::wakeup::Wakeup;
use telemetry::Metrics;

/// The board behind a lock, and the bell that says something happened.
pub struct Inbox {
    board: Mutex<Board>,
    bell: Notify,
    wakeup: Wakeup,
    metrics: Arc<Metrics>,
}

impl Inbox {
    /// An empty board.
    pub fn new(limits: BoardLimits, wakeup: Wakeup, metrics: Arc<Metrics>) -> Self {
        Self {
            board: Mutex::new(Board::new(limits)),
            bell: Notify::new(),
            wakeup,
            metrics,
        }
    }

    /// The board. Held for moments only: nothing is waited for under this lock.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the dispatcher.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Waits until the dispatcher is woken.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }
}

impl HandOver for Inbox {
    fn reserve(&self, webhook_id: WebhookId) -> bool {
        self.board().reserve(webhook_id)
    }

    fn cancel(&self, webhook_id: WebhookId) {
        self.board().cancel(webhook_id);
    }

    fn take(&self, delivery: ClaimedDelivery) {
        self.board().take(delivery);
        self.ring();
    }

    fn wake(&self, webhook_id: WebhookId, due_at: Timestamp) {
        self.board().wake(webhook_id, due_at);
        self.ring();
    }

    fn webhook_changed(&self, webhook_id: WebhookId) {
        self.board().webhook_changed(webhook_id);
        self.ring();
    }

    fn events_up_to(&self, sequence: i64) {
        self.metrics.events_accepted.inc();
        self.wakeup.events_up_to(sequence);
    }
}
