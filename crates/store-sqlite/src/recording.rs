//! Recording attempts: what the dispatcher does most often after triggering. Per record one update, one insert, and
//! for a finished delivery one look at the index of queued deliveries, which is mostly empty; per webhook and batch one row
//! of activity.

use rusqlite::Connection;

use model::audit::{Actor, Change};
use model::delivery::NextStep;
use model::exchange::FailureCode;
use model::id::{AuditId, WebhookId};
use model::patch::Patch;
use model::time::Timestamp;
use store::StoreResult;
use store::attempt_columns::millis;
use store::delivery_plan::DeliveryUpdate;
use store::operational::{of_deaths, of_disabling, subject_of};
use store::queue::{AttemptRecord, Recorded};
use store::texts::plain_patch;

use super::activity;
use super::attempt_rows;
use super::audit;
use super::claims::{Wakes, is_enabled};
use super::fallbacks::{self, Undelivered};
use super::lanes;
use super::operational;
use super::statements::{execute, read_one};
use super::ticket_changes;
use super::ticket_requests;
use super::writer::WriteContext;

/// Records attempts, in order.
pub fn record(
    context: &mut WriteContext<'_>,
    records: &[AttemptRecord],
    now: Timestamp,
) -> StoreResult<Vec<Recorded>> {
    // Whatever may fail comes before the first change.
    context.subscriptions()?;
    let mut tally = activity::read_tally(context.connection, records, now)?;
    let mut wakes = Wakes::default();
    let mut results = Vec::with_capacity(records.len());
    for record in records {
        let recorded = record_one(context, record, now, &mut wakes)?;
        if recorded == Recorded::Applied {
            tally.count(record);
        }
        results.push(recorded);
    }
    activity::write_tally(context.connection, &tally)?;
    tell_of_deaths(context, records, &results, now)?;
    wakes.send_after_commit(context);
    Ok(results)
}

/// Leaves notices of what died.
fn tell_of_deaths(
    context: &mut WriteContext<'_>,
    records: &[AttemptRecord],
    results: &[Recorded],
    now: Timestamp,
) -> StoreResult<()> {
    let applied = records.iter().zip(results);
    let applied = applied.filter(|(_, result)| **result == Recorded::Applied);
    let subscriptions = context.subscriptions()?;
    for notice in of_deaths(applied.map(|(record, _)| record), &subscriptions, now) {
        operational::note(context, &notice)?;
    }
    Ok(())
}

fn record_one(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<Recorded> {
    let update = DeliveryUpdate::after_attempt(record, now);
    if !move_on(context, record, &update)? {
        return record_late(context.connection, record);
    }
    attempt_rows::insert(context.connection, record.delivery_id, &record.attempt)?;
    let is_of_now = settings_are_of(context, record)?;
    if let Some(reason) = record.disable_webhook.as_ref().filter(|_| is_of_now) {
        disable_webhook(context, record, reason, now)?;
    }
    remember(context.connection, record, now)?;
    if let Some(update) = record.state_updates.ticket.as_ref().filter(|_| !record.is_test) {
        ticket_changes::note(context.connection, record, update, now)?;
    }
    if let Some(learned) = record
        .state_updates
        .discovered_settings
        .as_ref()
        .filter(|_| is_of_now)
    {
        learn(context, record.webhook_id, learned)?;
    }
    if record.next_step == NextStep::Dead && record.is_of_incident() {
        let original = Undelivered {
            id: record.delivery_id,
            webhook_id: record.webhook_id,
            incident_id: record.incident_id,
        };
        fallbacks::take_over(context, original, now, wakes)?;
    }
    let wakes_at = if update.ends_turn {
        let promoted = lanes::promote(context.connection, record.incident_id, record.webhook_id, now)?;
        if !promoted && record.next_step == NextStep::Delivered {
            ticket_requests::tell_what_came_meanwhile(context, record, now, wakes)?;
        }
        promoted.then_some(now)
    } else {
        update.due_at
    };
    if let Some(at) = wakes_at
        && is_enabled(context, record.webhook_id)?
    {
        wakes.add(record.webhook_id, at);
    }
    Ok(Recorded::Applied)
}

/// Moves a delivery on, if the claim still holds; says whether it does.
fn move_on(
    context: &WriteContext<'_>,
    record: &AttemptRecord,
    update: &DeliveryUpdate<'_>,
) -> StoreResult<bool> {
    let (progress_stays, progress) = match update.continuation {
        Patch::Keep => (true, None),
        Patch::Set(text) => (false, Some(text)),
        Patch::Clear => (false, None),
    };
    let moved = execute(
        context.connection,
        "UPDATE deliveries SET state = ?4, due_at = coalesce(?5, due_at), finished_at = ?6, last_failure = ?7,
             node = NULL, claim = NULL, attempts_made = attempts_made + 1, schedule_attempts = ?8, follow_ups = ?9,
             waited_ms = ?10, progress = iif(?11, progress, ?12), refusals = ?13, steps = ?14
         WHERE id = ?1 AND state = 'claimed' AND claim = ?2 AND node = ?3",
        (
            record.delivery_id.as_bytes(),
            record.claim.0,
            context.node,
            update.state.as_str(),
            update.due_at.map(Timestamp::as_millis),
            update.finished_at.map(Timestamp::as_millis),
            update.last_failure.map(FailureCode::as_str),
            update.spent.attempts,
            update.spent.follow_ups,
            millis(update.spent.waited),
            progress_stays,
            progress,
            update.spent.refusals,
            update.spent.steps,
        ),
    )?;
    Ok(moved == 1)
}

/// Keeps the attempt of a claim that was lost. The same attempt recorded a second time changes nothing.
fn record_late(connection: &Connection, record: &AttemptRecord) -> StoreResult<Recorded> {
    let id = record.delivery_id.as_bytes();
    let exists = read_one(connection, "SELECT 1 FROM deliveries WHERE id = ?1", [id], |_| {
        Ok(())
    })?;
    if exists.is_none() {
        return Ok(Recorded::Gone);
    }
    if attempt_rows::insert(connection, record.delivery_id, &record.attempt)? == 1 {
        execute(
            connection,
            "UPDATE deliveries SET attempts_made = attempts_made + 1 WHERE id = ?1",
            [id],
        )?;
    }
    Ok(Recorded::Late)
}

/// Whether the webhook is still as it was when the attempt was made.
fn settings_are_of(context: &mut WriteContext<'_>, record: &AttemptRecord) -> StoreResult<bool> {
    if record.disable_webhook.is_none() && record.state_updates.discovered_settings.is_none() {
        return Ok(true);
    }
    let subscriptions = context.subscriptions()?;
    let found = subscriptions.binary_search_by_key(&record.webhook_id, |webhook| webhook.id);
    Ok(found.is_ok_and(|index| subscriptions[index].updated_at == record.settings_of))
}

/// Remembers the incident's message. What an earlier event's replay says of it does not count.
fn remember(connection: &Connection, record: &AttemptRecord, now: Timestamp) -> StoreResult<()> {
    let lane = (record.webhook_id.as_bytes(), record.incident_id.as_bytes());
    match plain_patch(&record.state_updates.message_ref) {
        Patch::Keep => {}
        Patch::Set(memory) => drop(execute(
            connection,
            "INSERT INTO memories (webhook_id, incident_id, memory, event_sequence, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (webhook_id, incident_id) DO UPDATE SET memory = excluded.memory,
                 event_sequence = excluded.event_sequence, updated_at = excluded.updated_at
             WHERE memories.event_sequence <= excluded.event_sequence",
            (lane.0, lane.1, memory, record.event_sequence, now.as_millis()),
        )?),
        Patch::Clear => drop(execute(
            connection,
            "DELETE FROM memories WHERE webhook_id = ?1 AND incident_id = ?2 AND event_sequence <= ?3",
            (lane.0, lane.1, record.event_sequence),
        )?),
    }
    Ok(())
}

fn learn(context: &mut WriteContext<'_>, webhook_id: WebhookId, learned: &str) -> StoreResult<()> {
    execute(
        context.connection,
        "UPDATE webhooks SET learned = ?2 WHERE id = ?1 AND deleted_at IS NULL",
        (webhook_id.as_bytes(), learned),
    )?;
    context.webhook_changed(webhook_id);
    Ok(())
}

/// Disables a webhook on its receiver's wish, unless it is so already.
fn disable_webhook(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
    reason: &str,
    now: Timestamp,
) -> StoreResult<()> {
    let webhook_id: WebhookId = record.webhook_id;
    let disabled = execute(
        context.connection,
        "UPDATE webhooks SET disabled_since = ?2, disabled_reason = ?3, updated_at = ?2
         WHERE id = ?1 AND disabled_since IS NULL AND deleted_at IS NULL",
        (webhook_id.as_bytes(), now.as_millis(), reason),
    )?;
    if disabled == 0 {
        return Ok(());
    }
    context.webhook_changed(webhook_id);
    let change = Change {
        actor: Actor::System,
        at: now,
        audit_id: AuditId::from_bytes(*record.attempt.id.as_bytes()),
    };
    audit::write(context.connection, &change, "webhook.disable", webhook_id, reason)?;
    let subject = subject_of(&context.subscriptions()?, webhook_id);
    match of_disabling(record, reason, subject, now) {
        Some(notice) => operational::note(context, &notice),
        None => Ok(()),
    }
}
