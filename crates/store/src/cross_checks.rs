//! What the deep check makes of the rows that it reads: whether those of different tables agree. Pure: a backend reads the
//! rows in pieces and hands them in.

use std::collections::BTreeMap;

use model::delivery::DeliveryState;
use model::digest::sha256;
use model::id::{DeliveryId, IncidentId, WebhookId};

use crate::upkeep::{Balance, Finding};

/// How much of an event's hash is kept with it.
const DIGEST_BYTES: usize = 16;

/// Tells whether what was sent of an event is still what was accepted. Without a key: it finds damage and careless hands,
/// not somebody who writes a fitting digest too.
pub fn event_digest(incident_id: IncidentId, name: &str, at_millis: i64, body: &[u8]) -> [u8; DIGEST_BYTES] {
    let hash = sha256([
        incident_id.as_bytes(),
        name.as_bytes(),
        &at_millis.to_be_bytes(),
        body,
    ]);
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&hash[..DIGEST_BYTES]);
    digest
}

/// One delivery, as far as it must agree with others.
pub struct DeliveryFacts {
    pub id: DeliveryId,
    pub webhook_id: WebhookId,
    pub state: DeliveryState,
    pub attempts_made: i64,
    /// Attempts that are there.
    pub attempts: i64,
    /// Whether one of them says that the receiver took it.
    pub was_taken: bool,
    pub has_failure: bool,
    /// One that took more steps than it may is dead without a failure.
    pub has_steps: bool,
    pub has_event: bool,
}

impl DeliveryFacts {
    /// What is wrong with it: a code and the end of a sentence.
    fn faults(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let (is_delivered, is_dead) = match self.state {
            DeliveryState::Delivered => (true, false),
            DeliveryState::Dead => (false, true),
            DeliveryState::Scheduled
            | DeliveryState::Queued
            | DeliveryState::Claimed
            | DeliveryState::Held
            | DeliveryState::Superseded
            | DeliveryState::Expired => (false, false),
        };
        [
            (!self.has_event, "event_missing", "have no event"),
            (
                self.attempts != self.attempts_made,
                "attempts_differ",
                "have another number of attempts than were made",
            ),
            (
                is_delivered && (!self.was_taken || self.has_failure),
                "not_delivered",
                "are called delivered, though no attempt of theirs ended so",
            ),
            (
                is_dead && !self.has_failure && !self.has_steps,
                "not_dead",
                "are called dead without a reason",
            ),
        ]
        .into_iter()
        .filter_map(|(is_wrong, code, what)| is_wrong.then_some((code, what)))
    }
}

/// What is wrong with the deliveries seen so far.
#[derive(Default)]
pub struct DeliveryFaults {
    wrong: BTreeMap<(&'static str, WebhookId), (&'static str, u64, DeliveryId)>,
}

impl DeliveryFaults {
    /// Looks at one more.
    pub fn add(&mut self, delivery: &DeliveryFacts) {
        for (code, what) in delivery.faults() {
            let entry = self.wrong.entry((code, delivery.webhook_id));
            entry.or_insert((what, 0, delivery.id)).1 += 1;
        }
    }

    /// Everything found, by kind and webhook.
    pub fn findings(self) -> Vec<Finding> {
        let finding = |((code, webhook_id), (what, count, first))| {
            let sentence = format!("{count} deliveries to {webhook_id} {what}; the first is {first}");
            Finding::unexpected(code, sentence)
        };
        self.wrong.into_iter().map(finding).collect()
    }
}

/// One event, as far as it must agree with others.
pub struct EventFacts {
    pub sequence: i64,
    pub incident_id: IncidentId,
    pub has_incident: bool,
    pub is_unchanged: bool,
}

/// What is wrong with the events seen so far.
#[derive(Default)]
pub struct EventFaults {
    orphans: Tally,
    changed: Tally,
}

impl EventFaults {
    /// Looks at one more.
    pub fn add(&mut self, event: &EventFacts) {
        if !event.has_incident {
            self.orphans.add(&event.incident_id);
        }
        if !event.is_unchanged {
            self.changed.add(&event.sequence);
        }
    }

    /// Everything found.
    pub fn findings(self) -> impl Iterator<Item = Finding> {
        let orphans = self
            .orphans
            .finding("incident_missing", "belong to incidents that are not there");
        let changed = self.changed.finding("event_changed", "are not what was accepted");
        orphans.into_iter().chain(changed)
    }
}

/// How many are wrong, and the first of them.
#[derive(Default)]
struct Tally {
    count: u64,
    first: Option<String>,
}

impl Tally {
    fn add(&mut self, name: &impl ToString) {
        self.count += 1;
        self.first.get_or_insert_with(|| name.to_string());
    }

    fn finding(self, code: &'static str, what: &str) -> Option<Finding> {
        let (count, first) = (self.count, self.first?);
        let sentence = format!("{count} events {what}; the first is {first}");
        Some(Finding::unexpected(code, sentence))
    }
}

/// A lane in which deliveries wait for one that is not there.
pub fn blocked_lane(webhook_id: WebhookId, incident_id: IncidentId, count: i64) -> Finding {
    let sentence =
        format!("{count} deliveries of {incident_id} to {webhook_id} wait for one that is not there");
    Finding::unexpected("lane_blocked", sentence)
}

/// Deliveries in the hand of a node that is gone.
pub fn claims_of_nobody(node: i64, count: i64) -> Finding {
    let sentence = format!("{count} deliveries are claimed by node {node}, which holds no lease");
    Finding::unexpected("claim_of_nobody", sentence)
}

/// A webhook whose deliveries are not as many as were accepted.
pub fn imbalance(balance: &Balance) -> Option<Finding> {
    let webhook_id = balance.webhook_id;
    let sentence = match balance.missing() {
        0 => return None,
        missing @ 1.. => format!("{missing} accepted deliveries of {webhook_id} are not there"),
        surplus => format!(
            "{} deliveries of {webhook_id} were never accepted",
            surplus.unsigned_abs()
        ),
    };
    Some(Finding::unexpected("balance", sentence))
}
