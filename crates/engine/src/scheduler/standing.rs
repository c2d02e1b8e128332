//! What is asked of the scheduler from outside, and how it ends.

use std::cmp::Reverse;

use crate::breaker::Breaker;
use crate::scheduler::Scheduler;
use model::id::WebhookId;
use model::time::Timestamp;
use model::webhook::Degraded;

impl Scheduler {
    /// Starts nothing any more, and gives back all that waits.
    pub fn stop(&mut self) {
        self.is_stopping = true;
        for webhook_id in self.webhook_ids() {
            self.release_ready(webhook_id);
        }
    }

    /// Whether nothing is in flight or waits to be recorded.
    pub fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.unrecorded == 0
    }

    /// How many attempts were started so far, if nothing is in hand and, as far as is known here, nothing due.
    pub fn quiet_after(&self, now: Timestamp) -> Option<u64> {
        let is_due = self.alarms.peek().is_some_and(|Reverse((at, ..))| *at <= now);
        let has_loading = || self.webhooks.values().any(|entry| entry.is_loading);
        let holds = self.asked + self.reserved > 0 || !self.effects.is_empty() || has_loading();
        (self.is_idle() && !is_due && !holds).then_some(self.served)
    }

    /// Webhooks with a closed and with an open breaker.
    pub fn breaker_counts(&self) -> (usize, usize) {
        let open = self
            .webhooks
            .values()
            .filter(|entry| entry.breaker.probe_at().is_some())
            .count();
        (self.webhooks.len() - open, open)
    }

    /// A receiver was not reached outside of the queue, by a canary or when it was told again: its breaker opens, unless it is open already.
    pub fn unreached(&mut self, webhook_id: WebhookId, degraded: Degraded, now: Timestamp) {
        let entry = self.webhooks.entry(webhook_id).or_default();
        if entry.breaker.degraded().is_some() {
            return;
        }
        entry.breaker = Breaker::resume(Some(degraded.clone()), now);
        self.effects.health.push((webhook_id, Some(degraded)));
        self.release_ready(webhook_id);
        self.share_after_change(webhook_id, now);
        self.enqueue_run(webhook_id);
        self.consider_claim(webhook_id, now);
    }

    /// Whether a webhook's breaker is open.
    pub fn is_degraded(&self, webhook_id: WebhookId) -> bool {
        let entry = self.webhooks.get(&webhook_id);
        entry.is_some_and(|entry| entry.breaker.degraded().is_some())
    }
}
