//! Replaying: a finished delivery starts a fresh schedule, at its place in its lane; its history stays.

use rusqlite::Connection;

use model::audit::Change;
use model::delivery::Delivery;
use model::exchange::FailureCode;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::time::Timestamp;
use model::webhook::Ordering;
use store::StoreError;
use store::StoreResult;
use store::deliveries::{RECOVER_BATCH, RecoverStep, Replayed};

use super::audit;
use super::claims::{Wakes, is_enabled};
use super::delivery_rows;
use super::lanes;
use super::statements::{execute, read_all, read_one};
use super::writer::WriteContext;

/// Replays one delivery that is delivered or dead.
pub fn replay(context: &mut WriteContext<'_>, id: DeliveryId, change: &Change) -> StoreResult<Replayed> {
    let before = delivery_rows::load(context.connection, id)?;
    if before.state.is_open() {
        return Ok(Replayed::StillOpen(before));
    }
    let Some(ordering) = ordering_of(context, before.webhook_id)? else {
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
    )?;
    wakes.send_after_commit(context);
    audit::write(
        context.connection,
        change,
        "delivery.replay",
        id,
        &format!("replayed a delivery that was {}", before.state.as_str()),
    )?;
    Ok(Replayed::Scheduled(delivery_rows::load(context.connection, id)?))
}

/// Makes a scheduled delivery due now. Its place in its lane and its attempts stay.
pub fn retry_now(context: &mut WriteContext<'_>, id: DeliveryId, change: &Change) -> StoreResult<bool> {
    let delivery = delivery_rows::load(context.connection, id)?;
    let hurried = execute(
        context.connection,
        "UPDATE deliveries SET due_at = ?2 WHERE id = ?1 AND state = 'scheduled' AND due_at > ?2",
        (id.as_bytes(), change.at.as_millis()),
    )?;
    if hurried == 0 {
        return Ok(false);
    }
    if is_enabled(context, delivery.webhook_id)? {
        let mut wakes = Wakes::default();
        wakes.add(delivery.webhook_id, change.at);
        wakes.send_after_commit(context);
    }
    let detail = "made the next attempt due now";
    audit::write(context.connection, change, "delivery.retry_now", id, detail)?;
    Ok(true)
}

/// Replays a batch of a webhook's dead deliveries made in a period, oldest first. One that died after `change.at` is
/// left out: so a caller that repeats the same change until it is done comes to an end, even if replayed deliveries
/// die again meanwhile. All steps of one change make one entry in the audit log.
pub fn recover(
    context: &mut WriteContext<'_>,
    webhook_id: WebhookId,
    (since, until): (Timestamp, Timestamp),
    cause: Option<FailureCode>,
    change: &Change,
) -> StoreResult<RecoverStep> {
    let Some(ordering) = ordering_of(context, webhook_id)? else {
        return Err(StoreError::NotFound { what: "webhook" });
    };
    let mut batch = dead_deliveries(context.connection, webhook_id, (since, until), cause, change.at)?;
    let is_done = batch.len() < RECOVER_BATCH as usize;
    if !is_done {
        leave_last_millisecond(&mut batch);
    }
    // Ids made in the same millisecond are in no order; the places in the feed are.
    batch.sort_unstable_by_key(|finished| finished.event_sequence);
    let mut wakes = Wakes::default();
    for finished in &batch {
        reopen(context, finished, webhook_id, ordering, change.at, &mut wakes)?;
    }
    wakes.send_after_commit(context);
    let of_cause = cause.map_or(String::new(), |cause| format!(" that died of {}", cause.as_str()));
    let detail = format!("replayed the dead deliveries{of_cause} made from {since} until {until}");
    audit::write(context.connection, change, "webhook.recover", webhook_id, &detail)?;
    Ok(RecoverStep {
        count: batch.len() as u64,
        is_done,
    })
}

/// Counts what a recovery that names no cause would replay.
pub fn count_dead(
    connection: &Connection,
    webhook_id: WebhookId,
    since: Timestamp,
    until: Timestamp,
) -> StoreResult<u64> {
    let count: Option<i64> = read_one(
        connection,
        "SELECT count(*) FROM deliveries INDEXED BY deliveries_dead_causes
         WHERE webhook_id = ?1 AND state = 'dead' AND id >= ?2 AND id < ?3 AND is_test = 0
             AND last_failure IS NOT ?4",
        (
            webhook_id.as_bytes(),
            DeliveryId::lower_bound(since).as_bytes(),
            DeliveryId::lower_bound(until).as_bytes(),
            FailureCode::GivenUp.as_str(),
        ),
        |row| row.get(0),
    )?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
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

fn dead_deliveries(
    connection: &Connection,
    webhook_id: WebhookId,
    (since, until): (Timestamp, Timestamp),
    cause: Option<FailureCode>,
    died_until: Timestamp,
) -> StoreResult<Vec<Finished>> {
    read_all(
        connection,
        "SELECT id, incident_id, event_sequence, created_at FROM deliveries INDEXED BY deliveries_dead
         WHERE webhook_id = ?1 AND state = 'dead' AND id >= ?2 AND id < ?3 AND is_test = 0 AND finished_at <= ?4
             AND iif(?6 IS NULL, last_failure IS NOT ?7, last_failure = ?6 AND ended_as IS NULL)
         ORDER BY id LIMIT ?5",
        (
            webhook_id.as_bytes(),
            DeliveryId::lower_bound(since).as_bytes(),
            DeliveryId::lower_bound(until).as_bytes(),
            died_until.as_millis(),
            RECOVER_BATCH,
            cause.map(FailureCode::as_str),
            FailureCode::GivenUp.as_str(),
        ),
        |row| {
            Ok(Finished {
                id: DeliveryId::from_bytes(row.get(0)?),
                incident_id: IncidentId::from_bytes(row.get(1)?),
                event_sequence: row.get(2)?,
                created_at: Timestamp::from_millis(row.get(3)?),
                })
        },
    )
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
pub fn reopen(
    context: &mut WriteContext<'_>,
    finished: &Finished,
    webhook_id: WebhookId,
    ordering: Ordering,
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<()> {
    let must_wait = ordering == Ordering::Incident
        && lanes::has_open(context.connection, finished.incident_id, webhook_id)?;
    let state = if must_wait { "queued" } else { "scheduled" };
    let reopened = execute(
        context.connection,
        "UPDATE deliveries SET state = ?2, due_at = ?3, schedule_attempts = 0, follow_ups = 0, waited_ms = 0, refusals = 0,
             steps = 0, progress = iif(state = 'dead', progress, NULL), finished_at = NULL,
             last_failure = iif(given_up_by IS NULL AND ended_as IS NULL, last_failure, NULL), given_up_by = NULL,
             ended_as = NULL, replayed_at = ?3
         WHERE id = ?1 AND state IN ('delivered', 'dead')",
        (finished.id.as_bytes(), state, now.as_millis()),
    )?;
    if reopened != 1 {
        return Err(StoreError::Corrupt(
            "a delivery changed within a transaction".into(),
        ));
    }
    if !must_wait && is_enabled(context, webhook_id)? {
        wakes.add(webhook_id, now);
    }
    Ok(())
}

/// How a webhook orders its deliveries; nothing if it was deleted.
fn ordering_of(context: &mut WriteContext<'_>, webhook_id: WebhookId) -> StoreResult<Option<Ordering>> {
    let subscriptions = context.subscriptions()?;
    let found = subscriptions.binary_search_by_key(&webhook_id, |webhook| webhook.id);
    Ok(found.ok().map(|index| subscriptions[index].settings.ordering))
}
