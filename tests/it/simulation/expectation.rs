//! What must be true: the accepted changes and what may be known of each delivery, kept beside the store and compared
//! with it. A broken rule is a panic that says which.

use std::collections::BTreeMap;

use bytes::Bytes;

use model::attempt::Outcome;
use model::delivery::{ClaimedDelivery, NextStep};
use model::event::Event;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::incident::Incident;
use model::retry::MAX_RETRY_AFTER;
use model::time::Timestamp;
use model::webhook::{Ordering, Webhook};
use store::queue::AttemptRecord;

/// How much later than planned an attempt may start when nothing stands in its way.
const LATEST_LOOK_MILLIS: i64 = 20_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Open,
    Delivered,
    Dead,
}

/// A wait between two attempts, on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    failed_at: i64,
    at_least_millis: i64,
}

/// What is known of one delivery.
#[derive(Debug)]
pub struct Expected {
    pub id: DeliveryId,
    pub incident_id: IncidentId,
    pub created_at: Timestamp,
    pub state: State,
    pub attempts_made: u32,
    pub schedule_attempts: u32,
    pub was_replayed: bool,
    is_in_flight: bool,
    /// The receiver took it, whether or not anybody heard.
    was_taken: bool,
    /// It was in flight at a crash, or replayed: it may come again until it is known to be delivered.
    may_repeat: bool,
    wait: Option<Wait>,
}

/// What is known of one webhook.
pub struct Subscriber {
    pub webhook: Webhook,
    pub is_deleted: bool,
    pub accepted: u64,
    pub pruned: u64,
    pub has_open_breaker: bool,
    /// When something last stood in the way of its deliveries, on the monotonic clock.
    pub disturbed_at: i64,
}

/// One committed event.
pub struct Committed {
    pub event: Event,
    pub is_pruned: bool,
}

#[derive(Default)]
pub struct Expectation {
    pub subscribers: BTreeMap<WebhookId, Subscriber>,
    pub deliveries: BTreeMap<(WebhookId, i64), Expected>,
    pub events: BTreeMap<i64, Committed>,
    pub attempts: u64,
    pub repeats: u64,
}

impl Expectation {
    /// The webhooks that must get an event.
    pub fn wanting(&self, event: &Event, incident: &Incident) -> Vec<WebhookId> {
        let wants = |subscriber: &Subscriber| {
            !subscriber.is_deleted && subscriber.webhook.wants(event.name, incident)
        };
        let wanting = self
            .subscribers
            .iter()
            .filter(|(_, subscriber)| wants(subscriber));
        wanting.map(|(id, _)| *id).collect()
    }

    /// An event and its deliveries are on disk.
    pub fn committed(&mut self, event: Event, deliveries: Vec<(WebhookId, DeliveryId)>) {
        let latest = self.events.last_key_value().map_or(0, |(sequence, _)| *sequence);
        assert!(
            event.sequence > latest,
            "the feed went from {latest} to {}",
            event.sequence
        );
        for (webhook_id, id) in deliveries {
            self.subscribers.get_mut(&webhook_id).unwrap().accepted += 1;
            let expected = Expected {
                id,
                incident_id: event.incident_id,
                created_at: event.at,
                state: State::Open,
                attempts_made: 0,
                schedule_attempts: 0,
                was_replayed: false,
                is_in_flight: false,
                was_taken: false,
                may_repeat: false,
                wait: None,
            };
            self.deliveries.insert((webhook_id, event.sequence), expected);
        }
        let committed = Committed {
            event,
            is_pruned: false,
        };
        self.events.insert(committed.event.sequence, committed);
    }

    /// An attempt begins.
    pub fn started(
        &mut self,
        delivery: &ClaimedDelivery,
        body: &Bytes,
        is_received: bool,
        is_taken: bool,
        now: i64,
    ) {
        let (webhook_id, sequence) = (delivery.webhook_id, delivery.event.sequence);
        let subscriber = &self.subscribers[&webhook_id];
        let name = format!("{} of event {sequence} to {webhook_id}", delivery.id);
        assert!(
            !subscriber.is_deleted,
            "{name} was sent although its webhook is deleted"
        );
        assert!(
            subscriber.webhook.is_enabled(),
            "{name} was sent although its webhook is disabled"
        );
        assert_eq!(
            *body, self.events[&sequence].event.body,
            "{name} has another body"
        );
        self.check_lane(delivery, &name);
        let subscriber = &self.subscribers[&webhook_id];
        let expected = self.deliveries.get_mut(&(webhook_id, sequence)).unwrap();
        assert_eq!(expected.id, delivery.id, "{name} has another id");
        assert_eq!(
            expected.state,
            State::Open,
            "{name} was sent although it is finished"
        );
        assert!(!expected.is_in_flight, "{name} is in flight twice");
        let known = (expected.attempts_made, expected.schedule_attempts);
        let claimed = (delivery.attempts_made, delivery.spent.attempts);
        assert_eq!(known, claimed, "{name} lost count of its attempts");
        if let Some(wait) = expected.wait {
            check_wait(wait, subscriber, now, &name);
        }
        if is_received && expected.was_taken {
            assert!(expected.may_repeat, "{name} was taken before, and came again");
            self.repeats += 1;
        }
        expected.was_taken |= is_taken;
        expected.is_in_flight = true;
        self.attempts += 1;
    }

    fn check_lane(&self, delivery: &ClaimedDelivery, name: &str) {
        let webhook_id = delivery.webhook_id;
        if self.subscribers[&webhook_id].webhook.settings.ordering == Ordering::None {
            return;
        }
        let lane = self
            .deliveries
            .range((webhook_id, 0)..=(webhook_id, i64::MAX))
            .filter(|(_, other)| {
                other.incident_id == delivery.event.incident_id && other.state == State::Open
            });
        for ((_, sequence), other) in lane {
            assert!(
                !other.is_in_flight,
                "{name} overlaps event {sequence} of its incident"
            );
            let is_ahead = *sequence < delivery.event.sequence && !other.was_replayed;
            assert!(!is_ahead, "{name} overtook event {sequence} of its incident");
        }
    }

    /// What came of an attempt is on disk. `failed_at` is when the attempt ended.
    pub fn recorded(&mut self, record: &AttemptRecord, failed_at: i64) {
        let schedule = &self.subscribers[&record.webhook_id]
            .webhook
            .settings
            .retry_schedule;
        let delays = schedule.delays();
        let key = (record.webhook_id, record.event_sequence);
        let expected = self.deliveries.get_mut(&key).unwrap();
        expected.is_in_flight = false;
        expected.attempts_made += 1;
        expected.schedule_attempts += 1;
        let made = expected.schedule_attempts as usize;
        expected.wait = None;
        match (&record.next_step, &record.attempt.outcome) {
            (NextStep::Delivered, Outcome::Delivered) => {
                expected.state = State::Delivered;
                expected.may_repeat = false;
            }
            (NextStep::Dead, Outcome::Gone(_)) => expected.state = State::Dead,
            (NextStep::Dead, Outcome::Failed(_)) => {
                assert_eq!(made, delays.len() + 1, "{} died early", expected.id);
                expected.state = State::Dead;
            }
            (NextStep::Retry { .. }, Outcome::Failed(failure)) => {
                let asked_for = failure.retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
                let at_least = delays[made - 1].max(asked_for);
                expected.wait = Some(Wait {
                    failed_at,
                    at_least_millis: i64::try_from(at_least.as_millis()).unwrap(),
                });
            }
            (step, outcome) => panic!("{outcome:?} led to {step:?}"),
        }
    }

    /// A finished delivery starts a fresh schedule.
    pub fn replayed(&mut self, key: (WebhookId, i64)) {
        let expected = self.deliveries.get_mut(&key).unwrap();
        expected.state = State::Open;
        expected.schedule_attempts = 0;
        expected.was_replayed = true;
        expected.may_repeat = true;
        expected.wait = None;
    }

    /// The node is gone: what was in flight may come again.
    pub fn crashed(&mut self, now: i64) {
        for expected in self.deliveries.values_mut() {
            expected.may_repeat |= expected.is_in_flight;
            expected.is_in_flight = false;
        }
        for subscriber in self.subscribers.values_mut() {
            subscriber.disturbed_at = now;
            subscriber.has_open_breaker = false;
        }
    }

    /// The pruner ran with these bounds.
    pub fn pruned(&mut self, delivered_before: Timestamp, dead_before: Timestamp) {
        let subscribers = &mut self.subscribers;
        self.deliveries.retain(|(webhook_id, _), expected| {
            let is_pruned = match expected.state {
                State::Open => false,
                State::Delivered => expected.created_at < delivered_before,
                State::Dead => expected.created_at < dead_before,
            };
            subscribers.get_mut(webhook_id).unwrap().pruned += u64::from(is_pruned);
            !is_pruned
        });
        let used: std::collections::BTreeSet<i64> =
            self.deliveries.keys().map(|(_, sequence)| *sequence).collect();
        let before = delivered_before.min(dead_before);
        for (sequence, committed) in &mut self.events {
            committed.is_pruned |= committed.event.at < before && !used.contains(sequence);
        }
    }
}

fn check_wait(wait: Wait, subscriber: &Subscriber, now: i64, name: &str) {
    let waited = now - wait.failed_at;
    // Schedules are kept in whole milliseconds.
    assert!(
        waited + 1 >= wait.at_least_millis,
        "{name} waited {waited} ms, not {} ms",
        wait.at_least_millis
    );
    let was_free = subscriber.disturbed_at < wait.failed_at
        && !subscriber.has_open_breaker
        && subscriber.webhook.settings.rate.is_none();
    let at_most = wait.at_least_millis + wait.at_least_millis / 10 + LATEST_LOOK_MILLIS;
    assert!(
        !was_free || waited <= at_most,
        "{name} waited {waited} ms, more than {at_most} ms"
    );
}
