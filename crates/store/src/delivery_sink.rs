//! The way from a commit straight to the sender: deliveries that are born claimed need not be read back.

use model::delivery::ClaimedDelivery;
use model::event::Event;
use model::id::WebhookId;
use model::time::Timestamp;

/// The dispatcher as the store sees it. Called from the store's own threads: it must not block.
pub trait DeliverySink: Send + Sync {
    /// Asks for room for one delivery of a webhook. After `true`, exactly one of [`DeliverySink::take`] and
    /// [`DeliverySink::cancel`] follows.
    fn reserve(&self, webhook_id: WebhookId) -> bool;

    /// Gives room back that is not used after all.
    fn cancel(&self, webhook_id: WebhookId);

    /// Hands over a delivery that is on disk as claimed by this node.
    fn take(&self, delivery: ClaimedDelivery);

    /// Says that a delivery of a webhook stays in the store and is due at a time.
    fn wake(&self, webhook_id: WebhookId, due_at: Timestamp);

    /// Says that a webhook was created, changed, enabled, disabled or deleted.
    fn webhook_changed(&self, webhook_id: WebhookId);

    /// Says that one more event is on disk, with its place in the feed.
    fn events_up_to(&self, sequence: i64);

    /// Says that an incident's event is on disk: for metrics.
    fn incident_moved(&self, _: &Event) {}
}

/// No dispatcher: everything stays in the store until somebody claims it.
pub struct NoSink;

impl DeliverySink for NoSink {
    fn reserve(&self, _: WebhookId) -> bool {
        false
    }
    fn cancel(&self, _: WebhookId) {}
    fn take(&self, _: ClaimedDelivery) {}
    fn wake(&self, _: WebhookId, _: Timestamp) {}
    fn webhook_changed(&self, _: WebhookId) {}
    fn events_up_to(&self, _: i64) {}
}
