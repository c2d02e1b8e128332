//! Lanes: the deliveries of one incident to one webhook. At most one of a lane is scheduled or claimed (its head);
//! later ones are queued and come up one by one. The order of a lane lies in these states and nowhere else.
//!
//! Tests stand outside of all lanes. A webhook without ordering never queues.

use rusqlite::Connection;

use model::id::{DeliveryId, IncidentId, WebhookId};
use model::time::Timestamp;
use store::StoreResult;

use super::statements::{execute, read_one};

/// Whether a lane has an open delivery: a new event must queue behind it.
pub fn has_open(
    connection: &Connection,
    incident_id: IncidentId,
    webhook_id: WebhookId,
) -> StoreResult<bool> {
    // The newest first: where one is open, it is most likely that one.
    let sql = "SELECT 1 FROM deliveries INDEXED BY deliveries_lane
               WHERE incident_id = ?1 AND webhook_id = ?2 AND is_test = 0
                 AND finished_at IS NULL
               ORDER BY event_sequence DESC LIMIT 1";
    let lane = (incident_id.as_bytes(), webhook_id.as_bytes());
    Ok(read_one(connection, sql, lane, |_| Ok(()))?.is_some())
}

/// Whether a lane has a head.
fn has_head(connection: &Connection, incident_id: IncidentId, webhook_id: WebhookId) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM deliveries INDEXED BY deliveries_lane
               WHERE incident_id = ?1 AND webhook_id = ?2 AND is_test = 0 AND state IN ('scheduled', 'claimed')
               LIMIT 1";
    let lane = (incident_id.as_bytes(), webhook_id.as_bytes());
    Ok(read_one(connection, sql, lane, |_| Ok(()))?.is_some())
}

/// Lets the first queued delivery of a lane without a head become its head, due now. Says whether there was one.
pub fn promote(
    connection: &Connection,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    now: Timestamp,
) -> StoreResult<bool> {
    let Some(first) = first_queued(connection, incident_id, webhook_id)? else {
        return Ok(false);
    };
    if has_head(connection, incident_id, webhook_id)? {
        return Ok(false);
    }
    let promoted = execute(
        connection,
        "UPDATE deliveries SET state = 'scheduled', due_at = ?2 WHERE id = ?1 AND state = 'queued'",
        (first.as_bytes(), now.as_millis()),
    )?;
    Ok(promoted == 1)
}

fn first_queued(
    connection: &Connection,
    incident_id: IncidentId,
    webhook_id: WebhookId,
) -> StoreResult<Option<DeliveryId>> {
    let sql = "SELECT id FROM deliveries INDEXED BY deliveries_queued
               WHERE incident_id = ?1 AND webhook_id = ?2 AND state = 'queued'
               ORDER BY event_sequence LIMIT 1";
    let lane = (incident_id.as_bytes(), webhook_id.as_bytes());
    read_one(connection, sql, lane, |row| {
        row.get(0).map(DeliveryId::from_bytes)
    })
}
