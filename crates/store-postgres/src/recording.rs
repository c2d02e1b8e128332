//! Recording attempts: what the dispatcher does most often after triggering. A batch costs a fixed number of statements,
//! however many attempts it has; only what is rare (a webhook that is disabled, a ticket) costs one each.
//!
//! Rows are locked in this order: incidents (of tickets, and of what a fallback takes over), deliveries, the next of their lanes, activity.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio_postgres::Row;

use model::audit::{Actor, Change};
use model::delivery::Claim;
use model::delivery::NextStep;
use model::exchange::FailureCode;
use model::id::{AttemptId, AuditId, DeliveryId, WebhookId};
use model::patch::Patch;
use model::time::Timestamp;
use store::StoreResult;
use store::activity_plan::Tally;
use store::attempt_columns::millis;
use store::delivery_plan::DeliveryUpdate;
use store::operational::{of_deaths, of_disabling, subject_of};
use store::queue::{AttemptRecord, Recorded};
use store::texts::{plain, plain_patch};

use super::activity;
use super::attempt_rows;
use super::audit;
use super::claims::Wakes;
use super::columns::{bytes, optional_number};
use super::connection::Connection;
use super::fallbacks::{self, Undelivered};
use super::incident_rows;
use super::lanes::{self, Lane};
use super::operational;
use super::ticket_changes;
use super::ticket_requests;
use super::writer::WriteContext;

/// Records attempts, in order.
pub async fn record(
    context: &mut WriteContext,
    records: &[AttemptRecord],
    now: Timestamp,
) -> StoreResult<Vec<Recorded>> {
    let mut dying = fallbacks::of_batch(context, records).await?;
    lock_incidents(&context.connection, records, &dying).await?;
    let results = judge(lock(&context.connection, records).await?, context.node(), records);
    let applied: Vec<&AttemptRecord> = of(records, &results, Recorded::Applied);
    let late: Vec<&AttemptRecord> = of(records, &results, Recorded::Late);
    let updates: Vec<_> = applied
        .iter()
        .map(|record| (record.delivery_id, DeliveryUpdate::after_attempt(record, now)))
        .collect();
    let ended: BTreeSet<Lane> = applied
        .iter()
        .zip(&updates)
        .filter(|(_, (_, update))| update.ends_turn)
        .map(|(record, _)| (record.incident_id, record.webhook_id))
        .collect();
    let ended: Vec<Lane> = ended.into_iter().collect();
    let connection = &context.connection;
    let kept = applied.iter().chain(&late).copied().collect::<Vec<_>>();
    let mut tally = Tally::new(applied.iter().copied(), now);
    let (inserted, (), next, counted) = tokio::try_join!(
        biased;
        attempt_rows::insert(connection, &kept),
        move_on(connection, &updates),
        lanes::lock_next(connection, &ended),
        activity::lock(connection, &tally, context.node()),
    )?;
    counted.into_iter().for_each(|row| tally.take_in(row));
    applied.iter().for_each(|record| tally.count(record));
    count_late(connection, &late, &inserted).await?;
    remember(connection, &applied, now).await?;
    for record in &applied {
        apply_rare(context, record, now).await?;
    }
    let promoted = lanes::promote(&context.connection, &next, now).await?;
    let mut wakes = Wakes::default();
    dying.retain(|of| applied.iter().any(|record| record.delivery_id == of.id));
    fallbacks::take_over(context, &dying, now, &mut wakes).await?;
    wake(context, &applied, &updates, promoted, (now, wakes)).await?;
    if applied.iter().any(|record| record.next_step == NextStep::Dead) {
        tell_of_deaths(context, &applied, now).await?;
    }
    let delivered = applied
        .iter()
        .filter(|record| record.next_step == NextStep::Delivered);
    for record in delivered {
        ticket_requests::tell_what_came_meanwhile(context, record, now).await?;
    }
    context.count_activity(tally);
    Ok(results)
}

/// Leaves notices of what died.
async fn tell_of_deaths(
    context: &mut WriteContext,
    applied: &[&AttemptRecord],
    now: Timestamp,
) -> StoreResult<()> {
    let subscriptions = context.subscriptions().await?;
    for notice in of_deaths(applied.iter().copied(), &subscriptions, now) {
        operational::note(context, &notice).await?;
    }
    Ok(())
}

fn of<'a>(records: &'a [AttemptRecord], results: &[Recorded], wanted: Recorded) -> Vec<&'a AttemptRecord> {
    let with_result = records.iter().zip(results);
    with_result
        .filter(|(_, result)| **result == wanted)
        .map(|(record, _)| record)
        .collect()
}

/// Before any delivery is locked: whoever adds to a lane does so with the incident's lock in hand.
async fn lock_incidents(
    connection: &Connection,
    records: &[AttemptRecord],
    dying: &[Undelivered],
) -> StoreResult<()> {
    let with_ticket = records.iter().filter(|record| is_of_ticket(record));
    let with_ticket = with_ticket.map(|record| record.incident_id);
    let ids: Vec<_> = with_ticket.chain(dying.iter().map(|of| of.incident_id)).collect();
    incident_rows::lock(connection, &ids).await.map(|_| ())
}

fn is_of_ticket(record: &AttemptRecord) -> bool {
    record.state_updates.ticket.is_some() && !record.is_test
}

/// The deliveries that are there, each with the claim that holds: node and number.
async fn lock(
    connection: &Connection,
    records: &[AttemptRecord],
) -> StoreResult<HashMap<DeliveryId, Option<(i64, Claim)>>> {
    let sql =
        "SELECT id, node, claim FROM deliveries WHERE id = ANY($1::bytea[]) ORDER BY id FOR NO KEY UPDATE";
    let ids: Vec<&[u8]> = records.iter().map(|of| &of.delivery_id.as_bytes()[..]).collect();
    let from_row = |row: &Row| {
        let claim = optional_number(row, "claim")?.map(Claim);
        let id = DeliveryId::from_bytes(bytes(row, "id")?);
        Ok((id, optional_number(row, "node")?.zip(claim)))
    };
    let held = connection.read_all(sql, &[&ids], from_row).await?;
    Ok(held.into_iter().collect())
}

/// What becomes of each record. A claim is given back with the first attempt that is recorded under it.
fn judge(
    mut held: HashMap<DeliveryId, Option<(i64, Claim)>>,
    node: i64,
    records: &[AttemptRecord],
) -> Vec<Recorded> {
    let judge_one = |record: &AttemptRecord| match held.get_mut(&record.delivery_id) {
        None => Recorded::Gone,
        Some(claim) if *claim == Some((node, record.claim)) => {
            *claim = None;
            Recorded::Applied
        }
        Some(_) => Recorded::Late,
    };
    records.iter().map(judge_one).collect()
}

/// Moves deliveries on that are locked, and whose claims hold.
async fn move_on(connection: &Connection, updates: &[(DeliveryId, DeliveryUpdate<'_>)]) -> StoreResult<()> {
    if updates.is_empty() {
        return Ok(());
    }
    fn column<'a, T>(
        updates: &'a [(DeliveryId, DeliveryUpdate<'a>)],
        read: impl Fn(&DeliveryUpdate<'a>) -> T,
    ) -> Vec<T> {
        updates.iter().map(|(_, update)| read(update)).collect()
    }
    let progress = column(updates, |of| match of.continuation {
        Patch::Set(text) => Some(plain(text)),
        Patch::Keep | Patch::Clear => None,
    });
    let ids: Vec<&[u8]> = updates.iter().map(|(id, _)| &id.as_bytes()[..]).collect();
    let sql = "UPDATE deliveries d SET state = new.state, due_at = coalesce(new.due_at, d.due_at),
                   finished_at = new.finished_at, last_failure = new.last_failure, node = NULL, claim = NULL,
                   attempts_made = d.attempts_made + 1, schedule_attempts = new.attempts, follow_ups = new.follow_ups,
                   waited_ms = new.waited_ms, refusals = new.refusals, steps = new.steps,
                   progress = CASE WHEN new.progress_stays THEN d.progress ELSE new.progress END
               FROM unnest($1::bytea[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[],
                   $8::bigint[], $9::bigint[], $10::bigint[], $11::boolean[], $12::text[])
                   AS new (id, state, due_at, finished_at, last_failure, attempts, follow_ups, waited_ms, refusals, steps,
                       progress_stays, progress)
               WHERE d.id = new.id AND d.state = 'claimed'";
    connection
        .execute_all(
            updates.len(),
            sql,
            &[
                &ids,
                &column(updates, |of| of.state.as_str()),
                &column(updates, |of| of.due_at.map(Timestamp::as_millis)),
                &column(updates, |of| of.finished_at.map(Timestamp::as_millis)),
                &column(updates, |of| of.last_failure.map(FailureCode::as_str)),
                &column(updates, |of| i64::from(of.spent.attempts)),
                &column(updates, |of| i64::from(of.spent.follow_ups)),
                &column(updates, |of| millis(of.spent.waited)),
                &column(updates, |of| i64::from(of.spent.refusals)),
                &column(updates, |of| i64::from(of.spent.steps)),
                &column(updates, |of| of.continuation == Patch::Keep),
                &progress,
            ],
        )
        .await
}

/// Counts attempts whose claims were lost. The same attempt recorded a second time changes nothing.
async fn count_late(
    connection: &Connection,
    late: &[&AttemptRecord],
    inserted: &[(DeliveryId, AttemptId)],
) -> StoreResult<()> {
    let ids: BTreeSet<DeliveryId> = late.iter().map(|record| record.delivery_id).collect();
    let new_of = |id: DeliveryId| {
        let new: BTreeSet<AttemptId> = late
            .iter()
            .filter(|record| record.delivery_id == id)
            .map(|record| record.attempt.id)
            .filter(|attempt| inserted.contains(&(id, *attempt)))
            .collect();
        i64::try_from(new.len()).unwrap_or(i64::MAX)
    };
    let counts = ids.iter().map(|id| (&id.as_bytes()[..], new_of(*id)));
    let (ids, counts): (Vec<&[u8]>, Vec<i64>) = counts.filter(|(_, count)| *count > 0).unzip();
    if ids.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE deliveries d SET attempts_made = d.attempts_made + late.count
               FROM unnest($1::bytea[], $2::bigint[]) AS late (id, count) WHERE d.id = late.id";
    connection.execute(sql, &[&ids, &counts]).await.map(|_| ())
}

/// Remembers the incidents' messages. What an earlier event's replay says of one does not count.
async fn remember(connection: &Connection, applied: &[&AttemptRecord], now: Timestamp) -> StoreResult<()> {
    let mut by_lane: BTreeMap<Lane, Vec<&AttemptRecord>> = BTreeMap::new();
    for record in applied {
        if record.state_updates.message_ref != Patch::Keep {
            let lane = (record.incident_id, record.webhook_id);
            by_lane.entry(lane).or_default().push(record);
        }
    }
    // One statement can change a row once only: of each lane, the first records come first, and so on.
    let rounds = by_lane.values().map(Vec::len).max().unwrap_or(0);
    for round in 0..rounds {
        let of_round = by_lane.values().filter_map(|records| records.get(round).copied());
        let (set, clear): (Vec<_>, Vec<_>) = of_round
            .partition(|record| matches!(plain_patch(&record.state_updates.message_ref), Patch::Set(_)));
        set_memories(connection, &set, now).await?;
        clear_memories(connection, &clear).await?;
    }
    Ok(())
}

async fn set_memories(connection: &Connection, set: &[&AttemptRecord], now: Timestamp) -> StoreResult<()> {
    if set.is_empty() {
        return Ok(());
    }
    let memories = set
        .iter()
        .map(|record| match plain_patch(&record.state_updates.message_ref) {
            Patch::Set(memory) => Some(memory),
            Patch::Keep | Patch::Clear => None,
        });
    let memories: Vec<Option<Cow<'_, str>>> = memories.collect();
    let (webhook_ids, incident_ids, sequences) = lane_columns(set);
    let sql = "INSERT INTO memories AS m (webhook_id, incident_id, memory, event_sequence, updated_at)
               SELECT new.*, $5 FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::bigint[]) AS new
               ON CONFLICT (webhook_id, incident_id) DO UPDATE SET memory = excluded.memory,
                   event_sequence = excluded.event_sequence, updated_at = excluded.updated_at
               WHERE m.event_sequence <= excluded.event_sequence";
    connection
        .execute(
            sql,
            &[
                &webhook_ids,
                &incident_ids,
                &memories,
                &sequences,
                &now.as_millis(),
            ],
        )
        .await
        .map(|_| ())
}

async fn clear_memories(connection: &Connection, clear: &[&AttemptRecord]) -> StoreResult<()> {
    if clear.is_empty() {
        return Ok(());
    }
    let (webhook_ids, incident_ids, sequences) = lane_columns(clear);
    let sql = "DELETE FROM memories m USING unnest($1::bytea[], $2::bytea[], $3::bigint[])
                   AS over (webhook_id, incident_id, event_sequence)
               WHERE m.webhook_id = over.webhook_id AND m.incident_id = over.incident_id
                   AND m.event_sequence <= over.event_sequence";
    connection
        .execute(sql, &[&webhook_ids, &incident_ids, &sequences])
        .await
        .map(|_| ())
}

fn lane_columns<'a>(records: &[&'a AttemptRecord]) -> (Vec<&'a [u8]>, Vec<&'a [u8]>, Vec<i64>) {
    (
        records.iter().map(|of| &of.webhook_id.as_bytes()[..]).collect(),
        records.iter().map(|of| &of.incident_id.as_bytes()[..]).collect(),
        records.iter().map(|of| of.event_sequence).collect(),
    )
}

/// What few attempts bring: a ticket, something learned of the webhook, its end.
async fn apply_rare(context: &mut WriteContext, record: &AttemptRecord, now: Timestamp) -> StoreResult<()> {
    if let Some(update) = record
        .state_updates
        .ticket
        .as_ref()
        .filter(|_| is_of_ticket(record))
    {
        ticket_changes::note(&context.connection, record, update, now).await?;
    }
    if let Some(learned) = &record.state_updates.discovered_settings {
        learn(context, record, learned).await?;
    }
    if let Some(reason) = &record.disable_webhook {
        disable_webhook(context, record, reason, now).await?;
    }
    Ok(())
}

/// Keeps what was learned of a webhook that is still as it was when the attempt was made.
async fn learn(context: &mut WriteContext, record: &AttemptRecord, learned: &str) -> StoreResult<()> {
    let sql = "UPDATE webhooks SET learned = $3 WHERE id = $1 AND updated_at = $2 AND deleted_at IS NULL";
    let (id, settings_of) = (&record.webhook_id.as_bytes()[..], record.settings_of.as_millis());
    let kept = context
        .connection
        .execute(sql, &[&id, &settings_of, &plain(learned)])
        .await?;
    if kept > 0 {
        context.webhook_changed(record.webhook_id);
    }
    Ok(())
}

/// Disables a webhook on its receiver's wish, unless it is so already, or has other settings by now.
async fn disable_webhook(
    context: &mut WriteContext,
    record: &AttemptRecord,
    reason: &str,
    now: Timestamp,
) -> StoreResult<()> {
    let webhook_id: WebhookId = record.webhook_id;
    let sql = "UPDATE webhooks SET disabled_since = $3, disabled_reason = $4, updated_at = $3
               WHERE id = $1 AND updated_at = $2 AND disabled_since IS NULL AND deleted_at IS NULL";
    let (id, settings_of) = (&webhook_id.as_bytes()[..], record.settings_of.as_millis());
    let disabled = context
        .connection
        .execute(sql, &[&id, &settings_of, &now.as_millis(), &plain(reason)])
        .await?;
    if disabled == 0 {
        return Ok(());
    }
    context.webhook_changed(webhook_id);
    let change = Change {
        actor: Actor::System,
        at: now,
        audit_id: AuditId::from_bytes(*record.attempt.id.as_bytes()),
    };
    audit::write(
        &context.connection,
        &change,
        "webhook.disable",
        webhook_id,
        reason,
    )
    .await?;
    let subject = subject_of(&context.subscriptions().await?, webhook_id);
    match of_disabling(record, reason, subject, now) {
        Some(notice) => operational::note(context, &notice).await,
        None => Ok(()),
    }
}

/// Tells the dispatcher when the deliveries that stay, and those whose turn has come, are due.
async fn wake(
    context: &mut WriteContext,
    applied: &[&AttemptRecord],
    updates: &[(DeliveryId, DeliveryUpdate<'_>)],
    promoted: Vec<WebhookId>,
    (now, mut wakes): (Timestamp, Wakes),
) -> StoreResult<()> {
    let staying = applied
        .iter()
        .zip(updates)
        .filter_map(|(record, (_, update))| Some((record.webhook_id, update.due_at?)));
    let promoted = promoted.into_iter().map(|webhook_id| (webhook_id, now));
    wakes
        .add_enabled(&context.connection, staying.chain(promoted).collect())
        .await?;
    wakes.send_after_commit(context);
    Ok(())
}
