//! The delivery (one event for one webhook) and what an attempt makes of it.

use std::sync::Arc;

use crate::model::attempt::Outcome;
use crate::model::event::Event;
use crate::model::exchange::FailureCode;
use crate::model::id::{DeliveryId, IncidentId, WebhookId};
use crate::model::retry::RetrySchedule;
use crate::model::time::Timestamp;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// It is sent when its time comes.
    Scheduled,
    /// It waits for an earlier event of the same incident to be delivered or dead.
    Queued,
    /// A node has it in hand.
    Claimed,
    /// Open, but its webhook is disabled. Derived from the webhook, never stored.
    Held,
    /// The receiver took it.
    Delivered,
    /// Every attempt failed; it can be replayed.
    Dead,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Scheduled,
        Self::Queued,
        Self::Claimed,
        Self::Held,
        Self::Delivered,
        Self::Dead,
    ];

    /// The state as the API and the store write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Claimed => "claimed",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The state read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether the delivery is still to be made.
    pub fn is_open(self) -> bool {
        match self {
            Self::Scheduled | Self::Queued | Self::Claimed | Self::Held => true,
            Self::Delivered | Self::Dead => false,
        }
    }
}

/// A delivery as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id: the receiver's idempotency key.
    pub id: DeliveryId,
    /// To whom.
    pub webhook_id: WebhookId,
    /// The webhook's present name.
    pub webhook_name: String,
    /// About what.
    pub incident_id: IncidentId,
    /// The event's place in the feed.
    pub event_sequence: i64,
    /// The event's name.
    pub event_name: crate::model::event::EventName,
    /// Whether it is a Send Test.
    pub is_test: bool,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it is or was to be sent.
    pub due_at: Timestamp,
    /// How many attempts were made, over replays too.
    pub attempts_made: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was delivered or died.
    pub finished_at: Option<Timestamp>,
    /// Why the last attempt failed, if it did.
    pub last_failure: Option<FailureCode>,
}

/// Proof that a node holds a delivery; a result that comes with an old claim changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim(pub i64);

/// A delivery in a node's hand, with all it takes to send it.
#[derive(Debug, Clone)]
pub struct ClaimedDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// To whom.
    pub webhook_id: WebhookId,
    /// The event to send; shared by all webhooks that get it.
    pub event: Arc<Event>,
    /// Attempts made so far, over replays too.
    pub attempts_made: u32,
    /// Attempts made in the present schedule.
    pub schedule_attempts: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was due.
    pub due_at: Timestamp,
    /// The proof.
    pub claim: Claim,
}

/// What an attempt makes of its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Done.
    Delivered,
    /// Another attempt at this time.
    Retry {
        /// When.
        at: Timestamp,
    },
    /// No attempt is left.
    Dead,
}

impl NextStep {
    /// Decides what follows an attempt. `schedule_attempts` counts this attempt too; `share` in 0..1 spreads retries.
    pub fn after_attempt(
        outcome: &Outcome,
        schedule: &RetrySchedule,
        schedule_attempts: u32,
        now: Timestamp,
        share: f64,
    ) -> Self {
        match outcome {
            Outcome::Delivered => Self::Delivered,
            Outcome::Gone(_) => Self::Dead,
            Outcome::Failed(failure) => schedule
                .next_attempt_at(schedule_attempts, failure.retry_after, now, share)
                .map_or(Self::Dead, |at| Self::Retry { at }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::attempt::Failure;
    use proptest::prelude::*;

    fn failure() -> Failure {
        Failure {
            code: FailureCode::ServerError,
            detail: "answered 500".into(),
            retry_after: None,
        }
    }

    #[test]
    fn four_failed_attempts_make_a_dead_delivery() {
        let failed = Outcome::Failed(failure());
        let step =
            |made| NextStep::after_attempt(&failed, &RetrySchedule::default(), made, Timestamp::EPOCH, 0.0);
        let at = |seconds: i64| NextStep::Retry {
            at: Timestamp::from_millis(seconds * 1000),
        };
        assert_eq!([1, 2, 3, 4].map(step), [at(60), at(300), at(900), NextStep::Dead]);
    }

    #[test]
    fn gone_is_dead_at_once() {
        let gone = Outcome::Gone(failure());
        let step = NextStep::after_attempt(&gone, &RetrySchedule::default(), 1, Timestamp::EPOCH, 0.0);
        assert_eq!(step, NextStep::Dead);
    }

    proptest! {
        #[test]
        fn every_schedule_ends(delays in prop::collection::vec(0u64..100_000, 0..20), share in 0.0f64..1.0) {
            let count = u32::try_from(delays.len()).unwrap();
            let delays = delays.into_iter().map(std::time::Duration::from_millis).collect();
            let schedule = RetrySchedule::new(delays).unwrap();
            let failed = Outcome::Failed(failure());
            let step = |made| NextStep::after_attempt(&failed, &schedule, made, Timestamp::EPOCH, share);
            prop_assert_eq!(step(count + 1), NextStep::Dead);
            prop_assert!((1..=count).all(|made| step(made) != NextStep::Dead));
        }
    }
}
