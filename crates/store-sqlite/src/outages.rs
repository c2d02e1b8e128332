//! Deliveries that waited through an outage, and that their webhook wants no more: they end where they would be claimed.

use rusqlite::Connection;

use model::exchange::FailureCode;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::outage::{AfterOutage, EndedAs};
use model::time::Timestamp;
use store::StoreResult;
use store::outage_plan::{MAX_LANE_LOOK, Waiting, ending};

use super::lanes;
use super::statements::{execute, read_all, read_one};

/// Ends what its webhook wants no more of the lane of a delivery that is due; says whether that is among it.
pub fn end_before(
    connection: &Connection,
    policy: AfterOutage,
    due: &Waiting,
    (incident_id, webhook_id): (IncidentId, WebhookId),
    now: Timestamp,
) -> StoreResult<bool> {
    let may_end = policy
        .shortest_wait()
        .is_some_and(|shortest| now.since(due.since) >= shortest);
    if !may_end {
        return Ok(false);
    }
    let lane = waiting(connection, incident_id, webhook_id)?;
    let ending = ending(policy, &lane, now);
    for (id, ended_as) in &ending {
        end(connection, *id, *ended_as, now)?;
    }
    if !ending.is_empty() {
        lanes::promote(connection, incident_id, webhook_id, now)?;
    }
    has_ended(connection, due.id)
}

/// By itself, or with another of its lane that came before it.
fn has_ended(connection: &Connection, id: DeliveryId) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM deliveries WHERE id = ?1 AND state = 'dead'";
    Ok(read_one(connection, sql, [id.as_bytes()], |_| Ok(()))?.is_some())
}

fn waiting(
    connection: &Connection,
    incident_id: IncidentId,
    webhook_id: WebhookId,
) -> StoreResult<Vec<Waiting>> {
    read_all(
        connection,
        "SELECT id, event_sequence, coalesce(replayed_at, created_at) FROM deliveries INDEXED BY deliveries_lane
         WHERE incident_id = ?1 AND webhook_id = ?2 AND is_test = 0 AND state IN ('scheduled', 'queued')
         ORDER BY event_sequence LIMIT ?3",
        (incident_id.as_bytes(), webhook_id.as_bytes(), MAX_LANE_LOOK),
        |row| {
            Ok(Waiting {
                id: DeliveryId::from_bytes(row.get(0)?),
                event_sequence: row.get(1)?,
                since: Timestamp::from_millis(row.get(2)?),
            })
        },
    )
}

fn end(connection: &Connection, id: DeliveryId, ended_as: EndedAs, now: Timestamp) -> StoreResult<()> {
    execute(
        connection,
        "UPDATE deliveries SET state = 'dead', finished_at = ?2, last_failure = ?3, given_up_by = NULL, ended_as = ?4
         WHERE id = ?1 AND state IN ('scheduled', 'queued')",
        (
            id.as_bytes(),
            now.as_millis(),
            FailureCode::GivenUp.as_str(),
            ended_as.as_str(),
        ),
    )
    .map(|_| ())
}
