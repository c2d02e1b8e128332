//! Send Test: one real attempt with a sample event, past the queue.

use std::sync::Arc;

use crate::breaker::HealthSignal;
use crate::delivery_context::DeliveryContext;
use crate::finish_attempt::AttemptResult;
use crate::prepared::Prepared;
use crate::recorder;
use crate::scheduler::Pausing;
use destination::task::Pause;
use model::delivery::{ClaimedDelivery, NextStep};
use model::event::Event;
use model::id::WebhookId;
use model::patch::Patch;
use store::StoreError;
use store::StoreResult;
use store::deliveries::DeliveryDetail;
use store::queue::AttemptRecord;
use store::webhooks::MessageRef;

use super::Dispatcher;

impl Dispatcher {
    /// Makes one real attempt with a sample event, past the queue: Send Test. It goes on when the caller goes away.
    pub async fn send_test(&self, webhook_id: WebhookId, sample: Event) -> StoreResult<DeliveryDetail> {
        let test = tokio::spawn(self.clone().run_test(webhook_id, sample));
        test.await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("the server is stopping".into())))
    }

    async fn run_test(self, webhook_id: WebhookId, sample: Event) -> StoreResult<DeliveryDetail> {
        let parts = &self.0;
        let closed = || StoreError::Unavailable("the server is stopping".into());
        let _permit = parts.tests.acquire().await.map_err(|_| closed())?;
        let endpoint = parts.store.endpoints.load(webhook_id).await?;
        let endpoint = endpoint.ok_or(StoreError::NotFound { what: "webhook" })?;
        let prepared = parts.prepare(endpoint);
        let delivery = parts.store.queue.begin_test(webhook_id, sample).await?;
        let records = Arc::from(self.attempt_test(prepared, delivery.clone()).await);
        recorder::record_within(&records, &parts.store, &parts.source).await;
        parts.store.deliveries.get(delivery.id).await
    }

    /// What a test says about its receiver counts: one that succeeds closes the breaker.
    fn note_test(&self, record: &AttemptRecord, pause: Option<&Pause>) {
        let now = self.0.source.now();
        let mut scheduler = self.0.handle.scheduler();
        if let Some(pause) = pause {
            scheduler.pause(&Pausing::asked_by(pause, &record.attempt), now);
        }
        if HealthSignal::from(&record.attempt.outcome) == HealthSignal::Succeeded {
            scheduler.reached(record.webhook_id, now);
        }
        drop(scheduler);
        self.0.handle.notify();
    }

    /// The attempts of a test: one, and the follow-ups that its answers ask for. The last comes first: it ends the claim,
    /// and those before it are recorded as history.
    async fn attempt_test(
        &self,
        mut prepared: Prepared,
        mut delivery: ClaimedDelivery,
    ) -> Vec<AttemptRecord> {
        let mut records: Vec<AttemptRecord> = Vec::new();
        let mut known = DeliveryContext::default();
        loop {
            let attempted = self.0.deliverer.attempt(&prepared, &delivery, &known);
            let AttemptResult { record, pause, .. } = attempted.await;
            self.note_test(&record, pause.as_ref());
            let goes_on = matches!(record.next_step, NextStep::Retry { .. });
            if goes_on {
                delivery.attempts_made += 1;
                delivery.spent = record.spent;
                let text = known.message_ref.take().map(|memory| memory.text);
                known.message_ref = left(&record.state_updates.message_ref, text).map(|text| MessageRef {
                    text,
                    event_sequence: record.event_sequence,
                });
                if let Some(update) = &record.state_updates.ticket {
                    known.learn_in_test(&delivery, update, self.0.source.now());
                }
                delivery.continuation =
                    left(&record.state_updates.continuation, delivery.continuation.take());
                if record.state_updates.discovered_settings.is_some() {
                    prepared
                        .target
                        .discovered_settings
                        .clone_from(&record.state_updates.discovered_settings);
                }
            }
            records.push(record);
            if !goes_on {
                break;
            }
        }
        let learned = records
            .iter()
            .rev()
            .find_map(|record| record.state_updates.discovered_settings.clone());
        records.reverse();
        if let Some(last) = records.first_mut() {
            last.state_updates.discovered_settings = learned;
        }
        records
    }
}

/// What an attempt leaves of a text that was kept.
fn left(patch: &Patch<String>, before: Option<String>) -> Option<String> {
    match patch {
        Patch::Keep => before,
        Patch::Set(text) => Some(text.clone()),
        Patch::Clear => None,
    }
}
