//! One request in the dispatcher's hand: from the claim of its deliveries until their attempts are with the recorder.

use std::sync::Arc;
use std::time::Duration;

use crate::breaker::HealthSignal;
use crate::delivery_context::DeliveryContext;
use crate::finish_attempt::AttemptResult;
use crate::notices::Kind;
use crate::prepared::Prepared;
use crate::scheduler::Pausing;
use model::delivery::{ClaimedDelivery, NextStep};
use model::exchange::FailureCode;
use model::time::Timestamp;

use super::{Dispatcher, Parts, give_back, recall};

/// A delivery that is being sent, or several that leave together. If their task ends before its time (a bug), the claims are given
/// back.
pub(super) struct InFlight {
    pub(super) dispatcher: Dispatcher,
    pub(super) deliveries: Vec<ClaimedDelivery>,
    /// The lease under which they were claimed.
    pub(super) lease: Option<u64>,
}

impl InFlight {
    /// Sends them, and hands on what came of it.
    pub(super) async fn run(mut self, prepared: Arc<Prepared>) {
        let parts = Arc::clone(&self.dispatcher.0);
        let known = match self.deliveries.as_slice() {
            [delivery] => recall(&parts, &prepared, delivery).await,
            _ => DeliveryContext::default(),
        };
        if self.dispatcher.lease_number() != self.lease {
            // They may be another node's by now.
            return self.give_back(HealthSignal::Neutral);
        }
        let deliverer = &parts.deliverer;
        let attempted = match self.deliveries.as_slice() {
            [delivery] => vec![deliverer.attempt(&prepared, delivery, &known).await],
            together => deliverer.attempt_together(&prepared, together).await,
        };
        if attempted.iter().any(|result| result.was_prevented) {
            // No attempt was made, for a want of this server's own: it is made when the claim comes round again.
            return self.give_back(HealthSignal::Neutral);
        }
        let now = parts.source.now();
        let deliveries = std::mem::take(&mut self.deliveries);
        let webhook_id = prepared.webhook.id;
        let is_degraded = parts.handle.scheduler().is_degraded(webhook_id);
        let mut signals = Vec::with_capacity(attempted.len());
        for (result, delivery) in attempted.into_iter().zip(&deliveries) {
            let signal = HealthSignal::from(&result.record.attempt.outcome);
            signals.push(match result.record.is_operational && !is_degraded {
                true => signal.without_failure(),
                false => signal,
            });
            hand_on(&parts, &prepared, delivery, result, now);
        }
        let mut scheduler = parts.handle.scheduler();
        scheduler.finished(webhook_id, HealthSignal::together(signals), now);
        drop(scheduler);
        self.dispatcher.tick();
    }

    /// Gives the claims back, as if nothing had been tried.
    fn give_back(&mut self, signal: HealthSignal) {
        let deliveries = std::mem::take(&mut self.deliveries);
        let Some(webhook_id) = deliveries.first().map(|delivery| delivery.webhook_id) else {
            return;
        };
        let parts = &self.dispatcher.0;
        let in_hand = parts.in_hand.subscribe();
        let mut scheduler = parts.handle.scheduler();
        scheduler.finished(webhook_id, signal, parts.source.now());
        scheduler.recorded(deliveries.len());
        drop(scheduler);
        let (store, handle, now) = (parts.store.clone(), Arc::clone(&parts.handle), parts.source.now());
        let claims = deliveries.iter().map(|delivery| (delivery.id, delivery.claim));
        let claims: Vec<_> = claims.collect();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                give_back(&store, claims).await;
                handle.scheduler().wake(webhook_id, now);
                handle.notify();
                drop(in_hand);
            });
        }
        parts.handle.notify();
    }
}

/// Counts and notes an attempt, and hands it to the recorder.
fn hand_on(
    parts: &Parts,
    prepared: &Prepared,
    delivery: &ClaimedDelivery,
    result: AttemptResult,
    now: Timestamp,
) {
    let AttemptResult { record, pause, .. } = result;
    let outcome = &record.attempt.outcome;
    parts.metrics.attempted(outcome);
    let took = Duration::from_micros(record.attempt.timings.total_us);
    prepared.counters.count(outcome, took);
    if HealthSignal::from(outcome) == HealthSignal::Succeeded {
        let took = now.since(delivery.created_at).as_secs_f64();
        parts.metrics.delivery_seconds.observe(took);
    }
    let code = outcome.failure().map(|failure| failure.code);
    if record.disable_webhook.is_some() {
        let log = &parts.log;
        log.note(record.webhook_id, prepared.name(), Kind::Disabled, code);
    }
    if record.next_step == NextStep::Dead {
        let log = &parts.log;
        log.note(record.webhook_id, prepared.name(), Kind::Dead, code);
    }
    if let Some(pause) = &pause {
        let pausing = Pausing::asked_by(pause, &record.attempt);
        parts.handle.scheduler().pause(&pausing, now);
    }
    // The recorder outlives every attempt: it ends when the last sender is dropped.
    let _ = parts.attempts.send(record);
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.give_back(HealthSignal::Failed(FailureCode::RequestInvalid));
    }
}
