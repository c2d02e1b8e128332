//! Fallbacks: a webhook takes over what another could not deliver, dead or late. Both deliveries name each other, and are written
//! in one transaction.

use std::time::Duration;

use rusqlite::{Connection, Row};

use model::delivery::DeliveryState;
use model::exchange::FailureCode;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::outage::{Fallback, MAX_FALLBACKS};
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::fallback_plan::{LATE_BATCH, TakeOver, check_chains, is_for_fallback, late_between, stand_in};

use super::claims::Wakes;
use super::columns::unexpected;
use super::database::Database;
use super::lanes;
use super::statements::{execute, read_all, read_one};
use super::subscriptions;
use super::writer::WriteContext;

/// A delivery that was not made in time, or at all.
#[derive(Debug, Clone, Copy)]
pub struct Undelivered {
    pub id: DeliveryId,
    pub webhook_id: WebhookId,
    pub incident_id: IncidentId,
}

/// Makes the fallback's delivery of what was not delivered, unless one has taken over already or there is none.
pub fn take_over(
    context: &mut WriteContext<'_>,
    original: Undelivered,
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<()> {
    let webhooks = context.subscriptions()?;
    if stand_in(&webhooks, original.webhook_id, &[]).is_none() {
        return Ok(());
    }
    let had = had_before(context.connection, original.id)?;
    let Some(stand_in) = stand_in(&webhooks, original.webhook_id, &had) else {
        return Ok(());
    };
    let lane_is_open = lanes::has_open(context.connection, original.incident_id, stand_in.id)?;
    let take_over = TakeOver::new(stand_in, original.id, lane_is_open, now);
    let noted = execute(
        context.connection,
        "UPDATE deliveries SET taken_over_by = ?2 WHERE id = ?1 AND taken_over_by IS NULL AND state <> 'delivered'",
        (original.id.as_bytes(), take_over.id.as_bytes()),
    )?;
    if noted == 0 {
        return Ok(());
    }
    insert(context.connection, original.id, &take_over, now)?;
    context.count_accepted(take_over.webhook_id);
    if take_over.is_due {
        wakes.add(take_over.webhook_id, now);
    }
    Ok(())
}

fn insert(
    connection: &Connection,
    original: DeliveryId,
    take_over: &TakeOver,
    now: Timestamp,
) -> StoreResult<()> {
    let inserted = execute(
        connection,
        "INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, created_at, is_test,
             fallback_of)
         SELECT ?1, ?2, incident_id, event_sequence, ?3, ?4, ?4, is_test, id FROM deliveries WHERE id = ?5",
        (
            take_over.id.as_bytes(),
            take_over.webhook_id.as_bytes(),
            take_over.initial_state.state().as_str(),
            now.as_millis(),
            original.as_bytes(),
        ),
    )?;
    match inserted {
        1 => Ok(()),
        _ => Err(StoreError::Corrupt("a delivery was not written".into())),
    }
}

/// The webhooks that had the event before it came to this delivery, which may have taken over itself.
fn had_before(connection: &Connection, id: DeliveryId) -> StoreResult<Vec<WebhookId>> {
    let mut had = Vec::new();
    let mut next = Some(*id.as_bytes());
    while let Some(id) = next.filter(|_| had.len() <= MAX_FALLBACKS) {
        let sql = "SELECT webhook_id, fallback_of FROM deliveries WHERE id = ?1";
        let found = read_one(connection, sql, [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let Some((webhook_id, fallback_of)): Option<([u8; 16], Option<[u8; 16]>)> = found else {
            break;
        };
        had.push(WebhookId::from_bytes(webhook_id));
        next = fallback_of;
    }
    Ok(had)
}

/// Refuses an edit that has made a circle of webhooks, or too long a chain.
pub fn check(connection: &Connection, fallback: Option<Fallback>) -> StoreResult<()> {
    let Some(fallback) = fallback else { return Ok(()) };
    let webhooks = subscriptions::load(connection)?;
    check_chains(&webhooks, fallback)
}

/// Notes that late deliveries are looked for from now on.
pub fn begin(connection: &Connection, id: WebhookId, now: Timestamp) -> StoreResult<()> {
    let seen = DeliveryId::lower_bound(now);
    set_seen(connection, id, seen)
}

fn set_seen(connection: &Connection, id: WebhookId, seen: DeliveryId) -> StoreResult<()> {
    execute(
        connection,
        "UPDATE webhooks SET fallback_seen = ?2 WHERE id = ?1",
        (id.as_bytes(), seen.as_bytes()),
    )
    .map(|_| ())
}

/// Late deliveries of one webhook, and how far the look has come.
struct Look {
    webhook_id: WebhookId,
    late: Vec<Undelivered>,
    seen: DeliveryId,
    is_full: bool,
}

/// Hands late deliveries to fallbacks. They are looked for on a reader; the writer only has what there is to write.
pub async fn take_over_late(database: &Database, now: Timestamp) -> StoreResult<bool> {
    let looks = database.read(move |connection| look(connection, now)).await?;
    if looks.is_empty() {
        return Ok(false);
    }
    database
        .write(move |context| {
            let mut wakes = Wakes::default();
            for look in &looks {
                for original in &look.late {
                    take_over(context, *original, now, &mut wakes)?;
                }
                set_seen(context.connection, look.webhook_id, look.seen)?;
            }
            wakes.send_after_commit(context);
            Ok(looks.iter().any(|look| look.is_full))
        })
        .await
}

fn look(connection: &Connection, now: Timestamp) -> StoreResult<Vec<Look>> {
    let watched = read_all(
        connection,
        "SELECT id, fallback_after_ms, coalesce(fallback_seen, zeroblob(16)) FROM webhooks
         WHERE fallback_id IS NOT NULL AND fallback_after_ms IS NOT NULL AND deleted_at IS NULL",
        (),
        |row| {
            let late_after = Duration::from_millis(row.get::<_, i64>(1)?.unsigned_abs());
            let seen = DeliveryId::from_bytes(row.get(2)?);
            Ok((
                WebhookId::from_bytes(row.get(0)?),
                late_between(seen, late_after, now),
            ))
        },
    )?;
    let looks = watched
        .into_iter()
        .map(|(id, between)| look_at(connection, id, between));
    looks.filter_map(Result::transpose).collect()
}

fn look_at(
    connection: &Connection,
    webhook_id: WebhookId,
    (after, until): (DeliveryId, DeliveryId),
) -> StoreResult<Option<Look>> {
    let found = read_all(
        connection,
        "SELECT id, incident_id, state, is_test OR taken_over_by IS NOT NULL
             OR EXISTS (SELECT 1 FROM events e WHERE e.sequence = event_sequence AND e.operational IS NOT NULL), last_failure IS ?5
         FROM deliveries INDEXED BY deliveries_webhook
         WHERE webhook_id = ?1 AND id > ?2 AND id < ?3 ORDER BY id LIMIT ?4",
        (
            webhook_id.as_bytes(),
            after.as_bytes(),
            until.as_bytes(),
            LATE_BATCH,
            FailureCode::GivenUp.as_str(),
        ),
        |row| candidate_from_row(row, webhook_id),
    )?;
    let last = found.last().map(|(candidate, _)| candidate.id);
    Ok(last.map(|last| Look {
        webhook_id,
        seen: last,
        is_full: found.len() == LATE_BATCH as usize,
        late: found
            .into_iter()
            .filter(|(_, is_late)| *is_late)
            .map(|(id, _)| id)
            .collect(),
    }))
}

/// A delivery, and whether it is for the fallback.
fn candidate_from_row(row: &Row<'_>, webhook_id: WebhookId) -> rusqlite::Result<(Undelivered, bool)> {
    let state = DeliveryState::parse(row.get_ref(2)?.as_str()?).ok_or_else(|| unexpected("state"))?;
    let (is_settled, was_given_up): (bool, bool) = (row.get(3)?, row.get(4)?);
    let candidate = Undelivered {
        id: DeliveryId::from_bytes(row.get(0)?),
        webhook_id,
        incident_id: IncidentId::from_bytes(row.get(1)?),
    };
    Ok((candidate, !is_settled && is_for_fallback(state, was_given_up)))
}
