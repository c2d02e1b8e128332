//! The delivery (one event for one webhook) and what an attempt makes of it.

use std::sync::Arc;
use std::time::Duration;

use strum::{EnumString, IntoStaticStr, VariantNames};

use crate::attempt::{Disposition, Outcome};
use crate::audit::Actor;
use crate::event::Event;
use crate::exchange::FailureCode;
use crate::id::{DeliveryId, IncidentId, WebhookId};
use crate::retry::{MAX_ADDED_SHARE, RetrySchedule, wait_again};
use crate::time::Timestamp;
use crate::webhook_kind::WebhookKind;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
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
    /// It waited through an outage, and a newer event of its incident was sent in its place. Derived, see [`crate::outage::EndedAs`].
    Superseded,
    /// It waited for longer than its webhook wants events. Derived likewise.
    Expired,
}

impl DeliveryState {
    /// Every state, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The state as the API and the store write it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The state read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    /// Whether the delivery is still to be made.
    pub fn is_open(self) -> bool {
        match self {
            Self::Scheduled | Self::Queued | Self::Claimed | Self::Held => true,
            Self::Delivered | Self::Dead | Self::Superseded | Self::Expired => false,
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
    /// The webhook's kind: what a good answer means depends on it.
    pub webhook_kind: WebhookKind,
    /// About what; of an operational event, what stands in for an incident's id.
    pub incident_id: IncidentId,
    /// The event's place in the feed.
    pub event_sequence: i64,
    pub event_type: crate::event::EventType,
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
    /// Who gave it up, if somebody did; it is finished since then.
    pub given_up_by: Option<Actor>,
    /// The delivery of another webhook that this one took over.
    pub fallback_of: Option<DeliveryId>,
    /// The delivery by which a fallback took over.
    pub taken_over_by: Option<DeliveryId>,
}

impl Delivery {
    /// The incident that it is about; nothing if it tells of an operational event.
    pub fn incident(&self) -> Option<IncidentId> {
        self.event_type
            .operational()
            .is_none()
            .then_some(self.incident_id)
    }
}

/// Proof that a node holds a delivery; a result that comes with an old claim changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim(pub i64);

/// A delivery in a node's hand, with all it takes to send it.
#[derive(Debug, Clone)]
pub struct ClaimedDelivery {
    pub id: DeliveryId,
    /// To whom.
    pub webhook_id: WebhookId,
    /// The event to send; shared by all webhooks that get it.
    pub event: Arc<Event>,
    /// Attempts made so far, over replays too.
    pub attempts_made: u32,
    /// What was spent in the present schedule.
    pub spent: Spending,
    /// What earlier attempts left for the next, in the adapter's own words.
    pub continuation: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was due.
    pub due_at: Timestamp,
    /// The proof.
    pub claim: Claim,
}

/// What a delivery has spent so far in its present schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spending {
    /// Attempts that count.
    pub attempts: u32,
    /// Follow-up requests, which do not.
    pub follow_ups: u32,
    /// Time waited for rate limits.
    pub waited: Duration,
    /// Answers that only a person can do something about.
    pub refusals: u32,
    /// Requests that were taken and had others follow.
    pub steps: u32,
}

/// The most requests of one delivery that are taken and have others follow. The longest way is a ticket's whose making got no
/// answer: twice through fifty pages of a list, and then its own dozen.
pub const MAX_STEPS: u32 = 120;

/// The most follow-up requests of one delivery that spend no attempt.
pub const MAX_FOLLOW_UPS: u32 = 4;
/// The longest time that a delivery waits for rate limits, in all, before waiting spends attempts.
pub const MAX_WAITED: Duration = Duration::from_secs(3600);
/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Nothing: it is done.
    Delivered,
    /// Another attempt at this time.
    Retry {
        /// When.
        at: Timestamp,
    },
    /// Another attempt once a person has put the webhook right: it is disabled, and its deliveries are held.
    Hold {
        /// Now: due as soon as the webhook is enabled.
        at: Timestamp,
    },
    /// No attempt is left.
    Dead,
}

impl NextStep {
    /// Decides what follows an attempt, given what was spent before it, and says what is spent after it. `share` in 0..1 spreads retries.
    pub fn after_attempt(
        outcome: &Outcome,
        schedule: &RetrySchedule,
        before: Spending,
        now: Timestamp,
        share: f64,
    ) -> (Self, Spending) {
        let counted = Spending {
            attempts: before.attempts + 1,
            ..before
        };
        let scheduled = |retry_after| {
            let next_at = schedule.next_attempt_at(counted.attempts, retry_after, now, share);
            (
                next_at.map_or(NextStep::Dead, |at| NextStep::Retry { at }),
                counted,
            )
        };
        let waiting = |told| {
            let wait = wait_for(outcome, told, before.waited, share);
            let waited = before.waited + wait;
            // What this server lacks itself is waited for as long as it takes.
            let is_our_own = outcome.failure().is_some_and(|failure| failure.code.is_our_own());
            match waited <= MAX_WAITED || is_our_own {
                true => {
                    let waited = waited.min(MAX_WAITED);
                    let spent = Spending { waited, ..before };
                    (NextStep::Retry { at: now.plus(wait) }, spent)
                }
                false => scheduled(told),
            }
        };
        match outcome {
            Outcome::Delivered | Outcome::Accepted => (NextStep::Delivered, counted),
            Outcome::Step if before.steps < MAX_STEPS => {
                let steps = before.steps + 1;
                (NextStep::Retry { at: now }, Spending { steps, ..before })
            }
            Outcome::Step => scheduled(None),
            Outcome::Gone(_) => (NextStep::Dead, counted),
            Outcome::Failed(failure) => match failure.disposition {
                Disposition::Backoff => scheduled(failure.retry_after),
                // What may have been done is looked for, even if the schedule is over.
                Disposition::VerifyFirst => match scheduled(failure.retry_after) {
                    (NextStep::Dead, _) => waiting(failure.retry_after),
                    step => step,
                },
                Disposition::Immediate if before.follow_ups < MAX_FOLLOW_UPS => {
                    let follow_ups = before.follow_ups + 1;
                    (NextStep::Retry { at: now }, Spending { follow_ups, ..before })
                }
                Disposition::Immediate => scheduled(None),
                Disposition::RateLimited => waiting(failure.retry_after),
                // The first such answer may be a passing fault of theirs: it is asked once more.
                Disposition::NeedsOperator if before.refusals == 0 && !schedule.delays().is_empty() => {
                    let (step, spent) = scheduled(None);
                    (step, Spending { refusals: 1, ..spent })
                }
                Disposition::NeedsOperator => (NextStep::Hold { at: now }, Spending::default()),
                Disposition::Permanent | Disposition::Harmful => (NextStep::Dead, counted),
            },
        }
    }
}

/// How long something is waited for that spends no attempt. While a ticket may still appear, its adapter decides when to look:
/// it counts the time itself.
fn wait_for(outcome: &Outcome, told: Option<Duration>, waited: Duration, share: f64) -> Duration {
    let is_adapters_own = outcome
        .failure()
        .is_some_and(|failure| failure.code == FailureCode::TicketUnknown);
    let wait = wait_again(told, if is_adapters_own { Duration::ZERO } else { waited });
    wait.mul_f64(1.0 + MAX_ADDED_SHARE * share.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Failure;
    use crate::retry::LONGEST_WAIT;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn failed(disposition: Disposition, retry_after: Option<u64>) -> Outcome {
        Outcome::Failed(Failure {
            retry_after: retry_after.map(Duration::from_secs),
            ..Failure::new(FailureCode::ServerError, "answered 500").with(disposition)
        })
    }

    fn step(outcome: &Outcome, attempts: u32) -> NextStep {
        let before = Spending {
            attempts,
            ..Spending::default()
        };
        NextStep::after_attempt(outcome, &RetrySchedule::default(), before, NOW, 0.0).0
    }

    fn retry_in(seconds: i64) -> NextStep {
        NextStep::Retry {
            at: Timestamp::from_millis(seconds * 1000),
        }
    }

    /// The seconds until each further attempt, until there is none any more.
    fn waits(outcome: &Outcome, schedule: &RetrySchedule) -> (Vec<u64>, Spending) {
        let (mut waits, mut spent, mut now) = (Vec::new(), Spending::default(), NOW);
        loop {
            let (next, after) = NextStep::after_attempt(outcome, schedule, spent, now, 0.0);
            spent = after;
            match next {
                NextStep::Retry { at } => waits.push(at.since(now).as_secs()),
                NextStep::Delivered | NextStep::Hold { .. } | NextStep::Dead => return (waits, spent),
            }
            now = now.plus(Duration::from_secs(waits[waits.len() - 1]));
        }
    }

    #[test]
    fn four_failed_attempts_make_a_dead_delivery() {
        let outcome = failed(Disposition::Backoff, None);
        let steps = [0, 1, 2, 3].map(|made| step(&outcome, made));
        assert_eq!(
            steps,
            [retry_in(60), retry_in(300), retry_in(900), NextStep::Dead]
        );
    }

    #[test]
    fn gone_and_hopeless_are_dead_at_once() {
        let gone = Outcome::Gone(Failure::new(FailureCode::Gone, "answered 410"));
        assert_eq!(step(&gone, 0), NextStep::Dead);
        assert_eq!(step(&failed(Disposition::Permanent, None), 0), NextStep::Dead);
    }

    #[test]
    fn follow_ups_spend_no_attempt_until_there_are_too_many() {
        let (waits, spent) = waits(&failed(Disposition::Immediate, None), &RetrySchedule::default());
        assert_eq!(waits, [0, 0, 0, 0, 60, 300, 900]);
        assert_eq!((spent.attempts, spent.follow_ups), (4, MAX_FOLLOW_UPS));
    }

    #[test]
    fn what_this_server_lacks_itself_is_waited_for_without_end_and_spends_no_attempt() {
        let lacking = Failure::new(FailureCode::ServerExhausted, "no process").with(Disposition::RateLimited);
        let mut spent = Spending::default();
        for _ in 0..1000 {
            let (next, after) = NextStep::after_attempt(
                &Outcome::Failed(lacking.clone()),
                &RetrySchedule::default(),
                spent,
                Timestamp::EPOCH,
                0.0,
            );
            assert!(matches!(next, NextStep::Retry { .. }));
            spent = after;
        }
        assert_eq!((spent.attempts, spent.waited), (0, MAX_WAITED));
    }

    #[test]
    fn waiting_for_a_rate_limit_spends_attempts_only_after_an_hour() {
        let (waits, spent) = waits(
            &failed(Disposition::RateLimited, Some(1200)),
            &RetrySchedule::default(),
        );
        assert_eq!(waits, [1200, 1200, 1200, 1200, 1200, 1200]);
        assert_eq!((spent.attempts, spent.waited), (4, MAX_WAITED));
    }

    #[test]
    fn a_wait_doubles_without_an_end_and_when_it_is_told_again() {
        let (untold, _) = waits(&failed(Disposition::RateLimited, None), &RetrySchedule::none());
        assert_eq!(untold[..7], [2, 2, 4, 8, 16, 32, 64]);
        let (told, _) = waits(&failed(Disposition::RateLimited, Some(0)), &RetrySchedule::none());
        assert_eq!(told[..7], [1, 1, 2, 4, 8, 16, 32]);
        assert!(
            untold
                .iter()
                .chain(&told)
                .all(|wait| *wait <= LONGEST_WAIT.as_secs())
        );
    }

    #[test]
    fn what_only_a_person_can_mend_is_asked_once_more_and_then_held() {
        let outcome = failed(Disposition::NeedsOperator, None);
        let schedule = RetrySchedule::default();
        let once_failed = Spending {
            attempts: 1,
            ..Spending::default()
        };
        let (first, spent) = NextStep::after_attempt(&outcome, &schedule, once_failed, NOW, 0.0);
        assert_eq!((first, spent.refusals), (retry_in(300), 1));
        let (second, spent) = NextStep::after_attempt(&outcome, &schedule, spent, NOW, 0.0);
        assert_eq!((second, spent), (NextStep::Hold { at: NOW }, Spending::default()));
        let (waits, spent) = waits(&outcome, &RetrySchedule::none());
        assert_eq!((waits.len(), spent), (0, Spending::default()));
    }

    #[test]
    fn steps_spend_no_attempt_and_come_to_an_end() {
        let (waits, spent) = waits(&Outcome::Step, &RetrySchedule::default());
        assert_eq!(waits[..MAX_STEPS as usize], [0; MAX_STEPS as usize]);
        assert_eq!(waits[MAX_STEPS as usize..], [60, 300, 900]);
        assert_eq!((spent.steps, spent.attempts), (MAX_STEPS, 4));
    }

    /// The most requests of one delivery in an hour, whatever its receiver tells: four attempts, four follow-ups, all steps, and
    /// waits that double from a second to five minutes.
    const MOST_IN_AN_HOUR: usize = 4 + MAX_FOLLOW_UPS as usize + MAX_STEPS as usize + 20;

    fn told_anything() -> impl Strategy<Value = Outcome> {
        let told = prop::option::of(prop_oneof![Just(0), 0u64..2000, 0u64..4_000_000]);
        let failed = (prop::sample::select(Disposition::ALL), told).prop_map(|(disposition, millis)| {
            let retry_after = millis.map(Duration::from_millis);
            let failure = Failure::new(FailureCode::RateLimited, "answered 429").with(disposition);
            Outcome::Failed(Failure {
                retry_after,
                ..failure
            })
        });
        prop_oneof![9 => failed, 1 => Just(Outcome::Step)]
    }

    proptest! {
        #[test]
        fn whatever_a_receiver_tells_a_delivery_makes_few_requests_in_an_hour(
            outcomes in prop::collection::vec(told_anything(), 1..8),
            share in 0.0f64..1.0,
        ) {
            let (mut spent, mut now) = (Spending::default(), NOW);
            let mut requests = 0;
            while now < NOW.plus(Duration::from_secs(3600)) {
                let outcome = &outcomes[requests % outcomes.len()];
                requests += 1;
                prop_assert!(requests <= MOST_IN_AN_HOUR, "{requests} at {now:?}");
                let (next, after) =
                    NextStep::after_attempt(outcome, &RetrySchedule::default(), spent, now, share);
                spent = after;
                match next {
                    NextStep::Retry { at } => now = at,
                    NextStep::Delivered | NextStep::Hold { .. } | NextStep::Dead => break,
                }
            }
        }

        #[test]
        fn every_schedule_ends(
            delays in prop::collection::vec(0u64..100_000, 0..20),
            share in 0.0f64..1.0,
            remedies in prop::collection::vec(prop::sample::select(Disposition::ALL), 1..40),
            told in prop::option::of(0u64..5000),
        ) {
            let delays = delays.into_iter().map(Duration::from_millis).collect();
            let schedule = RetrySchedule::new(delays).unwrap();
            let mut spent = Spending::default();
            let steps = (0..50_000).find(|index| {
                let outcome = failed(remedies[index % remedies.len()], told);
                let (next, after) = NextStep::after_attempt(&outcome, &schedule, spent, NOW, share);
                spent = after;
                !matches!(next, NextStep::Retry { .. })
            });
            prop_assert!(steps.is_some());
        }
    }
}
