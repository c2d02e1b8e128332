//! Writes a long past into a data directory, for measurements: incidents, each with its event, a delivery and an attempt. Only
//! while no server has the directory.
//!
//! It goes past the writer and everything that is decided there, as millions of rows would take an hour otherwise. The rows are
//! such as a server writes; nothing is counted for the insights.

use std::fs::File;
use std::path::Path;

use bytes::Bytes;
use rusqlite::Connection;

use model::attempt::{Attempt, Failure, Outcome};
use model::audit::Actor;
use model::event::{Event, EventName};
use model::exchange::{FailureCode, PhaseTimings};
use model::id::{AttemptId, DeliveryId, EventId, IncidentId, ServiceId, WebhookId};
use model::incident::{Incident, IncidentStatus, Severity};
use model::service::ServiceRef;
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::body_text;
use store::cross_checks::event_digest;

use super::attempt_rows;
use super::database::{FILE_NAME, unavailable};
use super::directory::lock_directory;
use super::incident_rows;
use super::statements::{execute, read_one};

/// Incidents written in one transaction.
const BATCH: u32 = 20_000;
/// Page cache while writing, in KiB.
const CACHE_KIB: i64 = 128 * 1024;
/// One in so many deliveries that do not wait is dead.
const DEAD_EVERY: u32 = 100;
/// One in so many incidents whose delivery does not wait is still open.
const OPEN_EVERY: u32 = 1000;
/// The head of a request as it is on record.
const REQUEST_HEAD: &str = "POST / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\n\
    User-Agent: OpsKnight/0.1.0\r\nX-OpsKnight-Event: incident.triggered\r\nX-OpsKnight-Attempt: 1\r\n\
    X-OpsKnight-Signature: sha256=<masked>\r\nwebhook-signature: v1,<masked>\r\n";
const RESPONSE_HEAD: &str = "HTTP/1.1 204 No Content\r\n";

/// What there shall be.
pub struct History {
    /// The service that the incidents are about.
    pub service_id: ServiceId,
    /// Whose deliveries they are, in turn.
    pub webhooks: Vec<WebhookId>,
    /// How many incidents.
    pub incidents: u32,
    /// Of how many of the latest of these the delivery still waits, due since its event, all for the first webhook.
    pub pending: u32,
    /// The title of each.
    pub title: fn(u32) -> String,
    /// When the first is triggered, and how long after it each next one.
    pub since: Timestamp,
    pub step_ms: i64,
}

/// Writes it. The directory has been a server's before.
pub fn write(directory: &Path, history: &History) -> StoreResult<()> {
    let _lock = lock_directory(directory)?;
    let connection = Connection::open(directory.join(FILE_NAME)).map_err(unavailable)?;
    for (name, value) in [
        ("synchronous", "OFF".to_owned()),
        ("cache_size", (-CACHE_KIB).to_string()),
        ("foreign_keys", "OFF".to_owned()),
    ] {
        connection.pragma_update(None, name, value).map_err(unavailable)?;
    }
    let sql = "SELECT name FROM services WHERE id = ?1";
    let name = read_one(&connection, sql, [history.service_id.as_bytes()], |row| {
        row.get(0)
    })?;
    let service = ServiceRef {
        id: history.service_id,
        name: name.ok_or(StoreError::NotFound { what: "service" })?,
    };
    let mut from = 0;
    while from < history.incidents {
        let until = history.incidents.min(from.saturating_add(BATCH));
        let transaction = connection.unchecked_transaction().map_err(unavailable)?;
        for number in from..until {
            Entry::new(history, &service, number)?.write(&transaction)?;
        }
        transaction.commit().map_err(unavailable)?;
        from = until;
    }
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)")
        .map_err(unavailable)?;
    // Or the system would write it during the measurement: SQLite waits only for what its last checkpoint wrote.
    File::open(directory.join(FILE_NAME))
        .and_then(|file| file.sync_all())
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// An incident with all that belongs to it.
struct Entry {
    incident: Incident,
    webhook_id: WebhookId,
    /// Nothing while it waits.
    outcome: Option<Outcome>,
    random: [u8; 10],
}

impl Entry {
    fn new(history: &History, service: &ServiceRef, number: u32) -> StoreResult<Self> {
        let at = Timestamp::from_millis(history.since.as_millis() + i64::from(number) * history.step_ms);
        let mut random = [0x9e; 10];
        random[6..].copy_from_slice(&number.to_be_bytes());
        let waits = number >= history.incidents.saturating_sub(history.pending);
        let place = if waits {
            0
        } else {
            number as usize % history.webhooks.len().max(1)
        };
        let webhook_id = history.webhooks.get(place).copied();
        let is_open = waits || number.is_multiple_of(OPEN_EVERY);
        Ok(Self {
            incident: Incident {
                id: IncidentId::new(at, random),
                number: None,
                title: (history.title)(number),
                description: None,
                status: if is_open {
                    IncidentStatus::Triggered
                } else {
                    IncidentStatus::Resolved
                },
                severity: Severity::ALL[number as usize % Severity::ALL.len()],
                service: service.clone(),
                assignee: None,
                dedup_key: None,
                escalation_steps_fired: 0,
                escalate_at: None,
                created_at: at,
                updated_at: at,
                acknowledged_at: None,
                resolved_at: (!is_open).then_some(at),
            },
            webhook_id: webhook_id.ok_or(StoreError::NotFound { what: "webhook" })?,
            outcome: match (waits, number.is_multiple_of(DEAD_EVERY)) {
                (true, _) => None,
                (false, true) => Some(Outcome::Failed(Failure::new(
                    FailureCode::ServerError,
                    "answered 500",
                ))),
                (false, false) => Some(Outcome::Delivered),
            },
            random,
        })
    }

    fn write(mut self, connection: &Connection) -> StoreResult<()> {
        incident_rows::insert(connection, &mut self.incident)?;
        let id = DeliveryId::new(self.incident.created_at, self.random);
        self.write_delivery(connection, id, self.write_event(connection)?)?;
        if let Some(outcome) = self.outcome.clone() {
            attempt_rows::insert(connection, id, &self.attempt(outcome))?;
        }
        execute(
            connection,
            "INSERT INTO ledger (webhook_id, accepted) VALUES (?1, 1)
             ON CONFLICT (webhook_id) DO UPDATE SET accepted = accepted + 1",
            [self.webhook_id.as_bytes()],
        )?;
        Ok(())
    }

    /// Says its place in the feed.
    fn write_event(&self, connection: &Connection) -> StoreResult<i64> {
        let incident = &self.incident;
        let (at, name) = (incident.created_at, EventName::Triggered);
        let triggered = Incident {
            status: IncidentStatus::Triggered,
            resolved_at: None,
            ..incident.clone()
        };
        let event = Event::new(EventId::new(at, self.random), name, &triggered, Actor::System, at);
        let digest = event_digest(incident.id, name.as_str(), at.as_millis(), &event.body);
        execute(
            connection,
            "INSERT INTO events (id, incident_id, name, at, actor, body, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                event.id.as_bytes(),
                incident.id.as_bytes(),
                name.as_str(),
                at.as_millis(),
                event.actor.encode(),
                body_text::pack(&event.body, incident.id, at),
                digest,
            ),
        )?;
        Ok(connection.last_insert_rowid())
    }

    fn write_delivery(&self, connection: &Connection, id: DeliveryId, sequence: i64) -> StoreResult<()> {
        let state = match &self.outcome {
            None => "scheduled",
            Some(Outcome::Delivered) => "delivered",
            Some(_) => "dead",
        };
        let failure = self.outcome.as_ref().and_then(Outcome::failure);
        let attempts = u32::from(self.outcome.is_some());
        execute(
            connection,
            "INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, created_at, finished_at,
                 attempts_made, schedule_attempts, last_failure)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, iif(?7 = 0, NULL, ?6), ?7, ?7, ?8)",
            (
                id.as_bytes(),
                self.webhook_id.as_bytes(),
                self.incident.id.as_bytes(),
                sequence,
                state,
                self.incident.created_at.as_millis(),
                attempts,
                failure.map(|failure| failure.code.as_str()),
            ),
        )?;
        Ok(())
    }

    fn attempt(&self, outcome: Outcome) -> Attempt {
        Attempt {
            id: AttemptId::new(self.incident.created_at, self.random),
            number: 1,
            started_at: self.incident.created_at,
            status: Some(if outcome.failure().is_some() { 500 } else { 204 }),
            outcome,
            timings: PhaseTimings {
                first_byte_us: Some(400),
                total_us: 500,
                ..PhaseTimings::default()
            },
            remote_address: "127.0.0.1:8080".parse().ok(),
            request_head: REQUEST_HEAD.to_owned(),
            response_head: RESPONSE_HEAD.to_owned(),
            response_body: Bytes::new(),
            response_body_is_truncated: false,
            request_body: None,
            note: None,
        }
    }
}
