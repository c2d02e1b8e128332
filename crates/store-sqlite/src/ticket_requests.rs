//! Ticket links by hand: asking for a ticket, linking, unlinking, and having tickets told. What is told goes the way of every
//! delivery.

use rusqlite::Connection;

use model::audit::Change;
use model::event::Event;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::ticket::Ticket;
use model::time::Timestamp;
use model::webhook::Ordering;
use store::StoreError;
use store::StoreResult;
use store::tickets::Requested;

use super::audit;
use super::claims::{Wakes, is_enabled};
use super::events;
use super::incident_rows;
use super::lanes;
use super::outbox::{self, InitialState};
use super::replays::{self, Finished};
use super::statements::{execute, read_all, read_one};
use super::ticket_changes::{owner, write_note};
use super::ticket_rows;
use super::writer::WriteContext;

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
        let asked = execute(
            context.connection,
            "INSERT INTO ticket_links (webhook_id, incident_id, state, is_asked, comments_until, created_at, updated_at)
             VALUES (?1, ?2, 'wanted', 1, ?3, ?3, ?3)
             ON CONFLICT (webhook_id, incident_id) DO UPDATE SET state = iif(state = 'intended', state, 'wanted'),
                 is_asked = 1, event_sequence = 0,
                 comments_until = ?3, version = version + 1, last_error = NULL, updated_at = ?3
             WHERE state <> 'linked' AND (is_asked = 0 OR state = 'unlinked')",
            (
                webhook_id.as_bytes(),
                incident_id.as_bytes(),
                change.at.as_millis(),
            ),
        )?;
        if asked == 1 {
            say(context.connection, incident_id, change, "asked for a ticket")?;
        }
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
             seen, sweeps, last_synced_at, comments_until, look_at, created_at, updated_at)
         VALUES (?1, ?2, 'linked', ?3, ?4, ?5, ?6, ?7, ?6, 0, ?8, ?8, ?8, ?8, ?8)
         ON CONFLICT (webhook_id, incident_id) DO UPDATE SET state = 'linked', intended_at = NULL, hinted = NULL,
             ticket_id = ?3, ticket_key = ?4, ticket_url = ?5, phase = ?6, status = ?7, seen = ?6, sweeps = 0, creates = 0,
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
    forget_progress(context.connection, incident_id, webhook_id)?;
    execute(
        context.connection,
        "UPDATE ticket_links SET state = 'unlinked', generation = generation + 1, ticket_id = NULL, ticket_key = NULL,
             ticket_url = NULL, phase = NULL, status = NULL, seen = NULL, is_asked = 0, creates = 0, sweeps = 0, look_at = NULL,
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

/// What deliveries that wait know of the ticket is void; one that is being sent cannot be told, and has to end first.
fn forget_progress(
    connection: &Connection,
    incident_id: IncidentId,
    webhook_id: WebhookId,
) -> StoreResult<()> {
    let lane = (incident_id.as_bytes(), webhook_id.as_bytes());
    let is_sending = read_one(
        connection,
        "SELECT 1 FROM deliveries INDEXED BY deliveries_lane
         WHERE incident_id = ?1 AND webhook_id = ?2 AND is_test = 0 AND state = 'claimed' LIMIT 1",
        lane,
        |_| Ok(()),
    )?;
    if is_sending.is_some() {
        let detail = "the ticket is being told something; try again in a moment";
        return Err(StoreError::Conflict(detail.into()));
    }
    execute(
        connection,
        "UPDATE deliveries SET progress = NULL WHERE incident_id = ?1 AND webhook_id = ?2 AND is_test = 0",
        lane,
    )
    .map(|_| ())
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

/// Has the tickets of an incident told of something that makes no event: what was delivered last is delivered again, and their
/// adapters see what has changed. What is on its way already, and a webhook that drops what it misses, need no second telling.
pub fn tell_linked(
    context: &mut WriteContext<'_>,
    incident_id: IncidentId,
    now: Timestamp,
) -> StoreResult<()> {
    let told = read_all(
        context.connection,
        "SELECT l.webhook_id, (
             SELECT d.id FROM deliveries d INDEXED BY deliveries_lane
             WHERE d.incident_id = l.incident_id AND d.webhook_id = l.webhook_id AND d.is_test = 0
             ORDER BY d.event_sequence DESC LIMIT 1)
         FROM ticket_links l CROSS JOIN webhooks w ON w.id = l.webhook_id
         WHERE l.incident_id = ?1 AND l.state = 'linked' AND w.deleted_at IS NULL
             AND (w.disabled_since IS NULL OR w.when_disabled = 'hold')",
        [incident_id.as_bytes()],
        |row| {
            let delivery: Option<[u8; 16]> = row.get(1)?;
            Ok((
                WebhookId::from_bytes(row.get(0)?),
                delivery.map(DeliveryId::from_bytes),
            ))
        },
    )?;
    let mut wakes = Wakes::default();
    for (webhook_id, last) in told {
        let is_open = lanes::has_open(context.connection, incident_id, webhook_id)?;
        if let Some(last) = last.filter(|_| !is_open) {
            let finished = Finished::in_lane(last, incident_id);
            replays::reopen(
                context,
                &finished,
                webhook_id,
                Ordering::Incident,
                now,
                &mut wakes,
            )?;
        }
    }
    wakes.send_after_commit(context);
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
            expedite(context, incident_id, webhook_id, now, &mut wakes)?;
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
    let initial_state = match lanes::has_open(context.connection, incident_id, webhook_id)? {
        true => InitialState::Queued,
        false => InitialState::Scheduled,
    };
    outbox::insert_delivery(context, id, webhook_id, &event, initial_state)?;
    context.count_accepted(webhook_id);
    if is_enabled(context, webhook_id)? {
        wakes.add(webhook_id, now);
    }
    Ok(id)
}

/// Makes the head of a lane due now, if it waits for its time.
pub fn expedite(
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
