//! Fallbacks: a webhook takes over what another could not deliver, dead or late. Both deliveries name each other, and are written
//! in one transaction.
//!
//! Whoever takes over adds to a lane, and has locked the incident before any delivery.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio_postgres::Row;

use model::delivery::{DeliveryState, NextStep};
use model::exchange::FailureCode;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::outage::{Fallback, MAX_FALLBACKS};
use model::time::Timestamp;
use model::webhook::Webhook;
use store::StoreResult;
use store::delivery_plan::keeps_order;
use store::fallback_plan::{LATE_BATCH, TakeOver, check_chains, is_for_fallback, late_between, stand_in};
use store::queue::AttemptRecord;

use super::claims::Wakes;
use super::columns::{bytes, number, optional_id, parsed, value};
use super::connection::Connection;
use super::database::Database;
use super::incident_rows;
use super::lanes;
use super::subscriptions;
use super::writer::WriteContext;

/// A delivery that was not made in time, or at all.
#[derive(Debug, Clone, Copy)]
pub struct Undelivered {
    pub id: DeliveryId,
    pub webhook_id: WebhookId,
    pub incident_id: IncidentId,
}

/// Those of a batch whose fallback takes over if they die of their attempts. Their incidents are to be locked.
pub async fn of_batch(context: &WriteContext, records: &[AttemptRecord]) -> StoreResult<Vec<Undelivered>> {
    let dies = |record: &&AttemptRecord| record.next_step == NextStep::Dead && record.is_of_incident();
    if !records.iter().any(|record| dies(&record)) {
        return Ok(Vec::new());
    }
    let webhooks = context.subscriptions().await?;
    let falls_back = |record: &&AttemptRecord| stand_in(&webhooks, record.webhook_id, &[]).is_some();
    let undelivered = |record: &AttemptRecord| Undelivered {
        id: record.delivery_id,
        webhook_id: record.webhook_id,
        incident_id: record.incident_id,
    };
    let dying = records.iter().filter(dies).filter(falls_back);
    Ok(dying.map(undelivered).collect())
}

/// Makes the fallbacks' deliveries of what was not delivered, where none has taken over already. The incidents are locked. A fixed
/// number of statements, however many there are: what is dead often dies together.
pub async fn take_over(
    context: &mut WriteContext,
    originals: &[Undelivered],
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<()> {
    if originals.is_empty() {
        return Ok(());
    }
    let webhooks = context.subscriptions().await?;
    let connection = &context.connection;
    let had = had_before(connection, originals).await?;
    let stands_in = |original: &Undelivered| {
        let had = had.get(&original.id).map_or(&[][..], Vec::as_slice);
        Some((*original, stand_in(&webhooks, original.webhook_id, had)?))
    };
    let mut pairs: Vec<_> = originals.iter().filter_map(stands_in).collect();
    let ordered = pairs.iter().filter(|(_, by)| keeps_order(by));
    let lanes: Vec<_> = ordered.map(|(of, by)| (of.incident_id, by.id)).collect();
    let mut open = lanes::open_among(connection, &lanes).await?;
    let noted = note(connection, &pairs, now).await?;
    pairs.retain(|(original, _)| noted.contains(&original.id));
    let plan = |(original, by): (Undelivered, &Webhook)| {
        let lane_is_open = !open.insert((original.incident_id, by.id));
        (original.id, TakeOver::new(by, original.id, lane_is_open, now))
    };
    let planned: Vec<_> = pairs.into_iter().map(plan).collect();
    insert(connection, &planned, now).await?;
    for (_, take_over) in planned {
        context.count_accepted(take_over.webhook_id);
        if take_over.is_due {
            wakes.add(take_over.webhook_id, now);
        }
    }
    Ok(())
}

/// Writes down who takes over, of what nobody has taken over yet; says of what.
async fn note(
    connection: &Connection,
    pairs: &[(Undelivered, &Webhook)],
    now: Timestamp,
) -> StoreResult<HashSet<DeliveryId>> {
    let originals: Vec<&[u8]> = pairs.iter().map(|(of, _)| &of.id.as_bytes()[..]).collect();
    let own = pairs.iter().map(|(of, by)| TakeOver::id_of(by, of.id, now));
    let own: Vec<Vec<u8>> = own.map(|id| id.as_bytes().to_vec()).collect();
    let sql = "UPDATE deliveries d SET taken_over_by = new.id
               FROM unnest($1::bytea[], $2::bytea[]) AS new (original, id)
               WHERE d.id = new.original AND d.taken_over_by IS NULL AND d.state <> 'delivered' RETURNING d.id";
    let noted = connection
        .read_all(sql, &[&originals, &own], |row| {
            bytes(row, "id").map(DeliveryId::from_bytes)
        })
        .await?;
    Ok(noted.into_iter().collect())
}

/// Writes what takes over, each beside what it takes over.
async fn insert(
    connection: &Connection,
    planned: &[(DeliveryId, TakeOver)],
    now: Timestamp,
) -> StoreResult<()> {
    let originals: Vec<&[u8]> = planned.iter().map(|(id, _)| &id.as_bytes()[..]).collect();
    let new = || planned.iter().map(|(_, take_over)| take_over);
    let own: Vec<&[u8]> = new().map(|of| &of.id.as_bytes()[..]).collect();
    let webhook_ids: Vec<&[u8]> = new().map(|of| &of.webhook_id.as_bytes()[..]).collect();
    let states: Vec<&str> = new().map(|of| of.initial_state.state().as_str()).collect();
    let sql = "INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, created_at, is_test,
                   fallback_of)
               SELECT new.id, new.webhook_id, d.incident_id, d.event_sequence, new.state, $5, $5, d.is_test, d.id
               FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[]) AS new (original, id, webhook_id, state)
                   JOIN deliveries d ON d.id = new.original";
    connection
        .execute_all(
            planned.len(),
            sql,
            &[&originals, &own, &webhook_ids, &states, &now.as_millis()],
        )
        .await
}

/// The webhooks that had the event before it came to each of these deliveries, which may have taken over themselves.
async fn had_before(
    connection: &Connection,
    originals: &[Undelivered],
) -> StoreResult<HashMap<DeliveryId, Vec<WebhookId>>> {
    let sql = "WITH RECURSIVE chain AS (
                   SELECT id AS original, webhook_id, fallback_of, 1::bigint AS depth FROM deliveries
                   WHERE id = ANY($1::bytea[])
                   UNION ALL
                   SELECT c.original, d.webhook_id, d.fallback_of, c.depth + 1
                   FROM chain c JOIN deliveries d ON d.id = c.fallback_of WHERE c.depth <= $2)
               SELECT original, webhook_id FROM chain";
    let originals: Vec<&[u8]> = originals.iter().map(|of| &of.id.as_bytes()[..]).collect();
    let depth = i64::try_from(MAX_FALLBACKS).unwrap_or(i64::MAX);
    let rows = connection
        .read_all(sql, &[&originals, &depth], |row| {
            let original = DeliveryId::from_bytes(bytes(row, "original")?);
            Ok((original, WebhookId::from_bytes(bytes(row, "webhook_id")?)))
        })
        .await?;
    let mut had: HashMap<DeliveryId, Vec<WebhookId>> = HashMap::new();
    for (original, webhook_id) in rows {
        had.entry(original).or_default().push(webhook_id);
    }
    Ok(had)
}

/// Refuses an edit that has made a circle of webhooks, or too long a chain. It is written already: whoever edits another webhook
/// at the same time waits for it, and then sees it.
pub async fn check(connection: &Connection, fallback: Option<Fallback>) -> StoreResult<()> {
    let Some(fallback) = fallback else { return Ok(()) };
    let webhooks = subscriptions::read(connection).await?.1;
    check_chains(&webhooks, fallback)
}

/// Notes that late deliveries are looked for from now on.
pub async fn begin(connection: &Connection, id: WebhookId, now: Timestamp) -> StoreResult<()> {
    set_seen(connection, id, DeliveryId::lower_bound(now)).await
}

async fn set_seen(connection: &Connection, id: WebhookId, seen: DeliveryId) -> StoreResult<()> {
    let sql = "UPDATE webhooks SET fallback_seen = $2 WHERE id = $1";
    let (id, seen) = (&id.as_bytes()[..], &seen.as_bytes()[..]);
    connection.execute(sql, &[&id, &seen]).await.map(|_| ())
}

/// Late deliveries of one webhook, and how far the look has come.
struct Look {
    webhook_id: WebhookId,
    late: Vec<Undelivered>,
    seen: DeliveryId,
    is_full: bool,
}

/// Hands late deliveries to fallbacks, those of each webhook in a transaction of their own.
pub async fn take_over_late(database: &Database, now: Timestamp) -> StoreResult<bool> {
    let looks = look(&database.connection().await?, now).await?;
    let has_more = looks.iter().any(|look| look.is_full);
    for look in looks {
        database
            .write((look, now), |context, (look, now)| {
                Box::pin(take_over_all(context, look, *now))
            })
            .await?;
    }
    Ok(has_more)
}

async fn look(connection: &Connection, now: Timestamp) -> StoreResult<Vec<Look>> {
    let mut looks = Vec::new();
    for (webhook_id, between) in watched(connection, now).await? {
        looks.extend(look_at(connection, webhook_id, between).await?);
    }
    Ok(looks)
}

/// The webhooks that say when something is late, and between which ids it is looked for.
async fn watched(
    connection: &Connection,
    now: Timestamp,
) -> StoreResult<Vec<(WebhookId, (DeliveryId, DeliveryId))>> {
    let sql = "SELECT id, fallback_after_ms, fallback_seen FROM webhooks
               WHERE fallback_id IS NOT NULL AND fallback_after_ms IS NOT NULL AND deleted_at IS NULL ORDER BY id";
    let from_row = |row: &Row| {
        let late_after = Duration::from_millis(number(row, "fallback_after_ms")?);
        let seen = DeliveryId::from_bytes(optional_id(row, "fallback_seen")?.unwrap_or_default());
        let id = WebhookId::from_bytes(bytes(row, "id")?);
        Ok((id, late_between(seen, late_after, now)))
    };
    connection.read_all(sql, &[], from_row).await
}

async fn take_over_all(context: &mut WriteContext, look: &Look, now: Timestamp) -> StoreResult<()> {
    let incident_ids: Vec<IncidentId> = look.late.iter().map(|of| of.incident_id).collect();
    incident_rows::lock(&context.connection, &incident_ids).await?;
    let mut wakes = Wakes::default();
    take_over(context, &look.late, now, &mut wakes).await?;
    set_seen(&context.connection, look.webhook_id, look.seen).await?;
    wakes.send_after_commit(context);
    Ok(())
}

async fn look_at(
    connection: &Connection,
    webhook_id: WebhookId,
    (after, until): (DeliveryId, DeliveryId),
) -> StoreResult<Option<Look>> {
    let sql = "SELECT id, incident_id, state, is_test OR taken_over_by IS NOT NULL
                   OR EXISTS (SELECT 1 FROM events e WHERE e.sequence = event_sequence AND e.operational IS NOT NULL) AS is_settled,
                   last_failure IS NOT DISTINCT FROM $5 AS was_given_up
               FROM deliveries WHERE webhook_id = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4";
    let found = connection
        .read_all(
            sql,
            &[
                &&webhook_id.as_bytes()[..],
                &&after.as_bytes()[..],
                &&until.as_bytes()[..],
                &i64::from(LATE_BATCH),
                &FailureCode::GivenUp.as_str(),
            ],
            |row| candidate_from_row(row, webhook_id),
        )
        .await?;
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
fn candidate_from_row(row: &Row, webhook_id: WebhookId) -> StoreResult<(Undelivered, bool)> {
    let state = parsed(row, "state", DeliveryState::parse)?;
    let (is_settled, was_given_up): (bool, bool) = (value(row, "is_settled")?, value(row, "was_given_up")?);
    let candidate = Undelivered {
        id: DeliveryId::from_bytes(bytes(row, "id")?),
        webhook_id,
        incident_id: IncidentId::from_bytes(bytes(row, "incident_id")?),
    };
    Ok((candidate, !is_settled && is_for_fallback(state, was_given_up)))
}
