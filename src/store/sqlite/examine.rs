//! The deep check: whatever the schema cannot forbid. It only reads, and each question is one statement, so that no
//! snapshot is held for long.

use rusqlite::Connection;

use crate::model::id::{IncidentId, WebhookId};
use crate::model::time::Timestamp;
use crate::store::StoreResult;
use crate::store::upkeep::{Balance, Finding};

use super::statements::read_all;
use super::upkeep::balance;

/// The most findings that are told.
const MAX_FINDINGS: u32 = 50;

/// Everything that is not as it should be.
pub fn examine(connection: &Connection, now: Timestamp) -> StoreResult<Vec<Finding>> {
    let mut findings = damaged_pages(connection)?;
    findings.extend(blocked_lanes(connection)?);
    findings.extend(claims_of_nobody(connection, now)?);
    findings.extend(missing_events(connection)?);
    findings.extend(balance(connection)?.iter().filter_map(imbalance));
    findings.truncate(MAX_FINDINGS as usize);
    Ok(findings)
}

fn damaged_pages(connection: &Connection) -> StoreResult<Vec<Finding>> {
    let statement = format!("PRAGMA quick_check({MAX_FINDINGS})");
    let sentences: Vec<String> = read_all(connection, &statement, (), |row| row.get(0))?;
    let damage = sentences.into_iter().filter(|sentence| sentence != "ok");
    Ok(damage
        .map(|sentence| Finding {
            code: "integrity",
            sentence,
        })
        .collect())
}

/// A queued delivery waits for one before it in its lane; if none is scheduled or claimed, it waits for ever.
fn blocked_lanes(connection: &Connection) -> StoreResult<Vec<Finding>> {
    read_all(
        connection,
        "SELECT q.webhook_id, q.incident_id, count(*)
         FROM webhooks w CROSS JOIN deliveries q ON q.webhook_id = w.id
         WHERE w.deleted_at IS NULL AND q.finished_at IS NULL AND q.state = 'queued'
             AND NOT EXISTS (SELECT 1 FROM deliveries head
                             WHERE head.incident_id = q.incident_id AND head.webhook_id = q.webhook_id
                                 AND head.state IN ('scheduled', 'claimed'))
         GROUP BY q.webhook_id, q.incident_id LIMIT ?1",
        [MAX_FINDINGS],
        |row| {
            let webhook_id = WebhookId::from_bytes(row.get(0)?);
            let incident_id = IncidentId::from_bytes(row.get(1)?);
            let count: i64 = row.get(2)?;
            Ok(Finding {
                code: "lane_blocked",
                sentence: format!(
                    "{count} deliveries of {incident_id} to {webhook_id} wait for one that is not there"
                ),
            })
        },
    )
}

fn claims_of_nobody(connection: &Connection, now: Timestamp) -> StoreResult<Vec<Finding>> {
    read_all(
        connection,
        "SELECT c.node, count(*) FROM webhooks w CROSS JOIN deliveries c ON c.webhook_id = w.id
         WHERE c.finished_at IS NULL AND c.state = 'claimed'
             AND c.node NOT IN (SELECT id FROM nodes WHERE lease_until > ?1)
         GROUP BY c.node LIMIT ?2",
        (now.as_millis(), MAX_FINDINGS),
        |row| {
            let (node, count): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(Finding {
                code: "claim_of_nobody",
                sentence: format!("{count} deliveries are claimed by node {node}, which holds no lease"),
            })
        },
    )
}

fn missing_events(connection: &Connection) -> StoreResult<Vec<Finding>> {
    read_all(
        connection,
        "SELECT DISTINCT event_sequence FROM deliveries d
         WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.sequence = d.event_sequence) LIMIT ?1",
        [MAX_FINDINGS],
        |row| {
            let sequence: i64 = row.get(0)?;
            Ok(Finding {
                code: "event_missing",
                sentence: format!("event {sequence} has deliveries but is not there"),
            })
        },
    )
}

fn imbalance(balance: &Balance) -> Option<Finding> {
    let webhook_id = balance.webhook_id;
    let sentence = match balance.missing() {
        0 => return None,
        missing @ 1.. => format!("{missing} accepted deliveries of {webhook_id} are not there"),
        surplus => format!(
            "{} deliveries of {webhook_id} were never accepted",
            surplus.unsigned_abs()
        ),
    };
    Some(Finding {
        code: "balance",
        sentence,
    })
}
