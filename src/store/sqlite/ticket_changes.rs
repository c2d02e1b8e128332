//! Changes of ticket links: by attempts, in the transaction of their record, and by people.

use rusqlite::Connection;

use crate::model::attempt::Outcome;
use crate::model::audit::Change;
use crate::model::delivery::NextStep;
use crate::model::event::{Event, EventName};
use crate::model::id::{AuditId, DeliveryId, IncidentId, WebhookId};
use crate::model::incident::IncidentStatus;
use crate::model::ticket::{LinkUpdate, Ticket, TicketNews, is_in_line, next_look_at};
use crate::model::time::Timestamp;
use crate::model::webhook::Ordering;
use crate::store::queue::AttemptRecord;
use crate::store::tickets::{IntentRecord, Requested};
use crate::store::{StoreError, StoreResult};

use super::audit;
use super::claims::{Wakes, is_enabled};
use super::columns::unexpected;
use super::database::unavailable;
use super::events;
use super::outbox::{self, Birth};
use super::replays::{self, Finished};
use super::statements::{execute, read_all, read_one};
use super::ticket_rows;
use super::writer::WriteContext;
use super::{incident_rows, lanes};

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
            &intent.progress,
        ),
    )?;
    if claimed != 1 || intent.progress.is_some() {
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
        Some(TicketNews::Seen(ticket)) => see(connection, record, ticket, now)?,
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
    let look_at = match is_told {
        true => look_at(connection, incident_id, now)?,
        false => None,
    };
    execute(
        connection,
        "UPDATE ticket_links SET version = version + 1, updated_at = ?3,
             last_error = iif(?4, last_error, ?5),
             event_sequence = iif(?6, max(event_sequence, ?7), event_sequence),
             last_synced_at = iif(?6 AND state = 'linked', ?3, last_synced_at),
             look_at = iif(?6 AND state = 'linked', iif(seen = phase, ?8, ?3), look_at),
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
        ),
    )?;
    Ok(())
}

/// The incident's ticket is this one. A ticket that belongs to another incident is left to it. Where it stands is what both sides
/// have agreed on only if the event wants it there; if somebody else has moved it, it is looked at at once.
fn see(connection: &Connection, record: &AttemptRecord, ticket: &Ticket, now: Timestamp) -> StoreResult<()> {
    let (webhook_id, incident_id) = (record.webhook_id, record.incident_id);
    if let Some(other) = owner(connection, webhook_id, &ticket.id)?.filter(|owner| *owner != incident_id) {
        tracing::warn!(%webhook_id, %incident_id, %other, "a ticket belongs to another incident already; not linked");
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

/// When an incident's ticket is looked at next, if all is well.
pub fn look_at(
    connection: &Connection,
    incident_id: IncidentId,
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
    Ok(next_look_at(status, resolved_at, 0, now))
}

/// Somebody wants a ticket, or wants it brought in line.
pub fn request(
    context: &mut WriteContext<'_>,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    change: &Change,
) -> StoreResult<Requested> {
    incident_rows::load(context.connection, incident_id)?;
    let link = ticket_rows::load(context.connection, webhook_id, incident_id)?;
    let is_linked = link.as_ref().is_some_and(|link| link.ticket().is_some());
    if !is_linked {
        execute(
            context.connection,
            "INSERT INTO ticket_links (webhook_id, incident_id, state, is_asked, comments_until, created_at, updated_at)
             VALUES (?1, ?2, 'wanted', 1, ?3, ?3, ?3)
             ON CONFLICT (webhook_id, incident_id) DO UPDATE SET state = iif(state = 'intended', state, 'wanted'),
                 is_asked = 1, event_sequence = 0,
                 comments_until = ?3, version = version + 1, last_error = NULL, updated_at = ?3
             WHERE state <> 'linked'",
            (
                webhook_id.as_bytes(),
                incident_id.as_bytes(),
                change.at.as_millis(),
            ),
        )?;
        say(context.connection, incident_id, change, "asked for a ticket")?;
    }
    let delivery_id = deliver_latest(context, incident_id, webhook_id, change.at)?;
    audit::write(
        context.connection,
        change,
        "ticket.request",
        incident_id,
        &format!("asked webhook {webhook_id} for a ticket, or to bring it in line"),
    )?;
    Ok(Requested::OnItsWay(delivery_id))
}

/// Joins an incident and a ticket, and has the ticket told.
pub fn link(
    context: &mut WriteContext<'_>,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    ticket: &Ticket,
    change: &Change,
) -> StoreResult<()> {
    incident_rows::load(context.connection, incident_id)?;
    let before = ticket_rows::load(context.connection, webhook_id, incident_id)?;
    if let Some(before) = before.as_ref().and_then(|link| link.ticket()) {
        return Err(StoreError::Conflict(format!(
            "the incident has the ticket {} already; unlink it first",
            before.key
        )));
    }
    if let Some(other) = owner(context.connection, webhook_id, &ticket.id)? {
        return Err(StoreError::Conflict(format!(
            "the ticket {} belongs to the incident {other}",
            ticket.key
        )));
    }
    if lanes::has_open(context.connection, incident_id, webhook_id)? {
        let detail = "an event of the incident is on its way to this webhook; try again in a moment";
        return Err(StoreError::Conflict(detail.into()));
    }
    execute(
        context.connection,
        "INSERT INTO ticket_links (webhook_id, incident_id, state, ticket_id, ticket_key, ticket_url, phase, status,
             seen, is_swept, last_synced_at, comments_until, look_at, created_at, updated_at)
         VALUES (?1, ?2, 'linked', ?3, ?4, ?5, ?6, ?7, ?6, 1, ?8, ?8, ?8, ?8, ?8)
         ON CONFLICT (webhook_id, incident_id) DO UPDATE SET state = 'linked', intended_at = NULL, hinted = NULL,
             ticket_id = ?3, ticket_key = ?4, ticket_url = ?5, phase = ?6, status = ?7, seen = ?6, is_swept = 1,
             last_synced_at = ?8, last_error = NULL, comments_until = ?8, look_at = ?8, look_failures = 0,
             event_sequence = 0, version = version + 1, updated_at = ?8",
        (
            webhook_id.as_bytes(),
            incident_id.as_bytes(),
            &ticket.id,
            &ticket.key,
            &ticket.url,
            ticket.phase.as_str(),
            &ticket.status,
            change.at.as_millis(),
        ),
    )?;
    let sentence = format!("linked the ticket {}", ticket.key);
    say(context.connection, incident_id, change, &sentence)?;
    audit::write(context.connection, change, "ticket.link", incident_id, &sentence)?;
    deliver_latest(context, incident_id, webhook_id, change.at)?;
    Ok(())
}

/// Parts an incident and its ticket. The next one has another marker, so that this one is not found again.
pub fn unlink(
    context: &WriteContext<'_>,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    change: &Change,
) -> StoreResult<()> {
    let link = ticket_rows::load(context.connection, webhook_id, incident_id)?;
    let Some(ticket) = link.as_ref().and_then(|link| link.ticket()) else {
        return Err(StoreError::NotFound { what: "ticket" });
    };
    execute(
        context.connection,
        "UPDATE ticket_links SET state = 'unlinked', generation = generation + 1, ticket_id = NULL, ticket_key = NULL,
             ticket_url = NULL, phase = NULL, status = NULL, seen = NULL, is_asked = 0, creates = 0, is_swept = 0, look_at = NULL,
             last_error = NULL, version = version + 1, updated_at = ?3
         WHERE webhook_id = ?1 AND incident_id = ?2 AND state = 'linked'",
        (
            webhook_id.as_bytes(),
            incident_id.as_bytes(),
            change.at.as_millis(),
        ),
    )?;
    execute(
        context.connection,
        "DELETE FROM memories WHERE webhook_id = ?1 AND incident_id = ?2",
        (webhook_id.as_bytes(), incident_id.as_bytes()),
    )?;
    let sentence = format!("unlinked the ticket {}", ticket.key);
    say(context.connection, incident_id, change, &sentence)?;
    audit::write(
        context.connection,
        change,
        "ticket.unlink",
        incident_id,
        &sentence,
    )
}

/// A line in the incident's timeline.
fn say(connection: &Connection, incident_id: IncidentId, change: &Change, sentence: &str) -> StoreResult<()> {
    write_note(
        connection,
        incident_id,
        change.audit_id,
        change.at,
        &change.actor.encode(),
        sentence,
    )
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

/// Has the tickets of an incident told of something that makes no event: their adapters see that it has changed.
pub fn tell_linked(
    context: &mut WriteContext<'_>,
    incident_id: IncidentId,
    now: Timestamp,
) -> StoreResult<()> {
    let webhooks = read_all(
        context.connection,
        "SELECT l.webhook_id FROM ticket_links l CROSS JOIN webhooks w ON w.id = l.webhook_id
         WHERE l.incident_id = ?1 AND l.state = 'linked' AND w.deleted_at IS NULL",
        [incident_id.as_bytes()],
        |row| row.get(0).map(WebhookId::from_bytes),
    )?;
    for webhook_id in webhooks {
        deliver_latest(context, incident_id, webhook_id, now)?;
    }
    Ok(())
}

/// Has the latest event of an incident delivered to a webhook: for the first time, or again. One that is open already will do.
pub fn deliver_latest(
    context: &mut WriteContext<'_>,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    now: Timestamp,
) -> StoreResult<DeliveryId> {
    let latest = read_one(
        context.connection,
        "SELECT max(sequence) FROM events WHERE incident_id = ?1 AND is_test = 0",
        [incident_id.as_bytes()],
        |row| row.get::<_, Option<i64>>(0),
    )?;
    let sequence = latest.flatten().ok_or(StoreError::NotFound { what: "event" })?;
    let found = read_one(
        context.connection,
        "SELECT id, finished_at IS NULL FROM deliveries INDEXED BY deliveries_lane
         WHERE incident_id = ?1 AND webhook_id = ?2 AND event_sequence = ?3 AND is_test = 0",
        (incident_id.as_bytes(), webhook_id.as_bytes(), sequence),
        |row| Ok((DeliveryId::from_bytes(row.get(0)?), row.get::<_, bool>(1)?)),
    )?;
    let mut wakes = Wakes::default();
    let id = match found {
        Some((id, true)) => {
            hurry(context, incident_id, webhook_id, now, &mut wakes)?;
            id
        }
        Some((id, false)) => {
            let finished = Finished::in_lane(id, incident_id);
            replays::reopen(
                context,
                &finished,
                webhook_id,
                Ordering::Incident,
                now,
                &mut wakes,
            )?;
            id
        }
        None => make(context, incident_id, webhook_id, sequence, now, &mut wakes)?,
    };
    wakes.send_after_commit(context);
    Ok(id)
}

/// A delivery of an event that the webhook did not want, or that happened before there was the webhook.
fn make(
    context: &mut WriteContext<'_>,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    sequence: i64,
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<DeliveryId> {
    let event = events::load(context.connection, sequence)?;
    // It waits since now, however long ago the event was.
    let event = Event { at: now, ..event };
    let id = outbox::delivery_id(now, event.id, webhook_id);
    let birth = match lanes::has_open(context.connection, incident_id, webhook_id)? {
        true => Birth::Queued,
        false => Birth::Scheduled,
    };
    outbox::insert_delivery(context, id, webhook_id, &event, birth)?;
    context.count_accepted(webhook_id);
    if is_enabled(context, webhook_id)? {
        wakes.add(webhook_id, now);
    }
    Ok(id)
}

/// Makes the head of a lane due now, if it waits for its time.
pub fn hurry(
    context: &mut WriteContext<'_>,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<()> {
    let hurried = execute(
        context.connection,
        "UPDATE deliveries SET due_at = ?3
         WHERE incident_id = ?1 AND webhook_id = ?2 AND state = 'scheduled' AND is_test = 0 AND due_at > ?3",
        (incident_id.as_bytes(), webhook_id.as_bytes(), now.as_millis()),
    )?;
    if hurried > 0 && is_enabled(context, webhook_id)? {
        wakes.add(webhook_id, now);
    }
    Ok(())
}
