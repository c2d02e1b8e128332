//! Recording attempts: what the dispatcher does most often after triggering. Per record one update, one insert, and
//! for a finished delivery one look at the index of queued deliveries, which is mostly empty; per webhook and batch one row
//! of activity.

use rusqlite::Connection;

use model::attempt::{Attempt, Disposition, Outcome};
use model::audit::{Actor, Change};
use model::delivery::NextStep;
use model::id::{AuditId, DeliveryId, WebhookId};
use model::patch::Patch;
use model::time::Timestamp;
use store::StoreResult;
use store::queue::{AttemptRecord, Recorded};

use super::activity::Tally;
use super::audit;
use super::claims::{Wakes, is_enabled};
use super::lanes;
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
    let mut tally = Tally::read(context.connection, records, now)?;
    let mut wakes = Wakes::default();
    let mut results = Vec::with_capacity(records.len());
    for record in records {
        let recorded = record_one(context, record, now, &mut wakes)?;
        if recorded == Recorded::Applied {
            tally.count(record);
        }
        results.push(recorded);
    }
    tally.write(context.connection)?;
    wakes.send_after_commit(context);
    Ok(results)
}

fn record_one(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<Recorded> {
    if !move_on(context, record, now)? {
        return record_late(context.connection, record);
    }
    insert_attempt(context.connection, record.delivery_id, &record.attempt)?;
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
    match record.next_step {
        NextStep::Retry { at } | NextStep::Hold { at } => {
            if is_enabled(context, record.webhook_id)? {
                wakes.add(record.webhook_id, at);
            }
        }
        NextStep::Delivered | NextStep::Dead => {
            let promoted = lanes::promote(context.connection, record.incident_id, record.webhook_id, now)?;
            if promoted && is_enabled(context, record.webhook_id)? {
                wakes.add(record.webhook_id, now);
            }
            if !promoted && record.next_step == NextStep::Delivered {
                ticket_requests::tell_what_came_meanwhile(context, record, now, wakes)?;
            }
        }
    }
    Ok(Recorded::Applied)
}

/// Moves a delivery on, if the claim still holds; says whether it does.
fn move_on(context: &WriteContext<'_>, record: &AttemptRecord, now: Timestamp) -> StoreResult<bool> {
    let (state, due_at, finished_at) = match record.next_step {
        NextStep::Delivered => ("delivered", None, Some(now.as_millis())),
        NextStep::Dead => ("dead", None, Some(now.as_millis())),
        NextStep::Retry { at } | NextStep::Hold { at } => ("scheduled", Some(at.as_millis()), None),
    };
    let is_kept = finished_at.is_none();
    let (progress_stays, progress) = match &record.state_updates.continuation {
        Patch::Keep => (is_kept, None),
        Patch::Set(text) if is_kept => (false, Some(text)),
        Patch::Set(_) | Patch::Clear => (false, None),
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
            state,
            due_at,
            finished_at,
            failure_code(&record.attempt.outcome),
            record.spent.attempts,
            record.spent.follow_ups,
            i64::try_from(record.spent.waited.as_millis()).unwrap_or(i64::MAX),
            progress_stays,
            progress,
            record.spent.refusals,
            record.spent.steps,
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
    if insert_attempt(connection, record.delivery_id, &record.attempt)? == 1 {
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
    match &record.state_updates.message_ref {
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

fn insert_attempt(connection: &Connection, delivery_id: DeliveryId, attempt: &Attempt) -> StoreResult<usize> {
    let failure = attempt.outcome.failure();
    let timings = &attempt.timings;
    execute(
        connection,
        "INSERT INTO attempts (delivery_id, id, number, started_at, outcome, failure, failure_detail, retry_after_ms,
             status, dns_us, connect_us, tls_us, first_byte_us, total_us, remote_address, request_head, response_head,
             response_body, response_body_truncated, remedy, request_body, note)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)
         ON CONFLICT (delivery_id, id) DO NOTHING",
        rusqlite::params![
            delivery_id.as_bytes(),
            attempt.id.as_bytes(),
            attempt.number,
            attempt.started_at.as_millis(),
            attempt.outcome.as_str(),
            failure.map(|failure| failure.code.as_str()),
            failure.map(|failure| &failure.detail),
            failure
                .and_then(|failure| failure.retry_after)
                .map(|wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
            attempt.status,
            timings.dns_us.map(signed),
            timings.connect_us.map(signed),
            timings.tls_us.map(signed),
            timings.first_byte_us.map(signed),
            signed(timings.total_us),
            attempt.remote_address.map(|address| address.to_string()),
            attempt.request_head,
            attempt.response_head,
            &attempt.response_body[..],
            attempt.response_body_is_truncated,
            remedy_name(&attempt.outcome),
            attempt.request_body.as_deref(),
            attempt.note,
        ],
    )
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
    audit::write(context.connection, &change, "webhook.disable", webhook_id, reason)
}

/// What helps, where it is not the schedule: the column is younger than the table.
fn remedy_name(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Failed(failure) if failure.disposition != Disposition::Backoff => {
            Some(failure.disposition.as_str())
        }
        Outcome::Delivered | Outcome::Accepted | Outcome::Step | Outcome::Failed(_) | Outcome::Gone(_) => {
            None
        }
    }
}

fn failure_code(outcome: &Outcome) -> Option<&'static str> {
    outcome.failure().map(|failure| failure.code.as_str())
}

fn signed(microseconds: u64) -> i64 {
    i64::try_from(microseconds).unwrap_or(i64::MAX)
}
