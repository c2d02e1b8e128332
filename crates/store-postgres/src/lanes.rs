//! Lanes: the deliveries of one incident to one webhook. At most one of a lane is scheduled or claimed (its head);
//! later ones are queued and come up one by one. The order of a lane lies in these states and nowhere else.
//!
//! Tests stand outside of all lanes. A webhook without ordering never queues.
//!
//! Several nodes work on one lane. Whoever adds to it has locked its incident, and shares the lock of the head, so that it
//! stays the head until what is added is on disk. Whoever ends the head's turn has locked the head, and then sees what was
//! queued behind it. Rows are locked in the order of their ids, lanes in theirs.

use std::collections::HashSet;

use tokio_postgres::Row;

use model::id::{DeliveryId, IncidentId, WebhookId};
use model::time::Timestamp;
use store::StoreResult;

use super::columns::bytes;
use super::connection::Connection;
use super::incident_rows;

/// The deliveries of an incident to a webhook.
pub type Lane = (IncidentId, WebhookId);

/// How often lanes are looked at whose next turn comes meanwhile.
const MAX_LOOKS: u32 = 5;

/// Whether a lane has an open delivery: a new event must queue behind it. Locks the incident.
pub async fn has_open(
    connection: &Connection,
    incident_id: IncidentId,
    webhook_id: WebhookId,
) -> StoreResult<bool> {
    incident_rows::lock(connection, &[incident_id]).await?;
    let open = open_among(connection, &[(incident_id, webhook_id)]).await?;
    Ok(!open.is_empty())
}

/// Which of these lanes have an open delivery; it stays so until this transaction has ended. Their incidents are locked.
pub async fn open_among(connection: &Connection, lanes: &[Lane]) -> StoreResult<HashSet<Lane>> {
    let mut open = HashSet::new();
    let mut unknown = lanes.to_vec();
    for _ in 0..MAX_LOOKS {
        if unknown.is_empty() {
            break;
        }
        open.extend(lock_heads(connection, &unknown).await?);
        unknown.retain(|lane| !open.contains(lane));
        if unknown.is_empty() {
            break;
        }
        // The head that was waited for has ended, and the next one's turn come; or there is none.
        let without_head = with_open(connection, &unknown).await?;
        unknown.retain(|lane| without_head.contains(lane));
    }
    open.extend(unknown);
    Ok(open)
}

async fn lock_heads(connection: &Connection, lanes: &[Lane]) -> StoreResult<Vec<Lane>> {
    let (incident_ids, webhook_ids) = columns(lanes);
    let sql = "SELECT d.incident_id, d.webhook_id
               FROM unnest($1::bytea[], $2::bytea[]) AS lane (incident_id, webhook_id)
                   JOIN deliveries d ON d.incident_id = lane.incident_id AND d.webhook_id = lane.webhook_id
               WHERE NOT d.is_test AND d.state IN ('scheduled', 'claimed')
               ORDER BY d.id FOR SHARE OF d";
    connection
        .read_all(sql, &[&incident_ids, &webhook_ids], lane_from_row)
        .await
}

async fn with_open(connection: &Connection, lanes: &[Lane]) -> StoreResult<HashSet<Lane>> {
    let (incident_ids, webhook_ids) = columns(lanes);
    let sql = "SELECT d.incident_id, d.webhook_id
               FROM unnest($1::bytea[], $2::bytea[]) AS lane (incident_id, webhook_id)
                   JOIN deliveries d ON d.incident_id = lane.incident_id AND d.webhook_id = lane.webhook_id
               WHERE NOT d.is_test AND d.finished_at IS NULL";
    let rows = connection
        .read_all(sql, &[&incident_ids, &webhook_ids], lane_from_row)
        .await?;
    Ok(rows.into_iter().collect())
}

/// Locks the first queued delivery of each lane that has one. The lanes are sorted, and the deliveries that ended their
/// turns locked.
pub async fn lock_next(connection: &Connection, lanes: &[Lane]) -> StoreResult<Vec<DeliveryId>> {
    if lanes.is_empty() {
        return Ok(Vec::new());
    }
    let (incident_ids, webhook_ids) = columns(lanes);
    let sql = "SELECT next.id FROM unnest($1::bytea[], $2::bytea[]) AS lane (incident_id, webhook_id)
                   CROSS JOIN LATERAL (
                       SELECT d.id FROM deliveries d
                       WHERE d.incident_id = lane.incident_id AND d.webhook_id = lane.webhook_id AND d.state = 'queued'
                       ORDER BY d.event_sequence LIMIT 1 FOR NO KEY UPDATE
                   ) AS next";
    connection
        .read_all(sql, &[&incident_ids, &webhook_ids], |row| {
            bytes(row, "id").map(DeliveryId::from_bytes)
        })
        .await
}

/// Lets queued deliveries that [`lock_next`] locked become the heads of their lanes, due now, unless a lane has one. Says
/// whose came up.
pub async fn promote(
    connection: &Connection,
    next: &[DeliveryId],
    now: Timestamp,
) -> StoreResult<Vec<WebhookId>> {
    if next.is_empty() {
        return Ok(Vec::new());
    }
    let next: Vec<&[u8]> = next.iter().map(|id| &id.as_bytes()[..]).collect();
    let sql = "UPDATE deliveries d SET state = 'scheduled', due_at = $2
               WHERE d.id = ANY($1::bytea[]) AND d.state = 'queued' AND NOT EXISTS (
                   SELECT 1 FROM deliveries head
                   WHERE head.incident_id = d.incident_id AND head.webhook_id = d.webhook_id AND NOT head.is_test
                       AND head.state IN ('scheduled', 'claimed'))
               RETURNING d.webhook_id";
    connection
        .read_all(sql, &[&next, &now.as_millis()], |row| {
            bytes(row, "webhook_id").map(WebhookId::from_bytes)
        })
        .await
}

fn columns(lanes: &[Lane]) -> (Vec<&[u8]>, Vec<&[u8]>) {
    let ids = lanes.iter().map(|(incident_id, webhook_id)| {
        let (incident_id, webhook_id) = (incident_id.as_bytes(), webhook_id.as_bytes());
        (&incident_id[..], &webhook_id[..])
    });
    ids.unzip()
}

fn lane_from_row(row: &Row) -> StoreResult<Lane> {
    Ok((
        IncidentId::from_bytes(bytes(row, "incident_id")?),
        WebhookId::from_bytes(bytes(row, "webhook_id")?),
    ))
}
