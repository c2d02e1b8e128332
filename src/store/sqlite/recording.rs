//! Recording attempts: what the dispatcher does most often after triggering. Per record one update, one insert, and
//! for a finished delivery one look at the index of queued deliveries, which is mostly empty; per webhook and batch one row
//! of activity.

use rusqlite::Connection;

use crate::model::attempt::{Attempt, Outcome};
use crate::model::audit::{Actor, Change};
use crate::model::delivery::NextStep;
use crate::model::id::{AuditId, DeliveryId, WebhookId};
use crate::model::time::Timestamp;
use crate::store::StoreResult;
use crate::store::queue::{AttemptRecord, Recorded};

use super::activity::Tally;
use super::audit;
use super::claims::{Wakes, is_enabled};
use super::lanes;
use super::statements::{execute, read_one};
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
    if let Some(reason) = &record.disable_webhook {
        disable_webhook(context, record, reason, now)?;
    }
    match record.next_step {
        NextStep::Retry { at } => {
            if is_enabled(context, record.webhook_id)? {
                wakes.add(record.webhook_id, at);
            }
        }
        NextStep::Delivered | NextStep::Dead => {
            let promoted = lanes::promote(context.connection, record.incident_id, record.webhook_id, now)?;
            if promoted && is_enabled(context, record.webhook_id)? {
                wakes.add(record.webhook_id, now);
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
        NextStep::Retry { at } => ("scheduled", Some(at.as_millis()), None),
    };
    let moved = execute(
        context.connection,
        "UPDATE deliveries SET state = ?4, due_at = coalesce(?5, due_at), finished_at = ?6, last_failure = ?7,
             node = NULL, claim = NULL, attempts_made = attempts_made + 1, schedule_attempts = schedule_attempts + 1
         WHERE id = ?1 AND state = 'claimed' AND claim = ?2 AND node = ?3",
        (
            record.delivery_id.as_bytes(),
            record.claim.0,
            context.node,
            state,
            due_at,
            finished_at,
            failure_code(&record.attempt.outcome),
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

fn insert_attempt(connection: &Connection, delivery_id: DeliveryId, attempt: &Attempt) -> StoreResult<usize> {
    let failure = attempt.outcome.failure();
    let timings = &attempt.timings;
    execute(
        connection,
        "INSERT INTO attempts (delivery_id, id, number, started_at, outcome, failure, failure_detail, retry_after_ms,
             status, dns_us, connect_us, tls_us, first_byte_us, total_us, remote_address, request_head, response_head,
             response_body, response_body_truncated)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
         ON CONFLICT (delivery_id, id) DO NOTHING",
        rusqlite::params![
            delivery_id.as_bytes(),
            attempt.id.as_bytes(),
            attempt.number,
            attempt.started_at.as_millis(),
            outcome_name(&attempt.outcome),
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

fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Failed(_) => "failed",
        Outcome::Gone(_) => "gone",
    }
}

fn failure_code(outcome: &Outcome) -> Option<&'static str> {
    outcome.failure().map(|failure| failure.code.as_str())
}

fn signed(microseconds: u64) -> i64 {
    i64::try_from(microseconds).unwrap_or(i64::MAX)
}
