//! The dispatcher's side of a commit: room is kept on the scheduler before it, deliveries land on the scheduler after it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::lease::Lease;
use crate::scheduler::{Scheduler, SchedulerLimits};
use model::delivery::ClaimedDelivery;
use model::event::Event;
use model::id::WebhookId;
use model::time::Timestamp;
use store::DeliverySink;
use store::queue::Membership;
use store::wakeup::Wakeup;
use telemetry::Metrics;

/// The scheduler behind a lock, and the notification that says something happened.
pub struct DispatchHandle {
    scheduler: Mutex<Scheduler>,
    lease: Arc<Lease>,
    news: Notify,
    wakeup: Wakeup,
    metrics: Arc<Metrics>,
}

impl DispatchHandle {
    /// An idle scheduler.
    pub fn new(limits: SchedulerLimits, wakeup: Wakeup, metrics: Arc<Metrics>) -> Self {
        Self {
            scheduler: Mutex::new(Scheduler::new(limits)),
            lease: Arc::default(),
            news: Notify::new(),
            wakeup,
            metrics,
        }
    }

    /// The scheduler. Held for moments only: nothing is waited for under this lock.
    pub fn scheduler(&self) -> MutexGuard<'_, Scheduler> {
        self.scheduler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A heartbeat was answered at this time, that was sent at a time of the monotonic clock.
    pub fn renewed(&self, membership: &Membership, sent_ms: i64, answered_ms: i64, now: Timestamp) {
        self.lease.renewed(membership, sent_ms, answered_ms);
        if membership.shared.is_some() {
            let mut scheduler = self.scheduler();
            scheduler.follow_lease(self.lease.number(answered_ms));
            scheduler.follow_members(&membership.nodes, membership.own, now);
            drop(scheduler);
            self.notify();
        }
    }

    /// The lease under which this node's claims hold.
    pub fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// Wakes the dispatcher.
    pub fn notify(&self) {
        self.news.notify_one();
    }

    /// Waits until the dispatcher is woken.
    pub async fn notified(&self) {
        self.news.notified().await;
    }
}

impl DeliverySink for DispatchHandle {
    fn reserve(&self, webhook_id: WebhookId) -> bool {
        self.scheduler().reserve(webhook_id)
    }

    fn cancel(&self, webhook_id: WebhookId) {
        self.scheduler().cancel(webhook_id);
    }

    fn take(&self, delivery: ClaimedDelivery) {
        self.scheduler().take(delivery);
        self.notify();
    }

    fn wake(&self, webhook_id: WebhookId, due_at: Timestamp) {
        self.scheduler().wake(webhook_id, due_at);
        self.notify();
    }

    fn webhook_changed(&self, webhook_id: WebhookId) {
        self.scheduler().webhook_changed(webhook_id);
        self.notify();
    }

    fn events_up_to(&self, sequence: i64) {
        self.metrics.events_accepted.inc();
        self.wakeup.events_up_to(sequence);
    }

    fn incident_moved(&self, event: &Event) {
        let after = event.at.since(event.incident_id.made_at());
        self.metrics.incidents.moved(event.name, after);
    }
}
