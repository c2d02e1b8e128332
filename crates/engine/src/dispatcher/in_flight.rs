//! One delivery in the dispatcher's hand: from the claim until its attempt is with the recorder.

use std::sync::Arc;
use std::time::Duration;

use crate::breaker::HealthSignal;
use crate::finish_attempt::AttemptResult;
use crate::notices::Kind;
use crate::prepared::Prepared;
use crate::scheduler::Pausing;
use model::delivery::{ClaimedDelivery, NextStep};
use model::exchange::FailureCode;

use super::{Dispatcher, give_back, recall};

/// A delivery that is being sent. If its task ends before its time (a bug), the claim is given back.
pub(super) struct InFlight {
    pub(super) dispatcher: Dispatcher,
    pub(super) delivery: Option<ClaimedDelivery>,
    /// The lease under which it was claimed.
    pub(super) lease: Option<u64>,
}

impl InFlight {
    /// Sends it, and hands on what came of it.
    pub(super) async fn run(mut self, prepared: Arc<Prepared>) {
        let Some(delivery) = &self.delivery else { return };
        let parts = Arc::clone(&self.dispatcher.0);
        let known = recall(&parts, &prepared, delivery).await;
        if self.dispatcher.lease_number() != self.lease {
            // It may be another node's by now.
            return self.give_back(HealthSignal::Neutral);
        }
        let attempted = parts.deliverer.attempt(&prepared, delivery, &known);
        let AttemptResult {
            record,
            pause,
            was_prevented,
        } = attempted.await;
        if was_prevented {
            // No attempt was made, for a want of this server's own: it is made when the claim comes round again.
            return self.give_back(HealthSignal::Neutral);
        }
        let now = parts.source.now();
        let outcome = &record.attempt.outcome;
        parts.metrics.attempted(outcome);
        let took = Duration::from_micros(record.attempt.timings.total_us);
        prepared.counters.count(outcome, took);
        let signal = HealthSignal::from(&record.attempt.outcome);
        if signal == HealthSignal::Succeeded {
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
        let is_operational = record.is_operational;
        self.delivery = None;
        let webhook_id = record.webhook_id;
        if let Some(pause) = &pause {
            parts
                .handle
                .scheduler()
                .pause(&Pausing::asked_by(pause, &record.attempt), now);
        }
        // The recorder outlives every attempt: it ends when the last sender is dropped.
        let _ = parts.attempts.send(record);
        let mut scheduler = parts.handle.scheduler();
        let signal = match is_operational && !scheduler.is_degraded(webhook_id) {
            true => signal.without_failure(),
            false => signal,
        };
        scheduler.finished(webhook_id, signal, now);
        drop(scheduler);
        self.dispatcher.tick();
    }

    /// Gives the claim back, as if nothing had been tried.
    fn give_back(&mut self, signal: HealthSignal) {
        let Some(delivery) = self.delivery.take() else {
            return;
        };
        let parts = &self.dispatcher.0;
        let in_hand = parts.in_hand.subscribe();
        let mut scheduler = parts.handle.scheduler();
        scheduler.finished(delivery.webhook_id, signal, parts.source.now());
        scheduler.recorded(1);
        drop(scheduler);
        let (store, handle) = (parts.store.clone(), Arc::clone(&parts.handle));
        let (webhook_id, now) = (delivery.webhook_id, parts.source.now());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                give_back(&store, vec![(delivery.id, delivery.claim)]).await;
                handle.scheduler().wake(webhook_id, now);
                handle.notify();
                drop(in_hand);
            });
        }
        parts.handle.notify();
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.give_back(HealthSignal::Failed(FailureCode::RequestInvalid));
    }
}
