//! What must be true of each delivery to a plain receiver, told from the outside: by what was accepted, what arrived and what
//! its sender heard. A broken rule is a panic that says which.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use model::delivery::{Delivery, DeliveryState};
use model::exchange::FailureCode;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::retry::MAX_RETRY_AFTER;
use model::time::Timestamp;
use model::webhook::Ordering;

use super::receivers::Arrival;
use super::webhook::Known;

/// How late a retry may be while the machine is awake and its webhook is held back by nothing else: others have their turns.
const LATENESS: Duration = Duration::from_secs(60);
/// What a wait may get on top, so that not all retries come at once.
const MOST_ADDED: f64 = 1.1;

/// What is known of one delivery.
#[derive(Debug)]
pub struct Expected {
    pub webhook_id: WebhookId,
    pub incident_id: IncidentId,
    pub sequence: i64,
    pub body: Bytes,
    pub created_at: Timestamp,
    /// Its sender heard that it was taken.
    pub is_taken: bool,
    /// All its attempts were made, or its receiver wants no more.
    is_over: bool,
    /// It may come again although it was taken, or behind a later one of its lane.
    may_repeat: bool,
    /// It took over from another webhook's, and may come behind a later one of its lane.
    is_take_over: bool,
    attempts: u32,
    attempts_of_schedule: usize,
    wait: Option<Wait>,
}

/// A wait between two attempts, on the monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Wait {
    failed_at_ms: i64,
    at_least: Duration,
    /// Something else than the time kept its webhook from sending when it began.
    is_held_back: bool,
}

/// The latest delivery of a lane that arrived.
#[derive(Debug, Clone, Copy)]
struct Latest {
    sequence: i64,
    ended_at_ms: i64,
}

/// See the module.
#[derive(Default)]
pub struct Expectation {
    pub deliveries: BTreeMap<DeliveryId, Expected>,
    lanes: BTreeMap<(WebhookId, IncidentId), Latest>,
    is_clock_unnoticed: bool,
    pub sleeps: Sleeps,
    pub judged: u64,
    pub repeats: u64,
}

impl Expectation {
    /// A delivery is on disk.
    pub fn accepted(&mut self, delivery: &Delivery, body: &Bytes) {
        let expected = Expected {
            webhook_id: delivery.webhook_id,
            incident_id: delivery.incident_id,
            sequence: delivery.event_sequence,
            body: body.clone(),
            created_at: delivery.created_at,
            is_taken: false,
            is_over: false,
            may_repeat: false,
            is_take_over: delivery.fallback_of.is_some(),
            attempts: 0,
            attempts_of_schedule: 0,
            wait: None,
        };
        let other = self.deliveries.insert(delivery.id, expected);
        assert!(other.is_none(), "{} is the id of two deliveries", delivery.id);
    }

    /// A request was sent and has ended.
    pub fn judge(&mut self, arrival: &Arrival, known: &mut Known) {
        let Some(id) = arrival.delivery_id else { return };
        self.judged += 1;
        let limit = super::node::LIMITS.max_in_flight;
        assert!(
            arrival.in_flight <= limit,
            "{} deliveries are on their way",
            arrival.in_flight
        );
        let expected = self.deliveries.get_mut(&id);
        let expected = expected.unwrap_or_else(|| panic!("{id} was sent, but is of no event"));
        assert_eq!(expected.webhook_id, known.webhook.id, "{id} went elsewhere");
        assert_eq!(expected.body, arrival.body, "{id} has another body");
        let name = format!("{id} of event {} to {}", expected.sequence, known.host);
        check_pace(known, arrival.sent_at_ms, &name);
        if let Some(wait) = expected.wait {
            check_wait(wait, arrival.sent_at_ms, &name);
            if !wait.is_held_back && !is_held_back(known) {
                self.sleeps.check_lateness(wait, arrival.sent_at_ms, &name);
            }
        }
        assert!(
            !expected.is_over || expected.may_repeat,
            "{name} was over, and came again"
        );
        if expected.is_taken {
            assert!(expected.may_repeat, "{name} was taken, and came again");
            self.repeats += 1;
        }
        if known.webhook.settings.ordering == Ordering::Incident && !expected.is_take_over {
            let lane = (expected.webhook_id, expected.incident_id);
            check_lane(&mut self.lanes, lane, expected, arrival, &name);
        }
        expected.hear(arrival, known);
        if self.is_clock_unnoticed {
            // Planned by the new clock, it is moved with what was planned by the old one.
            expected.wait = None;
        }
    }

    /// A delivery starts a fresh schedule.
    pub fn replayed(&mut self, id: DeliveryId) {
        if let Some(expected) = self.deliveries.get_mut(&id) {
            expected.may_repeat = true;
            expected.is_over = false;
            expected.attempts_of_schedule = 0;
            expected.wait = None;
        }
    }

    /// A delivery as it stands after the process was killed: what was not recorded is made again.
    pub fn found(&mut self, delivery: &Delivery) {
        let Some(expected) = self.deliveries.get_mut(&delivery.id) else {
            return;
        };
        let lost = expected.attempts.saturating_sub(delivery.attempts_made);
        if delivery.state.is_open() {
            let lost = usize::try_from(lost).unwrap();
            expected.attempts_of_schedule = expected.attempts_of_schedule.saturating_sub(lost);
            expected.may_repeat |= lost > 0 || expected.is_taken;
            if lost > 0 {
                expected.is_over = false;
                expected.wait = None;
            }
        }
        expected.attempts = delivery.attempts_made;
    }

    /// A request was on its way when the process was killed: it may have been taken.
    pub fn cut_off(&mut self, id: DeliveryId) {
        if let Some(expected) = self.deliveries.get_mut(&id) {
            expected.may_repeat = true;
            expected.wait = None;
        }
    }

    /// A webhook is held back: what waits there may be late.
    pub fn hold_back(&mut self, known: &Known) {
        let of_it = |expected: &&mut Expected| expected.webhook_id == known.webhook.id;
        if is_held_back(known) {
            let waits = self.deliveries.values_mut().filter(of_it);
            waits
                .filter_map(|expected| expected.wait.as_mut())
                .for_each(|wait| wait.is_held_back = true);
        }
    }

    /// The wall clock was set: what waits by it may come at other times, until the engine has noticed.
    pub fn clock_was_set(&mut self) {
        self.is_clock_unnoticed = true;
        self.forget_waits();
    }

    /// The engine has noticed.
    pub fn clock_was_noticed(&mut self) {
        self.is_clock_unnoticed = false;
        self.forget_waits();
    }

    fn forget_waits(&mut self) {
        self.deliveries
            .values_mut()
            .for_each(|expected| expected.wait = None);
    }

    /// Compares a delivery as the store has it with what is known.
    pub fn compare(&mut self, delivery: &Delivery) {
        let Some(expected) = self.deliveries.get_mut(&delivery.id) else {
            return;
        };
        if delivery.state != DeliveryState::Claimed {
            assert_eq!(
                delivery.attempts_made, expected.attempts,
                "the attempts of {delivery:?}, as they were seen"
            );
        }
        match delivery.state {
            DeliveryState::Delivered => {
                assert!(expected.is_taken, "{delivery:?} is delivered, but nobody took it");
            }
            DeliveryState::Dead => {
                let is_dropped = delivery.given_up_by.is_some()
                    || delivery.last_failure == Some(FailureCode::WebhookDeleted);
                assert!(
                    expected.is_over || is_dropped,
                    "{delivery:?} is dead before its time: {expected:?}"
                );
            }
            DeliveryState::Superseded | DeliveryState::Expired => expected.is_over = true,
            DeliveryState::Scheduled
            | DeliveryState::Queued
            | DeliveryState::Claimed
            | DeliveryState::Held => {}
        }
    }
}

impl Expected {
    fn hear(&mut self, arrival: &Arrival, known: &Known) {
        self.attempts += 1;
        self.attempts_of_schedule += 1;
        self.wait = None;
        match arrival.heard {
            Some(200..300) => {
                self.is_taken = true;
                self.is_over = true;
                self.may_repeat = false;
            }
            Some(410) => self.is_over = true,
            Some(_) | None => self.plan(arrival, known),
        }
    }

    fn plan(&mut self, arrival: &Arrival, known: &Known) {
        let delays = known.webhook.settings.retry_schedule.delays();
        let Some(delay) = delays.get(self.attempts_of_schedule - 1) else {
            self.is_over = true;
            return;
        };
        self.wait = Some(Wait {
            failed_at_ms: arrival.ended_at_ms.unwrap_or(arrival.sent_at_ms),
            at_least: arrival
                .told_wait
                .unwrap_or_default()
                .min(MAX_RETRY_AFTER)
                .max(*delay),
            is_held_back: is_held_back(known),
        });
    }
}

fn check_lane(
    lanes: &mut BTreeMap<(WebhookId, IncidentId), Latest>,
    lane: (WebhookId, IncidentId),
    expected: &Expected,
    arrival: &Arrival,
    name: &str,
) {
    let own = Latest {
        sequence: expected.sequence,
        ended_at_ms: arrival.ended_at_ms.unwrap_or(arrival.sent_at_ms),
    };
    let latest = lanes.entry(lane).or_insert(own);
    if expected.may_repeat {
        return;
    }
    assert!(
        latest.sequence <= own.sequence,
        "{name} came behind event {} of its incident",
        latest.sequence
    );
    let is_other = latest.sequence != own.sequence;
    assert!(
        !is_other || latest.ended_at_ms <= arrival.sent_at_ms,
        "{name} overlaps event {} of its incident",
        latest.sequence
    );
    *latest = own;
}

/// Whether a webhook may be late for other reasons than the time: its pace, few requests at once, a breaker that is open.
fn is_held_back(known: &Known) -> bool {
    let settings = &known.webhook.settings;
    let is_narrow =
        settings.rate.is_some() || usize::from(settings.concurrency) < super::node::LIMITS.max_in_flight;
    is_narrow || !known.webhook.is_enabled() || known.webhook.degraded.is_some() || known.is_deleted
}

/// When the machine was suspended, or the program not running: from when on, and for how long.
#[derive(Default)]
pub struct Sleeps(BTreeMap<i64, i64>);

impl Sleeps {
    /// The machine slept up to now.
    pub fn slept(&mut self, now_ms: i64, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap();
        self.0.insert(now_ms - ms, ms);
    }

    /// A wait ended in time, as far as the machine was awake.
    fn check_lateness(&self, wait: Wait, now_ms: i64, name: &str) {
        let most = wait.at_least.mul_f64(MOST_ADDED);
        let due_ms = wait.failed_at_ms + i64::try_from(most.as_millis()).unwrap();
        let asleep = self.0.iter().map(|(from_ms, ms)| {
            let until_ms = from_ms + ms;
            (until_ms.min(now_ms) - (*from_ms).max(due_ms)).max(0)
        });
        let late_ms = now_ms - due_ms - asleep.sum::<i64>();
        assert!(
            u128::try_from(late_ms).unwrap_or(0) <= LATENESS.as_millis(),
            "{name} came {late_ms} ms late"
        );
    }
}

fn check_wait(wait: Wait, now_ms: i64, name: &str) {
    let waited = u128::try_from(now_ms - wait.failed_at_ms).unwrap_or(0);
    // Schedules are kept in whole milliseconds.
    assert!(
        waited + 1 >= wait.at_least.as_millis(),
        "{name} waited {waited} ms, not {} ms",
        wait.at_least.as_millis()
    );
}

fn check_pace(known: &mut Known, now_ms: i64, name: &str) {
    let Some(rate) = known.webhook.settings.rate else {
        return;
    };
    let interval = i64::try_from(rate.interval().as_millis()).unwrap();
    // Those that are answered late are judged late: what was sent before them and behind them is known by then.
    let sent = &mut known.sent_ms;
    let (before, behind) = (sent.range(..=now_ms).next_back(), sent.range(now_ms..).next());
    for other in [before, behind].into_iter().flatten().copied() {
        let gap = (now_ms - other).abs();
        let is_paced = now_ms.min(other) > known.paced_since_ms;
        assert!(
            !is_paced || gap + 1 >= interval,
            "{name} came {gap} ms from another one"
        );
    }
    sent.insert(now_ms);
}
