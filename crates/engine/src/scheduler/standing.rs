//! What is asked of the scheduler from outside, and how it ends.

use std::cmp::Reverse;

use crate::scheduler::Scheduler;
use model::time::Timestamp;

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
}
