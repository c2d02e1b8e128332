//! Whether the rows of different tables agree: deliveries with their attempts and events, events with their incidents and
//! with what they were when they were accepted. References are PostgreSQL's to keep.
//!
//! Reads in pieces, so that no snapshot is held for long: a long one keeps dead rows from being cleared away.

use tokio_postgres::Row;

use model::delivery::DeliveryState;
use model::id::{DeliveryId, IncidentId, WebhookId};
use store::StoreResult;
use store::cross_checks::{DeliveryFacts, DeliveryFaults, EventFacts, EventFaults, event_digest};
use store::upkeep::{CheckListener, Finding, tell};

use super::balances;
use super::columns::{bytes, number, optional_id, parsed, value};
use super::connection::Connection;

/// Rows read by one statement.
const PIECE: i64 = 2000;

/// Everything that does not agree.
pub async fn cross_check(connection: &Connection, listener: &CheckListener) -> StoreResult<Vec<Finding>> {
    let mut findings = deliveries(connection, listener).await?;
    findings.extend(events(connection, listener).await?);
    Ok(findings)
}

async fn deliveries(connection: &Connection, listener: &CheckListener) -> StoreResult<Vec<Finding>> {
    let (mut faults, mut after) = (DeliveryFaults::default(), Vec::new());
    let (mut done, of) = (0, balances::kept(connection).await?);
    loop {
        tell(listener, "deliveries", done, of)?;
        let piece = read_deliveries(connection, &after).await?;
        done += piece.len() as u64;
        piece.iter().for_each(|delivery| faults.add(delivery));
        match piece.last() {
            Some(last) => after = last.id.as_bytes().to_vec(),
            None => return Ok(faults.findings()),
        }
    }
}

async fn read_deliveries(connection: &Connection, after: &[u8]) -> StoreResult<Vec<DeliveryFacts>> {
    let sql = "SELECT d.id, d.webhook_id, d.state, d.attempts_made, d.last_failure IS NOT NULL AS has_failure,
             d.steps > 0 AS has_steps,
             (SELECT count(*) FROM attempts a WHERE a.delivery_id = d.id) AS attempts,
             EXISTS (SELECT 1 FROM attempts a
                     WHERE a.delivery_id = d.id AND (a.outcome = 'delivered' OR a.outcome = 'accepted')) AS was_taken,
             EXISTS (SELECT 1 FROM events e
                     WHERE e.sequence = d.event_sequence AND e.incident_id = d.incident_id) AS has_event
         FROM deliveries d WHERE d.id > $1 ORDER BY d.id LIMIT $2";
    connection
        .read_all(sql, &[&after, &PIECE], delivery_from_row)
        .await
}

fn delivery_from_row(row: &Row) -> StoreResult<DeliveryFacts> {
    Ok(DeliveryFacts {
        id: DeliveryId::from_bytes(bytes(row, "id")?),
        webhook_id: WebhookId::from_bytes(bytes(row, "webhook_id")?),
        state: parsed(row, "state", DeliveryState::parse)?,
        attempts_made: value(row, "attempts_made")?,
        attempts: value(row, "attempts")?,
        was_taken: value(row, "was_taken")?,
        has_failure: value(row, "has_failure")?,
        has_steps: value(row, "has_steps")?,
        has_event: value(row, "has_event")?,
    })
}

/// Incidents are never pruned: each event has one, but for those of Send Test and operational ones.
async fn events(connection: &Connection, listener: &CheckListener) -> StoreResult<Vec<Finding>> {
    let (mut faults, mut after) = (EventFaults::default(), 0);
    let sql = "SELECT coalesce(max(sequence) - min(sequence) + 1, 0) AS length FROM events";
    let length = connection.read_one(sql, &[], |row| number(row, "length")).await?;
    let (mut done, of) = (0, length.unwrap_or(0));
    loop {
        tell(listener, "events", done, of)?;
        let piece = read_events(connection, after).await?;
        done += piece.len() as u64;
        piece.iter().for_each(|event| faults.add(event));
        match piece.last() {
            Some(last) => after = last.sequence,
            None => return Ok(faults.findings().collect()),
        }
    }
}

async fn read_events(connection: &Connection, after: i64) -> StoreResult<Vec<EventFacts>> {
    let sql = "SELECT e.sequence, e.incident_id, e.name, e.at, e.body, e.digest,
             e.is_test OR e.operational IS NOT NULL OR EXISTS (SELECT 1 FROM incidents i WHERE i.id = e.incident_id) AS has_incident
         FROM events e WHERE e.sequence > $1 ORDER BY e.sequence LIMIT $2";
    connection.read_all(sql, &[&after, &PIECE], event_from_row).await
}

/// Events of before digests were kept count as unchanged.
fn event_from_row(row: &Row) -> StoreResult<EventFacts> {
    let incident_id = IncidentId::from_bytes(bytes(row, "incident_id")?);
    let digest = event_digest(
        incident_id,
        value(row, "name")?,
        value(row, "at")?,
        value(row, "body")?,
    );
    let kept = optional_id(row, "digest")?;
    Ok(EventFacts {
        sequence: value(row, "sequence")?,
        incident_id,
        has_incident: value(row, "has_incident")?,
        is_unchanged: kept.is_none_or(|kept| kept == digest),
    })
}
