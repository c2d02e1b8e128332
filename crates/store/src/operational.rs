//! Operational events in the store. The transaction that changes something leaves a notice; one node, the leader, makes events
//! of them with their deliveries, so that a lane of theirs is only ever added to in one place (decision 0027).

use async_trait::async_trait;

use crate::StoreResult;
use crate::queue::AttemptRecord;
use model::delivery::NextStep;
use model::id::{SourceId, WebhookId};
use model::operational::{DEAD_INTERVAL, OperationalName, OperationalNotice, Subject};
use model::time::Timestamp;
use model::webhook::{Degraded, Webhook};

/// The most notices of which one call makes events.
pub const PUBLISH_BATCH: u32 = 100;

/// Notices and the events that are made of them.
#[async_trait]
pub trait OperationalEvents: Send + Sync {
    /// Leaves a notice, if a webhook wants to hear of it. What changes in the store with it belongs into one transaction: then a
    /// backend's own function does this.
    async fn note(&self, notice: OperationalNotice) -> StoreResult<()>;

    /// Makes events of the notices whose time has come, with their deliveries; says of how many.
    async fn publish_due(&self, now: Timestamp) -> StoreResult<u32>;
}

/// What becomes of a notice whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publishing {
    /// Its event is made, and it goes.
    Once,
    /// Its event is made; what follows about the same subject is counted until then.
    AndCountUntil(Timestamp),
    /// Nothing followed: it goes.
    Nothing,
}

impl Publishing {
    /// Decides; `count` says how often it happened since its last event.
    pub fn new(name: OperationalName, count: u64, now: Timestamp) -> Self {
        match name {
            OperationalName::DeliveryDead if count == 0 => Self::Nothing,
            OperationalName::DeliveryDead => Self::AndCountUntil(now.plus(DEAD_INTERVAL)),
            OperationalName::WebhookDegraded
            | OperationalName::WebhookRecovered
            | OperationalName::WebhookDisabled
            | OperationalName::SourceSilent => Self::Once,
        }
    }
}

/// Whether anybody wants to hear of it.
pub fn is_wanted(subscriptions: &[Webhook], notice: &OperationalNotice) -> bool {
    subscriptions
        .iter()
        .any(|webhook| webhook.wants_operational(notice))
}

/// A webhook's name among the others; the id if it is gone.
pub fn subject_of(subscriptions: &[Webhook], id: WebhookId) -> Subject {
    let found = subscriptions.iter().find(|webhook| webhook.id == id);
    let name = found.map_or_else(|| id.to_string(), |webhook| webhook.settings.name.clone());
    Subject::webhook(id, name)
}

/// What a breaker that opened or closed gives to tell; nothing if it stood so already.
pub fn of_breaker(
    before: Option<Timestamp>,
    after: Option<&Degraded>,
    subject: Subject,
    at: Timestamp,
) -> Option<OperationalNotice> {
    match (before, after) {
        (None, Some(degraded)) => Some(OperationalNotice {
            reason: Some(degraded.code.as_str().to_owned()),
            detail: degraded.detail.clone(),
            ..OperationalNotice::new(OperationalName::WebhookDegraded, subject, at)
        }),
        (Some(_), None) => Some(OperationalNotice::new(
            OperationalName::WebhookRecovered,
            subject,
            at,
        )),
        (None, None) | (Some(_), Some(_)) => None,
    }
}

/// What a source that says nothing gives to tell.
pub fn of_silence(id: SourceId, name: &str, since: Timestamp, at: Timestamp) -> OperationalNotice {
    OperationalNotice {
        detail: Some(format!(
            "no request came since {}: look whether its sender still runs and reaches this server",
            since.to_rfc3339_seconds()
        )),
        ..OperationalNotice::new(OperationalName::SourceSilent, Subject::source(id, name), at)
    }
}

/// What an attempt that disabled its webhook gives to tell. That of an operational event says nothing of itself.
pub fn of_disabling(
    record: &AttemptRecord,
    reason: &str,
    subject: Subject,
    at: Timestamp,
) -> Option<OperationalNotice> {
    let failure = record.attempt.outcome.failure();
    (!record.is_operational).then(|| OperationalNotice {
        reason: failure.map(|failure| failure.code.as_str().to_owned()),
        detail: Some(reason.to_owned()),
        ..OperationalNotice::new(OperationalName::WebhookDisabled, subject, at)
    })
}

/// What attempts that were applied give to tell of deliveries that died: one notice for each webhook, in the order of their ids.
pub fn of_deaths<'a>(
    records: impl Iterator<Item = &'a AttemptRecord>,
    subscriptions: &[Webhook],
    at: Timestamp,
) -> Vec<OperationalNotice> {
    let mut notices: std::collections::BTreeMap<WebhookId, OperationalNotice> = Default::default();
    let dead = records.filter(|record| record.next_step == NextStep::Dead && record.is_of_incident());
    for record in dead {
        let notice = notices
            .entry(record.webhook_id)
            .or_insert_with(|| OperationalNotice {
                count: 0,
                ..OperationalNotice::new(
                    OperationalName::DeliveryDead,
                    subject_of(subscriptions, record.webhook_id),
                    at,
                )
            });
        notice.count += 1;
        let failure = record.attempt.outcome.failure();
        notice.reason = failure.map(|failure| failure.code.as_str().to_owned());
    }
    notices.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::exchange::FailureCode;

    fn subject() -> Subject {
        Subject::webhook(WebhookId::new(Timestamp::EPOCH, [1; 10]), "Jira")
    }

    #[test]
    fn the_first_death_is_told_at_once_and_those_after_it_are_counted() {
        let now = Timestamp::from_millis(5);
        let until = now.plus(DEAD_INTERVAL);
        let dead = |count| Publishing::new(OperationalName::DeliveryDead, count, now);
        assert_eq!([dead(1), dead(7)], [Publishing::AndCountUntil(until); 2]);
        assert_eq!(dead(0), Publishing::Nothing);
        let disabled = Publishing::new(OperationalName::WebhookDisabled, 1, now);
        assert_eq!(disabled, Publishing::Once);
    }

    #[test]
    fn only_a_breaker_that_moves_is_told_of() {
        let degraded = Degraded {
            since: Timestamp::EPOCH,
            code: FailureCode::ConnectRefused,
            detail: None,
        };
        let told = |before, after| {
            let notice = of_breaker(before, after, subject(), Timestamp::EPOCH);
            notice.map(|notice| notice.name)
        };
        let since = Some(Timestamp::EPOCH);
        assert_eq!(
            told(None, Some(&degraded)),
            Some(OperationalName::WebhookDegraded)
        );
        assert_eq!(told(since, None), Some(OperationalName::WebhookRecovered));
        assert_eq!([told(since, Some(&degraded)), told(None, None)], [None, None]);
    }
}
