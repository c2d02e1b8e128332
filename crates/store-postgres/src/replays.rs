//! Replaying: a finished delivery starts a fresh schedule, at its place in its lane; its history stays.
//!
//! The incidents are locked first: nobody else adds to their lanes meanwhile.

use tokio_postgres::Row;

use model::audit::Change;
use model::delivery::{Delivery, DeliveryState};
use model::exchange::FailureCode;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::time::Timestamp;
use model::webhook::Ordering;
use store::StoreError;
use store::StoreResult;
use store::deliveries::{RECOVER_BATCH, RecoverStep, Replayed};

use super::audit;
use super::claims::Wakes;
use super::columns::{bytes, number, parsed, time};
use super::connection::Connection;
use super::delivery_rows;
use super::incident_rows;
use super::lanes::{self, Lane};
use super::writer::WriteContext;

/// Replays one delivery that is delivered or dead.
pub async fn replay(context: &mut WriteContext, id: DeliveryId, change: &Change) -> StoreResult<Replayed> {
    let before = lock(&context.connection, id).await?;
    if before.state.is_open() {
        return Ok(Replayed::StillOpen(before));
    }
    let Some(ordering) = ordering_of(&context.connection, before.webhook_id).await? else {
        return Err(StoreError::Conflict("the webhook was deleted".into()));
    };
    if before.is_test {
        let instead = "a test is not sent again: send another one with Send Test";
        return Err(StoreError::Conflict(instead.into()));
    }
    let finished = Finished::from(&before);
    let mut wakes = Wakes::default();
    reopen(
        context,
        &finished,
        before.webhook_id,
        ordering,
        change.at,
        &mut wakes,
    )
    .await?;
    wakes.send_after_commit(context);
    let detail = format!("replayed a delivery that was {}", before.state.as_str());
    audit::write(&context.connection, change, "delivery.replay", id, &detail).await?;
    let after = delivery_rows::load(&context.connection, id).await?;
    Ok(Replayed::Scheduled(after))
}

/// A delivery as it is once its incident is locked.
pub async fn lock(connection: &Connection, id: DeliveryId) -> StoreResult<Delivery> {
    let incident_id = delivery_rows::load(connection, id).await?.incident_id;
    incident_rows::lock(connection, &[incident_id]).await?;
    delivery_rows::load(connection, id).await
}

/// Makes a scheduled delivery due now. Its place in its lane and its attempts stay.
pub async fn retry_now(context: &mut WriteContext, id: DeliveryId, change: &Change) -> StoreResult<bool> {
    let connection = &context.connection;
    let webhook_id = delivery_rows::load(connection, id).await?.webhook_id;
    let sql = "UPDATE deliveries SET due_at = $2 WHERE id = $1 AND state = 'scheduled' AND due_at > $2";
    let expedited = connection
        .execute(sql, &[&&id.as_bytes()[..], &change.at.as_millis()])
        .await?;
    if expedited == 0 {
        return Ok(false);
    }
    let mut wakes = Wakes::default();
    wakes
        .add_enabled(connection, vec![(webhook_id, change.at)])
        .await?;
    let detail = "made the next attempt due now";
    audit::write(connection, change, "delivery.retry_now", id, detail).await?;
    wakes.send_after_commit(context);
    Ok(true)
}

/// Replays a batch of a webhook's dead deliveries made in a period, oldest first. One that died after `change.at` is
/// left out: so a caller that repeats the same change until it is done comes to an end, even if replayed deliveries
/// die again meanwhile. All steps of one change make one entry in the audit log.
pub async fn recover(
    context: &mut WriteContext,
    webhook_id: WebhookId,
    (since, until): (Timestamp, Timestamp),
    cause: Option<FailureCode>,
    change: &Change,
) -> StoreResult<RecoverStep> {
    let connection = &context.connection;
    let Some(ordering) = ordering_of(connection, webhook_id).await? else {
        return Err(StoreError::NotFound { what: "webhook" });
    };
    let mut batch = dead_deliveries(connection, webhook_id, (since, until), cause, change.at).await?;
    let is_done = batch.len() < RECOVER_BATCH as usize;
    if !is_done {
        leave_last_millisecond(&mut batch);
    }
    let mut batch = still_finished(connection, batch).await?;
    // Ids made in the same millisecond are in no order; the places in the feed are.
    batch.sort_unstable_by_key(|finished| finished.event_sequence);
    let mut wakes = Wakes::default();
    reopen_all(connection, &batch, webhook_id, ordering, change.at, &mut wakes).await?;
    let of_cause = cause.map_or(String::new(), |cause| format!(" that died of {}", cause.as_str()));
    let detail = format!("replayed the dead deliveries{of_cause} made from {since} until {until}");
    audit::write(connection, change, "webhook.recover", webhook_id, &detail).await?;
    wakes.send_after_commit(context);
    Ok(RecoverStep {
        count: batch.len() as u64,
        is_done,
    })
}

/// Counts what a recovery that names no cause would replay.
pub async fn count_dead(
    connection: &Connection,
    webhook_id: WebhookId,
    since: Timestamp,
    until: Timestamp,
) -> StoreResult<u64> {
    let (since, until) = (DeliveryId::lower_bound(since), DeliveryId::lower_bound(until));
    let sql = "SELECT count(*) AS count FROM deliveries
               WHERE webhook_id = $1 AND state = 'dead' AND id >= $2 AND id < $3 AND NOT is_test
                   AND last_failure IS DISTINCT FROM $4";
    let count = connection
        .read_one(
            sql,
            &[
                &&webhook_id.as_bytes()[..],
                &&since.as_bytes()[..],
                &&until.as_bytes()[..],
                &FailureCode::GivenUp.as_str(),
            ],
            |row| number(row, "count"),
        )
        .await?;
    Ok(count.unwrap_or(0))
}

/// A finished delivery, as far as replaying it matters.
pub struct Finished {
    id: DeliveryId,
    incident_id: IncidentId,
    event_sequence: i64,
    created_at: Timestamp,
}

impl Finished {
    /// One that is reopened by itself, at its place in its lane.
    pub fn in_lane(id: DeliveryId, incident_id: IncidentId) -> Self {
        Self {
            id,
            incident_id,
            event_sequence: 0,
            created_at: Timestamp::EPOCH,
        }
    }

    fn from_row(row: &Row) -> StoreResult<Self> {
        Ok(Self {
            id: DeliveryId::from_bytes(bytes(row, "id")?),
            incident_id: IncidentId::from_bytes(bytes(row, "incident_id")?),
            event_sequence: number(row, "event_sequence")?,
            created_at: time(row, "created_at")?,
        })
    }
}

impl From<&Delivery> for Finished {
    fn from(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id,
            incident_id: delivery.incident_id,
            event_sequence: delivery.event_sequence,
            created_at: delivery.created_at,
        }
    }
}

async fn dead_deliveries(
    connection: &Connection,
    webhook_id: WebhookId,
    (since, until): (Timestamp, Timestamp),
    cause: Option<FailureCode>,
    died_until: Timestamp,
) -> StoreResult<Vec<Finished>> {
    let (since, until) = (DeliveryId::lower_bound(since), DeliveryId::lower_bound(until));
    let sql = "SELECT id, incident_id, event_sequence, created_at FROM deliveries
               WHERE webhook_id = $1 AND state = 'dead' AND id >= $2 AND id < $3 AND NOT is_test AND finished_at <= $4
                   AND CASE WHEN $6::text IS NULL THEN last_failure IS DISTINCT FROM $7 ELSE last_failure = $6 AND ended_as IS NULL END
               ORDER BY id LIMIT $5";
    connection
        .read_all(
            sql,
            &[
                &&webhook_id.as_bytes()[..],
                &&since.as_bytes()[..],
                &&until.as_bytes()[..],
                &died_until.as_millis(),
                &i64::from(RECOVER_BATCH),
                &cause.map(FailureCode::as_str),
                &FailureCode::GivenUp.as_str(),
            ],
            Finished::from_row,
        )
        .await
}

/// Locks the incidents of dead deliveries, and leaves out what was replayed or pruned before.
async fn still_finished(connection: &Connection, batch: Vec<Finished>) -> StoreResult<Vec<Finished>> {
    let incident_ids: Vec<IncidentId> = batch.iter().map(|finished| finished.incident_id).collect();
    incident_rows::lock(connection, &incident_ids).await?;
    let ids: Vec<&[u8]> = batch.iter().map(|finished| &finished.id.as_bytes()[..]).collect();
    let sql = "SELECT id, incident_id, event_sequence, created_at FROM deliveries
               WHERE id = ANY($1::bytea[]) AND state = 'dead' ORDER BY id FOR NO KEY UPDATE";
    connection.read_all(sql, &[&ids], Finished::from_row).await
}

/// A full batch may end between two deliveries of one lane made in one millisecond: their order would be lost.
fn leave_last_millisecond(batch: &mut Vec<Finished>) {
    let last = batch.last().map(|finished| finished.created_at);
    let kept = batch
        .iter()
        .filter(|finished| Some(finished.created_at) != last)
        .count();
    if kept > 0 {
        batch.truncate(kept);
    }
}

/// Starts a fresh schedule: due now, or queued if the lane has an open delivery.
pub async fn reopen(
    context: &mut WriteContext,
    finished: &Finished,
    webhook_id: WebhookId,
    ordering: Ordering,
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<()> {
    let connection = &context.connection;
    incident_rows::lock(connection, &[finished.incident_id]).await?;
    let batch = std::slice::from_ref(finished);
    reopen_all(connection, batch, webhook_id, ordering, now, wakes).await
}

/// The same for some of one webhook, in the order of their lanes. Their incidents are locked.
async fn reopen_all(
    connection: &Connection,
    batch: &[Finished],
    webhook_id: WebhookId,
    ordering: Ordering,
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let lane = |finished: &Finished| -> Lane { (finished.incident_id, webhook_id) };
    let mut open = match ordering {
        Ordering::Incident => {
            lanes::open_among(connection, &batch.iter().map(lane).collect::<Vec<_>>()).await?
        }
        Ordering::None => Default::default(),
    };
    let mut state_of = |finished: &Finished| {
        let must_wait = ordering == Ordering::Incident && !open.insert(lane(finished));
        match must_wait {
            true => DeliveryState::Queued.as_str(),
            false => DeliveryState::Scheduled.as_str(),
        }
    };
    let states: Vec<&'static str> = batch.iter().map(&mut state_of).collect();
    let ids: Vec<&[u8]> = batch.iter().map(|finished| &finished.id.as_bytes()[..]).collect();
    let sql = "UPDATE deliveries d SET state = new.state, due_at = $3, schedule_attempts = 0, follow_ups = 0, waited_ms = 0,
                   refusals = 0, steps = 0, progress = CASE WHEN d.state = 'dead' THEN d.progress END, finished_at = NULL,
                   last_failure = CASE WHEN d.given_up_by IS NULL AND d.ended_as IS NULL THEN d.last_failure END,
                   given_up_by = NULL, ended_as = NULL, replayed_at = $3
               FROM unnest($1::bytea[], $2::text[]) AS new (id, state)
               WHERE d.id = new.id AND d.state IN ('delivered', 'dead')";
    connection
        .execute_all(batch.len(), sql, &[&ids, &states, &now.as_millis()])
        .await?;
    if states.contains(&DeliveryState::Scheduled.as_str()) {
        wakes.add_enabled(connection, vec![(webhook_id, now)]).await?;
    }
    Ok(())
}

/// How a webhook orders its deliveries; nothing if it was deleted.
async fn ordering_of(connection: &Connection, webhook_id: WebhookId) -> StoreResult<Option<Ordering>> {
    let sql = "SELECT ordering FROM webhooks WHERE id = $1 AND deleted_at IS NULL";
    connection
        .read_one(sql, &[&&webhook_id.as_bytes()[..]], |row| {
            parsed(row, "ordering", Ordering::parse)
        })
        .await
}
