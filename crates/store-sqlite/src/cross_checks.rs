//! Whether the rows of different tables agree: deliveries with their attempts and events, events with their incidents and
//! with what they were when they were accepted, every reference with what it names.
//!
//! Reads in pieces, so that no snapshot is held for long: a long one keeps the write-ahead log growing. What each row
//! means is decided in Rust, not in SQL.

use rusqlite::{Connection, Row};

use model::delivery::DeliveryState;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::time::Timestamp;
use store::StoreResult;
use store::body_text;
use store::cross_checks::{DeliveryFacts, DeliveryFaults, EventFacts, EventFaults, event_digest};
use store::upkeep::{CheckListener, Finding, tell};

use super::balances;
use super::columns::{id_bytes, unexpected};
use super::statements::{read_all, read_one};

/// Rows read by one statement.
const PIECE: u32 = 2000;

/// Everything that does not agree.
pub fn cross_check(connection: &Connection, listener: &CheckListener) -> StoreResult<Vec<Finding>> {
    let mut findings = deliveries(connection, listener)?;
    findings.extend(events(connection, listener)?);
    findings.extend(references(connection, listener)?);
    Ok(findings)
}

fn deliveries(connection: &Connection, listener: &CheckListener) -> StoreResult<Vec<Finding>> {
    let (mut faults, mut after) = (DeliveryFaults::default(), Vec::new());
    let (mut done, of) = (0, balances::kept(connection)?);
    loop {
        tell(listener, "deliveries", done, of)?;
        let piece = read_deliveries(connection, &after)?;
        done += piece.len() as u64;
        piece.iter().for_each(|delivery| faults.add(delivery));
        match piece.last() {
            Some(last) => after = last.id.as_bytes().to_vec(),
            None => return Ok(faults.findings()),
        }
    }
}

fn read_deliveries(connection: &Connection, after: &[u8]) -> StoreResult<Vec<DeliveryFacts>> {
    read_all(
        connection,
        "SELECT d.id, d.webhook_id, d.state, d.attempts_made, d.last_failure IS NOT NULL AS has_failure,
             d.steps > 0 AS has_steps,
             (SELECT count(*) FROM attempts a WHERE a.delivery_id = d.id) AS attempts,
             EXISTS (SELECT 1 FROM attempts a
                     WHERE a.delivery_id = d.id AND (a.outcome = 'delivered' OR a.outcome = 'accepted')) AS was_taken,
             EXISTS (SELECT 1 FROM events e
                     WHERE e.sequence = d.event_sequence AND e.incident_id = d.incident_id) AS has_event
         FROM deliveries d WHERE d.id > ?1 ORDER BY d.id LIMIT ?2",
        (after, PIECE),
        delivery_from_row,
    )
}

fn delivery_from_row(row: &Row<'_>) -> rusqlite::Result<DeliveryFacts> {
    Ok(DeliveryFacts {
        id: DeliveryId::from_bytes(id_bytes(row, "id")?),
        webhook_id: WebhookId::from_bytes(id_bytes(row, "webhook_id")?),
        state: DeliveryState::parse(row.get_ref("state")?.as_str()?).ok_or_else(|| unexpected("state"))?,
        attempts_made: row.get("attempts_made")?,
        attempts: row.get("attempts")?,
        was_taken: row.get("was_taken")?,
        has_failure: row.get("has_failure")?,
        has_steps: row.get("has_steps")?,
        has_event: row.get("has_event")?,
    })
}

/// Incidents are never pruned: each event has one, but for those of Send Test and operational ones.
fn events(connection: &Connection, listener: &CheckListener) -> StoreResult<Vec<Finding>> {
    let (mut faults, mut after) = (EventFaults::default(), 0);
    let sql =
        "SELECT coalesce((SELECT max(sequence) FROM events) - (SELECT min(sequence) FROM events) + 1, 0)";
    let length: Option<i64> = read_one(connection, sql, (), |row| row.get(0))?;
    let (mut done, of) = (0, length.unwrap_or(0).unsigned_abs());
    loop {
        tell(listener, "events", done, of)?;
        let piece = read_events(connection, after)?;
        done += piece.len() as u64;
        piece.iter().for_each(|event| faults.add(event));
        match piece.last() {
            Some(last) => after = last.sequence,
            None => return Ok(faults.findings().collect()),
        }
    }
}

fn read_events(connection: &Connection, after: i64) -> StoreResult<Vec<EventFacts>> {
    read_all(
        connection,
        "SELECT e.sequence, e.incident_id, e.name, e.at, e.body, e.digest,
             e.is_test OR e.operational IS NOT NULL OR EXISTS (SELECT 1 FROM incidents i WHERE i.id = e.incident_id) AS has_incident
         FROM events e WHERE e.sequence > ?1 ORDER BY e.sequence LIMIT ?2",
        (after, PIECE),
        event_from_row,
    )
}

/// Events of before digests were kept count as unchanged.
fn event_from_row(row: &Row<'_>) -> rusqlite::Result<EventFacts> {
    let incident_id = IncidentId::from_bytes(id_bytes(row, "incident_id")?);
    let (name, at) = (row.get_ref("name")?.as_str()?, row.get("at")?);
    let kept = row.get_ref("body")?.as_blob()?;
    let body = body_text::unpack(kept, incident_id, Timestamp::from_millis(at));
    let digest = event_digest(incident_id, name, at, &body);
    let kept: Option<[u8; 16]> = row.get("digest")?;
    Ok(EventFacts {
        sequence: row.get("sequence")?,
        incident_id,
        has_incident: row.get("has_incident")?,
        is_unchanged: kept.is_none_or(|kept| kept == digest),
    })
}

/// The schema forbids references that lead nowhere, but a foreign tool need not ask it.
fn references(connection: &Connection, listener: &CheckListener) -> StoreResult<Vec<Finding>> {
    let tables = tables(connection)?;
    let mut findings = Vec::new();
    for (done, table) in (0..).zip(&tables) {
        tell(listener, "references", done, tables.len() as u64)?;
        findings.extend(read_all(
            connection,
            "SELECT parent, count(*) FROM pragma_foreign_key_check(?1) GROUP BY parent",
            [table],
            |row| {
                let (parent, count): (String, i64) = (row.get(0)?, row.get(1)?);
                let sentence = format!("{count} rows of {table} name a row of {parent} that is not there");
                Ok(Finding::unexpected("reference_missing", sentence))
            },
        )?);
    }
    Ok(findings)
}

/// The tables that are not SQLite's own.
pub fn tables(connection: &Connection) -> StoreResult<Vec<String>> {
    read_all(
        connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        (),
        |row| row.get(0),
    )
}
