//! Deliveries that leave together: several events of one webhook in one request (decision 0030). A kind says how many may, makes the
//! request, and says of its answer what it means for each of them. Pure, like every kind.

use std::time::Duration;

use crate::Adapter;
use crate::task::{Classification, Rendered, Step, Target, Task};
use model::attempt::{Disposition, Failure};
use model::digest::sha256;
use model::exchange::{Exchange, FailureCode};
use model::patch::Patch;
use model::time::Timestamp;

/// Into how many parts a refused request is divided.
const PARTS: usize = 8;
/// Begins the word of a continuation that says in how large a part its delivery goes.
const AT_MOST: &str = "at_most=";
/// The same for one that goes alone from now on.
pub const ALONE: &str = "at_most=1";
/// How much of a digest tells two batches apart, in bytes.
const BATCH_ID_BYTES: usize = 16;

/// How many deliveries leave in one request, and how long they wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JointLimits {
    pub max_count: usize,
    /// Of the events' bodies, as they are before the kind writes them in its own form.
    pub max_bytes: usize,
    /// Counted from when the first one was due.
    pub max_wait: Duration,
    /// Until when each goes alone; nothing if as many as there are always go together.
    pub alone: Option<AlonePace>,
}

/// Deliveries leave one by one as long as this pace lets another one follow at once. The last one that it lets pass takes along
/// all that waits, and so does each at the pace's next turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlonePace {
    /// The time from one request to the next, once the burst is spent.
    pub interval: Duration,
    /// How many requests may leave at once after a rest.
    pub burst: u32,
}

/// A kind whose deliveries may leave together.
pub trait Joint: Adapter {
    /// How many.
    fn limits(&self, target: &Target) -> JointLimits;

    /// One request for all of these tasks of one webhook, in their order.
    fn request(&self, tasks: &[Task<'_>]) -> Result<Rendered, Failure>;

    /// What an answer to it means for each task, in their order.
    fn classify(&self, tasks: &[Task<'_>], exchange: &Exchange, now: Timestamp) -> Vec<Classification>;
}

/// The step of a kind that makes a request of one event as it makes one of many.
pub fn step_alone(kind: &'static dyn Joint, task: &Task<'_>) -> Step {
    Step::send(kind.request(&[*task]), move |task, exchange, now| {
        let lost = || Failure::new(FailureCode::ResponseInvalid, "the answer names no event");
        let each = kind.classify(&[*task], exchange, now);
        each.into_iter().next().unwrap_or_else(|| lost().into())
    })
}

/// The name of a batch: the same deliveries give the same one, in whatever order.
pub fn batch_id(tasks: &[Task<'_>]) -> String {
    let mut ids: Vec<_> = tasks.iter().map(|task| task.delivery_id.to_string()).collect();
    ids.sort_unstable();
    let digest = sha256([ids.join("\n").as_bytes()]);
    let hex = digest
        .iter()
        .take(BATCH_ID_BYTES)
        .map(|byte| format!("{byte:02x}"));
    format!("bat_{}", hex.collect::<String>())
}

/// How many deliveries may leave together with one that earlier attempts left this.
pub fn most_together(continuation: Option<&str>) -> usize {
    let mut words = continuation.unwrap_or_default().split(' ');
    let word = words.find_map(|word| word.strip_prefix(AT_MOST)?.parse().ok());
    word.unwrap_or(usize::MAX)
}

/// A request of so many events was refused for what is in it: it goes again in parts at once, so that one bad event is found and
/// the others arrive. One that is alone is refused for good.
pub fn refused(count: usize, failure: Failure) -> Classification {
    if count <= 1 {
        return failure.with(Disposition::Permanent).into();
    }
    Classification {
        continuation: Patch::Set(format!("{AT_MOST}{}", (count / PARTS).max(1))),
        ..failure.with(Disposition::Immediate).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;
    use model::delivery::MAX_FOLLOW_UPS;
    use model::event::EventName;
    use model::id::DeliveryId;
    use model::webhook::WebhookKind;

    fn failure() -> Failure {
        Failure::new(FailureCode::MessageRefused, "one of them is bad")
    }

    #[test]
    fn a_batch_is_known_by_its_deliveries_alone() {
        let url = "https://example.com".parse().unwrap();
        let sample = Sample::new(
            WebhookKind::new("batch"),
            url,
            EventName::Triggered,
            Timestamp::EPOCH,
        );
        let task = |byte| Task {
            delivery_id: DeliveryId::new(Timestamp::EPOCH, [byte; 10]),
            ..sample.task()
        };
        let id = batch_id(&[task(1), task(2)]);
        assert_eq!(id, batch_id(&[task(2), task(1)]));
        assert_ne!(id, batch_id(&[task(1)]));
        assert_ne!(id, batch_id(&[task(1), task(3)]));
        assert_eq!(id.len(), "bat_".len() + 2 * BATCH_ID_BYTES);
    }

    #[test]
    fn a_refused_batch_gets_down_to_one_event_before_its_follow_ups_are_spent() {
        let mut count = 1000;
        for _ in 0..MAX_FOLLOW_UPS {
            let classification = refused(count, failure());
            let Patch::Set(left) = classification.continuation else {
                break;
            };
            let failure = classification.outcome.failure().cloned();
            assert_eq!(
                failure.map(|failure| failure.disposition),
                Some(Disposition::Immediate)
            );
            count = most_together(Some(&format!("bare {left}")));
        }
        assert_eq!(count, 1);
        let last = refused(count, failure());
        let last = last.outcome.failure().map(|failure| failure.disposition);
        assert_eq!(last, Some(Disposition::Permanent));
    }

    #[test]
    fn without_a_word_about_it_as_many_go_together_as_there_are() {
        assert_eq!(most_together(Some(ALONE)), 1);
        assert_eq!(most_together(None), usize::MAX);
        assert_eq!(most_together(Some("to=1,2")), usize::MAX);
    }
}
