//! Canaries: what Send Test sends, by a timer. One that fails opens the webhook's breaker, so that it is told and shown.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::breaker::HealthSignal;
use clock::Env;
use model::audit::Actor;
use model::event::{Event, EventName};
use model::exchange::FailureCode;
use model::id::WebhookId;
use model::incident::{Incident, IncidentStatus, Severity};
use model::service::ServiceRef;
use model::webhook::{CanaryResult, Degraded};
use store::StoreError;
use store::StoreResult;
use store::log_store_failure;

use super::Dispatcher;

/// How often it is looked for canaries.
const INTERVAL: Duration = Duration::from_secs(5);
/// The most canaries that are sent at once.
const BATCH: u32 = 16;

impl Dispatcher {
    /// Sends canaries until the task is dropped, while this node leads.
    pub async fn run_canaries(self) {
        loop {
            let sent = match self.leads() {
                true => self.send_due_canaries().await,
                false => 0,
            };
            if sent < BATCH as usize {
                tokio::time::sleep(INTERVAL).await;
            }
        }
    }

    async fn send_due_canaries(&self) -> usize {
        let parts = &self.0;
        let due = match parts.store.canaries.take_due(parts.source.now(), BATCH).await {
            Ok(due) => due,
            Err(error) => {
                log_store_failure!(error, "canaries that are due could not be read; trying again");
                return 0;
            }
        };
        let count = due.len();
        let mut sending = JoinSet::new();
        for webhook_id in due {
            let dispatcher = self.clone();
            sending.spawn(async move {
                if let Err(error) = dispatcher.send_canary(webhook_id).await {
                    log_store_failure!(error, %webhook_id, "a canary could not be sent; trying again in ten minutes");
                }
            });
        }
        while sending.join_next().await.is_some() {}
        count
    }

    /// Sends a canary to a webhook, and notes what it came to.
    async fn send_canary(&self, webhook_id: WebhookId) -> StoreResult<()> {
        let parts = &self.0;
        if self.prepared(webhook_id).is_none() {
            self.clone().load(webhook_id).await;
        }
        let detail = self.send_test(webhook_id, sample(&parts.source)).await?;
        let last = detail.attempts.last();
        let last = last.ok_or_else(|| StoreError::Corrupt("a canary has no attempt".into()))?;
        let failure = last.outcome.failure();
        if failure.is_some_and(|failure| failure.code.is_our_own()) {
            // This server could not send: that says nothing of the webhook, and it is tried again soon.
            return Ok(());
        }
        let now = parts.source.now();
        let result = CanaryResult {
            at: now,
            delivery_id: detail.delivery.id,
            failure: failure.map(|failure| failure.code),
        };
        parts.store.canaries.record(webhook_id, result).await?;
        let degraded = |code: FailureCode, why: &str| Degraded {
            since: now,
            code,
            detail: Some(format!("its canary failed: {why}")),
        };
        let degraded = match HealthSignal::from(&last.outcome) {
            HealthSignal::Failed(code) => degraded(code, code.as_str()),
            HealthSignal::Refused { code, detail } => degraded(code, &detail),
            HealthSignal::Succeeded | HealthSignal::Neutral => return Ok(()),
        };
        parts.handle.scheduler().unreached(webhook_id, degraded, now);
        parts.handle.notify();
        Ok(())
    }
}

/// What a canary tells: that something is over, so that nobody is called.
fn sample(source: &Env) -> Event {
    let now = source.now();
    let incident = Incident {
        id: source.new_incident_id(),
        number: None,
        title: "Canary from OpsKnight: a regular test, nothing to do".into(),
        description: None,
        status: IncidentStatus::Resolved,
        severity: Severity::Info,
        service: ServiceRef {
            id: source.new_service_id(),
            name: "OpsKnight".into(),
        },
        assignee: None,
        dedup_key: None,
        escalation_steps_fired: 0,
        escalate_at: None,
        created_at: now,
        updated_at: now,
        acknowledged_at: None,
        resolved_at: Some(now),
    };
    let id = source.new_event_id();
    let event = Event::new(id, EventName::Resolved, &incident, Actor::System, now);
    Event {
        is_test: true,
        ..event
    }
}
