//! Changes of ticket links by attempts: what is about to be done, and what came of it, in the transaction of its record.

use model::attempt::Outcome;
use model::audit::Actor;
use model::delivery::NextStep;
use model::event::EventName;
use model::id::{AuditId, IncidentId};
use model::ticket::{LinkUpdate, TicketNews};
use model::time::Timestamp;
use store::StoreResult;
use store::queue::AttemptRecord;
use store::texts::plain;
use store::ticket_plan::{AttemptFacts, LinkRow, after_attempt};
use store::tickets::IntentRecord;

use super::columns::value;
use super::connection::Connection;
use super::incident_rows;
use super::ticket_rows;
use super::writer::WriteContext;

/// Writes down what a request is about to do, if its claim still holds, and goes on holding until this is on disk.
pub async fn intend(context: &mut WriteContext, intent: &IntentRecord) -> StoreResult<bool> {
    let connection = &context.connection;
    let (webhook_id, incident_id) = (intent.webhook_id, intent.incident_id);
    // Before the delivery: whoever adds to a lane locks in this order too.
    incident_rows::lock(connection, &[incident_id]).await?;
    let sql = "SELECT 1 FROM deliveries WHERE id = $1 AND state = 'claimed' AND claim = $2 AND node = $3 FOR UPDATE";
    let (delivery_id, node) = (&intent.delivery_id.as_bytes()[..], context.node());
    if !connection
        .finds(sql, &[&delivery_id, &intent.claim.0, &node])
        .await?
    {
        return Ok(false);
    }
    let row = ticket_rows::lock(connection, webhook_id, incident_id).await?;
    let row = row.unwrap_or_else(|| LinkRow::new(webhook_id, incident_id, intent.at));
    let after = match &intent.workflow {
        Some(workflow) => Some(row.about_to(workflow.clone(), intent.at)),
        None => row.intend(intent.at),
    };
    if let Some(after) = &after {
        ticket_rows::write(connection, after).await?;
    }
    Ok(after.is_some())
}

/// What an attempt means for its incident's ticket.
pub async fn note(
    connection: &Connection,
    record: &AttemptRecord,
    update: &LinkUpdate,
    now: Timestamp,
) -> StoreResult<()> {
    let (webhook_id, incident_id) = (record.webhook_id, record.incident_id);
    let is_over = matches!(record.next_step, NextStep::Delivered | NextStep::Dead);
    let before = ticket_rows::lock(connection, webhook_id, incident_id).await?;
    let own = before.as_ref().and_then(LinkRow::ticket);
    let (event, owner) = match &update.news {
        Some(TicketNews::Seen(ticket)) => {
            let owner = match own.is_some_and(|own| own.id == ticket.id) {
                true => Some(incident_id),
                false => ticket_rows::owner(connection, webhook_id, &ticket.id).await?,
            };
            (event_name(connection, record.event_sequence).await?, owner)
        }
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
            true => ticket_rows::standing(connection, incident_id).await?,
            false => None,
        },
    };
    let plan = after_attempt(before, LinkRow::new(webhook_id, incident_id, now), &facts, now);
    if let Some(other) = plan.belongs_to {
        tracing::warn!(%webhook_id, %incident_id, %other, "a ticket belongs to another incident already; not linked");
    }
    if let Some(row) = &plan.row {
        ticket_rows::write(connection, row).await?;
    }
    match plan.new_ticket {
        Some(key) => write_new_ticket(connection, record, &key, now).await,
        None => Ok(()),
    }
}

/// A line that says which ticket the incident has.
async fn write_new_ticket(
    connection: &Connection,
    record: &AttemptRecord,
    key: &str,
    now: Timestamp,
) -> StoreResult<()> {
    let webhook_id = record.webhook_id;
    let sql = "SELECT name FROM webhooks WHERE id = $1";
    let webhook: Option<String> = connection
        .read_one(sql, &[&&webhook_id.as_bytes()[..]], |row| value(row, "name"))
        .await?;
    let actor = Actor::Ticket {
        webhook_id,
        name: format!("{key} in {}", webhook.unwrap_or_default()),
    };
    let id = AuditId::from_bytes(*record.attempt.id.as_bytes());
    let sentence = "became the incident's ticket";
    write_note(connection, record.incident_id, id, now, &actor, sentence).await
}

async fn event_name(connection: &Connection, sequence: i64) -> StoreResult<Option<EventName>> {
    let name = connection
        .read_one(
            "SELECT name FROM events WHERE sequence = $1",
            &[&sequence],
            |row| Ok(EventName::parse(value(row, "name")?)),
        )
        .await?;
    Ok(name.flatten())
}

/// Writes a line of a timeline.
pub async fn write_note(
    connection: &Connection,
    incident_id: IncidentId,
    id: AuditId,
    at: Timestamp,
    actor: &Actor,
    sentence: &str,
) -> StoreResult<()> {
    let sql = "INSERT INTO notes (incident_id, id, at, actor, sentence) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (incident_id, id) DO NOTHING";
    let (incident_id, id) = (&incident_id.as_bytes()[..], &id.as_bytes()[..]);
    connection
        .execute(
            sql,
            &[
                &incident_id,
                &id,
                &at.as_millis(),
                &plain(&actor.encode()),
                &plain(sentence),
            ],
        )
        .await
        .map(|_| ())
}
