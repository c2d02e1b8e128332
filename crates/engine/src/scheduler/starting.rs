//! Starting: whose turn it is, and what leaves then.

use std::cmp::Reverse;

use crate::scheduler::Scheduler;
use crate::scheduler::entry::Blocked;
use model::id::WebhookId;
use model::time::Timestamp;

impl Scheduler {
    pub(super) fn start_ready(&mut self, now: Timestamp) {
        self.end_collecting();
        while !self.is_stopping
            && !self.is_fenced
            && self.in_flight < self.limits.max_in_flight
            && self.unrecorded < self.limits.max_unrecorded
        {
            let room = self.capacity();
            let Some(webhook_id) = self.turns.pop_front() else {
                return;
            };
            let Some(entry) = self.webhooks.get_mut(&webhook_id) else {
                continue;
            };
            match entry.blocked(&self.buckets, now, room) {
                Some(blocked) => {
                    entry.is_in_run_queue = false;
                    match blocked {
                        Blocked::Otherwise => {}
                        Blocked::Until(at) => self.set_alarm(webhook_id, at),
                        Blocked::Collecting(at) => {
                            self.collecting.insert(webhook_id);
                            self.set_alarm(webhook_id, at);
                        }
                    }
                }
                None => self.start_next(webhook_id, now),
            }
        }
    }

    /// One request of a webhook.
    fn start_next(&mut self, webhook_id: WebhookId, now: Timestamp) {
        // What carries many leaves the room that requests of one delivery need.
        let kept = self.limits.max_in_flight.min(self.limits.max_unrecorded / 2);
        let free = self.limits.max_unrecorded - self.unrecorded;
        let most = free.saturating_sub(kept).max(1);
        let Some(entry) = self.webhooks.get_mut(&webhook_id) else {
            return;
        };
        let mut deliveries = entry.take_next(most, now);
        let count = deliveries.len();
        if count == 0 {
            return;
        }
        entry.in_flight += 1;
        entry.pace.spend(now);
        entry.alone_pace.spend(now);
        if let Some(limits) = &entry.limits {
            self.buckets.spend(&limits.buckets, now);
        }
        entry.is_in_run_queue = !entry.ready.is_empty();
        if entry.is_in_run_queue {
            self.turns.push_back(webhook_id);
        }
        self.served += 1;
        entry.served = self.served;
        let runs_low = entry.ready.len() < entry.ready_limit() / 2 && entry.due_at.is_some();
        self.ready -= count;
        self.in_flight += 1;
        self.unrecorded += count;
        match count {
            1 => self.effects.start.append(&mut deliveries),
            _ => self.effects.start_together.push(deliveries),
        }
        if runs_low {
            self.consider_claim(webhook_id, now);
        }
    }

    /// Has a webhook looked at again at a time. For one whose deliveries collect that is asked with each of them.
    fn set_alarm(&mut self, webhook_id: WebhookId, at: Timestamp) {
        let Some(entry) = self.webhooks.get_mut(&webhook_id) else {
            return;
        };
        if entry.joint().is_some() && entry.alarm_at.replace(at) == Some(at) {
            return;
        }
        self.alarms.push(Reverse((at, entry.served, webhook_id)));
    }

    /// Who collects without room for more waits no longer.
    fn end_collecting(&mut self) {
        if self.collecting.is_empty() {
            return;
        }
        let room = self.capacity();
        let has_room = |webhook_id: &WebhookId| {
            let entry = self.webhooks.get(webhook_id);
            entry.is_some_and(|entry| {
                let held = entry.ready.len() + entry.reserved;
                !entry.ready.is_empty() && held < entry.hold_limit(room)
            })
        };
        let ended: Vec<_> = self
            .collecting
            .iter()
            .filter(|id| !has_room(id))
            .copied()
            .collect();
        for webhook_id in ended {
            self.collecting.remove(&webhook_id);
            self.enqueue_run(webhook_id);
        }
    }
}
