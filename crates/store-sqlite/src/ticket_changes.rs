//! Changes of ticket links by attempts: what is about to be done, and what came of it, in the transaction of its record.

use rusqlite::Connection;

use model::attempt::Outcome;
use model::audit::Actor;
use model::delivery::NextStep;
use model::event::EventName;
use model::id::{AuditId, IncidentId};
use model::ticket::{LinkUpdate, TicketNews};
use model::time::Timestamp;
use store::StoreResult;
use store::queue::AttemptRecord;
use store::ticket_plan::{AttemptFacts, LinkRow, after_attempt};
use store::tickets::IntentRecord;

use super::statements::{execute, read_one};
use super::ticket_rows;
use super::writer::WriteContext;

/// Writes down what a request is about to do, if its claim still holds.
pub fn intend(context: &WriteContext<'_>, intent: &IntentRecord) -> StoreResult<bool> {
    let claimed = read_one(
        context.connection,
        "SELECT 1 FROM deliveries WHERE id = ?1 AND state = 'claimed' AND claim = ?2 AND node = ?3",
        (intent.delivery_id.as_bytes(), intent.claim.0, context.node),
        |_| Ok(()),
    )?;
    if claimed.is_none() {
        return Ok(false);
    }
    let (webhook_id, incident_id) = (intent.webhook_id, intent.incident_id);
    let row = ticket_rows::load(context.connection, webhook_id, incident_id)?;
    let row = row.unwrap_or_else(|| LinkRow::new(webhook_id, incident_id, intent.at));
    let after = match &intent.workflow {
        Some(workflow) => Some(row.about_to(workflow.clone(), intent.at)),
        None => row.intend(intent.at),
    };
    if let Some(after) = &after {
        ticket_rows::write(context.connection, after)?;
    }
    Ok(after.is_some())
}

/// What an attempt means for its incident's ticket.
pub fn note(
    connection: &Connection,
    record: &AttemptRecord,
    update: &LinkUpdate,
    now: Timestamp,
) -> StoreResult<()> {
    let (webhook_id, incident_id) = (record.webhook_id, record.incident_id);
    let is_over = matches!(record.next_step, NextStep::Delivered | NextStep::Dead);
    let (event, owner) = match &update.news {
        Some(TicketNews::Seen(ticket)) => (
            event_name(connection, record.event_sequence)?,
            ticket_rows::owner(connection, webhook_id, &ticket.id)?,
        ),
        Some(TicketNews::NotMade) | None => (None, None),
    };
    let facts = AttemptFacts {
        update,
        event,
        event_sequence: record.event_sequence,
        is_step: record.attempt.outcome == Outcome::Step,
        is_delivered: record.next_step == NextStep::Delivered,
        is_over,
        owner,
        incident: match is_over {
            true => ticket_rows::standing(connection, incident_id)?,
            false => None,
        },
    };
    let before = ticket_rows::load(connection, webhook_id, incident_id)?;
    let plan = after_attempt(before, LinkRow::new(webhook_id, incident_id, now), &facts, now);
    if let Some(other) = plan.belongs_to {
        tracing::warn!(%webhook_id, %incident_id, %other, "a ticket belongs to another incident already; not linked");
    }
    if let Some(row) = &plan.row {
        ticket_rows::write(connection, row)?;
    }
    match plan.new_ticket {
        Some(key) => write_new_ticket(connection, record, &key, now),
        None => Ok(()),
    }
}

/// A line that says which ticket the incident has.
fn write_new_ticket(
    connection: &Connection,
    record: &AttemptRecord,
    key: &str,
    now: Timestamp,
) -> StoreResult<()> {
    let webhook_id = record.webhook_id;
    let sql = "SELECT name FROM webhooks WHERE id = ?1";
    let webhook: Option<String> = read_one(connection, sql, [webhook_id.as_bytes()], |row| row.get(0))?;
    let actor = Actor::Ticket {
        webhook_id,
        name: format!("{key} in {}", webhook.unwrap_or_default()),
    };
    let id = AuditId::from_bytes(*record.attempt.id.as_bytes());
    let sentence = "became the incident's ticket";
    write_note(connection, record.incident_id, id, now, &actor.encode(), sentence)
}

fn event_name(connection: &Connection, sequence: i64) -> StoreResult<Option<EventName>> {
    let name = read_one(
        connection,
        "SELECT name FROM events WHERE sequence = ?1",
        [sequence],
        |row| Ok(EventName::parse(row.get_ref(0)?.as_str()?)),
    )?;
    Ok(name.flatten())
}

/// Writes a line of a timeline.
pub fn write_note(
    connection: &Connection,
    incident_id: IncidentId,
    id: AuditId,
    at: Timestamp,
    actor: &str,
    sentence: &str,
) -> StoreResult<()> {
    execute(
        connection,
        "INSERT INTO notes (incident_id, id, at, actor, sentence) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (incident_id, id) DO NOTHING",
        (
            incident_id.as_bytes(),
            id.as_bytes(),
            at.as_millis(),
            actor,
            sentence,
        ),
    )
    .map(|_| ())
}
