//! What becomes of the scheduler's claims when the node's lease runs out: whatever they were for may be another node's by now.

use crate::scheduler::Scheduler;
use model::id::WebhookId;

impl Scheduler {
    /// Goes by the lease that holds now, which has a number; nothing if none does. Without one nothing is started and nothing
    /// claimed. What was claimed under another one is given back, whenever it arrives.
    pub fn follow_lease(&mut self, number: Option<u64>) {
        if !self.is_fenced && number != Some(self.lease_number) {
            self.fence();
        }
        if let Some(number) = number
            && self.is_fenced
        {
            self.is_fenced = false;
            self.lease_number = number;
            self.is_new_member = true;
            for webhook_id in self.webhook_ids() {
                self.survey(webhook_id);
            }
        }
    }

    fn fence(&mut self) {
        self.is_fenced = true;
        for webhook_id in self.webhook_ids() {
            self.release_ready(webhook_id);
        }
        for entry in self.webhooks.values_mut() {
            entry.outdated_reserved = entry.reserved;
            entry.is_asked_outdated = entry.asked.is_some();
        }
    }

    /// What the store holds of a webhook is not known for certain: it is asked.
    pub(super) fn survey(&mut self, webhook_id: WebhookId) {
        if let Some(entry) = self.webhooks.get_mut(&webhook_id) {
            entry.due_at = None;
        }
        self.wake(webhook_id, self.last_look_at);
    }

    pub(super) fn webhook_ids(&self) -> Vec<WebhookId> {
        self.webhooks.keys().copied().collect()
    }
}
