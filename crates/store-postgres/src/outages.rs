//! Deliveries that waited through an outage, and that their webhook wants no more: they end where they are claimed.
//!
//! The claim has locked the heads of the lanes, so that nobody adds to one; what others have locked is passed over.

use std::collections::{BTreeSet, HashSet};

use tokio_postgres::Row;

use model::exchange::FailureCode;
use model::id::DeliveryId;
use model::outage::EndedAs;
use model::time::Timestamp;
use model::webhook::Webhook;
use store::StoreResult;
use store::outage_plan::{MAX_LANE_LOOK, Waiting, ending, policy_of};

use super::columns::{bytes, number, time};
use super::connection::Connection;
use super::lanes::{self, Lane};

/// A delivery that was claimed just now.
pub struct JustClaimed {
    pub waiting: Waiting,
    pub lane: Lane,
}

/// Ends what their webhooks want no more of the lanes of deliveries that were claimed; says which.
pub async fn end_among(
    connection: &Connection,
    webhooks: &[Webhook],
    claimed: &[JustClaimed],
    now: Timestamp,
) -> StoreResult<HashSet<DeliveryId>> {
    let may_end = |of: &&JustClaimed| {
        let shortest = policy_of(webhooks, of.lane.1).shortest_wait();
        shortest.is_some_and(|shortest| now.since(of.waiting.since) >= shortest)
    };
    let lanes: BTreeSet<Lane> = claimed.iter().filter(may_end).map(|of| of.lane).collect();
    let (mut ended, mut shortened) = (HashSet::new(), Vec::new());
    for lane in lanes {
        let mut waiting = waiting(connection, lane).await?;
        waiting.extend(claimed.iter().filter(|of| of.lane == lane).map(|of| of.waiting));
        let ending = ending(policy_of(webhooks, lane.1), &waiting, now);
        if ending.is_empty() {
            continue;
        }
        end(connection, &ending, now).await?;
        ended.extend(ending.iter().map(|(id, _)| *id));
        shortened.push(lane);
    }
    let next = lanes::lock_next(connection, &shortened).await?;
    lanes::promote(connection, &next, now).await?;
    Ok(ended)
}

async fn waiting(connection: &Connection, (incident_id, webhook_id): Lane) -> StoreResult<Vec<Waiting>> {
    let sql = "SELECT id, event_sequence, coalesce(replayed_at, created_at) AS since FROM deliveries
               WHERE incident_id = $1 AND webhook_id = $2 AND NOT is_test AND state IN ('scheduled', 'queued')
               ORDER BY event_sequence LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED";
    let (incident_id, webhook_id) = (&incident_id.as_bytes()[..], &webhook_id.as_bytes()[..]);
    connection
        .read_all(
            sql,
            &[&incident_id, &webhook_id, &i64::from(MAX_LANE_LOOK)],
            waiting_from_row,
        )
        .await
}

fn waiting_from_row(row: &Row) -> StoreResult<Waiting> {
    Ok(Waiting {
        id: DeliveryId::from_bytes(bytes(row, "id")?),
        event_sequence: number(row, "event_sequence")?,
        since: time(row, "since")?,
    })
}

async fn end(connection: &Connection, ending: &[(DeliveryId, EndedAs)], now: Timestamp) -> StoreResult<()> {
    let sql = "UPDATE deliveries d SET state = 'dead', finished_at = $3, last_failure = $4, given_up_by = NULL, node = NULL,
                   claim = NULL, ended_as = new.ended_as
               FROM unnest($1::bytea[], $2::text[]) AS new (id, ended_as)
               WHERE d.id = new.id AND d.state IN ('scheduled', 'queued', 'claimed')";
    let rows = ending.iter().map(|(id, end)| (&id.as_bytes()[..], end.as_str()));
    let (ids, ends): (Vec<&[u8]>, Vec<&str>) = rows.unzip();
    connection
        .execute_all(
            ending.len(),
            sql,
            &[&ids, &ends, &now.as_millis(), &FailureCode::GivenUp.as_str()],
        )
        .await
}
