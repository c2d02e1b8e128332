//! Changes of ticket links by attempts: what is about to be done, and what came of it, in the transaction of its record.

use rusqlite::Connection;

use model::attempt::Outcome;
use model::delivery::NextStep;
use model::event::EventName;
use model::id::{AuditId, IncidentId, WebhookId};
use model::incident::IncidentStatus;
use model::ticket::{LinkUpdate, Ticket, TicketNews, is_in_line, next_poll_at};
use model::time::Timestamp;
use store::StoreResult;
use store::queue::AttemptRecord;
use store::tickets::IntentRecord;

use super::columns::unexpected;
use super::database::unavailable;
use super::statements::{execute, read_one};
use super::writer::WriteContext;

/// Writes down what a request is about to do, if its claim still holds.
pub fn intend(context: &WriteContext<'_>, intent: &IntentRecord) -> StoreResult<bool> {
    let claimed = execute(
        context.connection,
        "UPDATE deliveries SET progress = coalesce(?4, progress)
         WHERE id = ?1 AND state = 'claimed' AND claim = ?2 AND node = ?3",
        (
            intent.delivery_id.as_bytes(),
            intent.claim.0,
            context.node,
            &intent.continuation,
        ),
    )?;
    if claimed != 1 || intent.continuation.is_some() {
        return Ok(claimed == 1);
    }
    let intended = execute(
            context.connection,
            "INSERT INTO ticket_links (webhook_id, incident_id, state, creates, intended_at, comments_until, created_at,
                 updated_at)
             VALUES (?1, ?2, 'intended', 1, ?3, ?3, ?3, ?3)
             ON CONFLICT (webhook_id, incident_id) DO UPDATE SET state = 'intended', creates = creates + 1,
                 intended_at = ?3, hinted = NULL, version = version + 1, updated_at = ?3
             WHERE state = 'absent' OR state = 'wanted' OR state = 'intended'",
        (
            intent.webhook_id.as_bytes(),
            intent.incident_id.as_bytes(),
            intent.at.as_millis(),
        ),
    )?;
    Ok(intended == 1)
}

/// What an attempt means for its incident's ticket.
pub fn note(
    connection: &Connection,
    record: &AttemptRecord,
    update: &LinkUpdate,
    now: Timestamp,
) -> StoreResult<()> {
    let (webhook_id, incident_id) = (record.webhook_id, record.incident_id);
    match &update.news {
        Some(TicketNews::Seen(ticket)) => apply_seen_ticket(connection, record, ticket, now)?,
        Some(TicketNews::NotMade) => drop(execute(
            connection,
            "UPDATE ticket_links SET state = iif(is_asked, 'wanted', 'absent'), intended_at = NULL, hinted = NULL,
                 updated_at = ?3
             WHERE webhook_id = ?1 AND incident_id = ?2 AND state = 'intended'",
            (webhook_id.as_bytes(), incident_id.as_bytes(), now.as_millis()),
        )?),
        None => {}
    }
    let is_told = record.next_step == NextStep::Delivered;
    let is_step = record.attempt.outcome == Outcome::Step;
    let is_over = is_told || record.next_step == NextStep::Dead;
    let look_at = match is_over {
        true => look_at(connection, incident_id, 0, now)?,
        false => None,
    };
    execute(
        connection,
        "UPDATE ticket_links SET version = version + 1, updated_at = ?3,
             last_error = iif(?4, last_error, ?5),
             event_sequence = iif(?6, max(event_sequence, ?7), event_sequence),
             last_synced_at = iif(?6 AND state = 'linked', ?3, last_synced_at),
             look_at = iif(?9 AND state = 'linked', iif(seen = phase, min(coalesce(look_at, ?8), coalesce(?8, look_at)), ?3),
                 look_at),
             look_failures = iif(?6, 0, look_failures)
         WHERE webhook_id = ?1 AND incident_id = ?2",
        (
            webhook_id.as_bytes(),
            incident_id.as_bytes(),
            now.as_millis(),
            is_step,
            &update.error,
            is_told,
            record.event_sequence,
            look_at.map(Timestamp::as_millis),
            is_over,
        ),
    )?;
    Ok(())
}

/// The incident's ticket is this one. A ticket that belongs to another incident is left to it. Where it stands is what both sides
/// have agreed on only if the event wants it there; if somebody else has moved it, it is looked at at once.
fn apply_seen_ticket(
    connection: &Connection,
    record: &AttemptRecord,
    ticket: &Ticket,
    now: Timestamp,
) -> StoreResult<()> {
    let (webhook_id, incident_id) = (record.webhook_id, record.incident_id);
    if let Some(other) = owner(connection, webhook_id, &ticket.id)?.filter(|owner| *owner != incident_id) {
        tracing::warn!(%webhook_id, %incident_id, %other, "a ticket belongs to another incident already; not linked");
        // What the delivery knows is about a ticket that is none of its own.
        execute(
            connection,
            "UPDATE deliveries SET progress = NULL WHERE id = ?1",
            [record.delivery_id.as_bytes()],
        )?;
        return Ok(());
    }
    let event = read_one(
        connection,
        "SELECT name FROM events WHERE sequence = ?1",
        [record.event_sequence],
        |row| Ok(EventName::parse(row.get_ref(0)?.as_str()?)),
    )?;
    let is_agreed = event
        .flatten()
        .is_some_and(|event| is_in_line(event, ticket.phase));
    execute(
        connection,
        "INSERT INTO ticket_links (webhook_id, incident_id, state, ticket_id, ticket_key, ticket_url, phase, status, seen,
             comments_until, created_at, updated_at)
         VALUES (?1, ?2, 'linked', ?3, ?4, ?5, ?6, ?7, ?6, ?8, ?8, ?8)
         ON CONFLICT (webhook_id, incident_id) DO UPDATE SET state = 'linked', intended_at = NULL, hinted = NULL,
             ticket_id = ?3, ticket_key = ?4, ticket_url = ?5, phase = ?6, status = ?7,
             seen = iif(?9 OR state <> 'linked', ?6, seen)
         WHERE state <> 'unlinked'",
        (
            webhook_id.as_bytes(),
            incident_id.as_bytes(),
            &ticket.id,
            &ticket.key,
            &ticket.url,
            ticket.phase.as_str(),
            &ticket.status,
            now.as_millis(),
            is_agreed,
        ),
    )?;
    Ok(())
}

/// The incident that has a ticket.
pub fn owner(
    connection: &Connection,
    webhook_id: WebhookId,
    ticket_id: &str,
) -> StoreResult<Option<IncidentId>> {
    read_one(
        connection,
        "SELECT incident_id FROM ticket_links WHERE webhook_id = ?1 AND ticket_id = ?2",
        (webhook_id.as_bytes(), ticket_id),
        |row| row.get(0).map(IncidentId::from_bytes),
    )
}

/// When an incident's ticket is looked at next, after so many failures in a row.
pub fn look_at(
    connection: &Connection,
    incident_id: IncidentId,
    failures: u32,
    now: Timestamp,
) -> StoreResult<Option<Timestamp>> {
    let found = read_one(
        connection,
        "SELECT status, resolved_at FROM incidents WHERE id = ?1",
        [incident_id.as_bytes()],
        |row| {
            let status = IncidentStatus::parse(row.get_ref(0)?.as_str()?);
            let resolved_at: Option<i64> = row.get(1)?;
            Ok((status, resolved_at.map(Timestamp::from_millis)))
        },
    )?;
    let Some((status, resolved_at)) = found else {
        return Ok(None);
    };
    let status = status.ok_or_else(|| unavailable(unexpected("status")))?;
    Ok(next_poll_at(status, resolved_at, failures, now))
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
