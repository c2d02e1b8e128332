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
use store::delivery_plan::{InitialState, delivery_id};
use store::queue::AttemptRecord;
use store::ticket_plan::{LinkRow, TicketsNeedTelling};
use store::tickets::Requested;

use super::audit;
use super::claims::{Wakes, is_enabled};
use super::columns::parsed;
use super::events;
use super::incident_rows;
use super::lanes;
use super::outbox;
use super::replays::{self, Finished};
use super::statements::{execute, read_all, read_one};
use super::ticket_changes::write_note;
use super::ticket_rows::{self, owner};
use super::tickets;
use super::writer::WriteContext;

/// Somebody wants a ticket, or wants it brought in line.
pub fn request(
    context: &mut WriteContext<'_>,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    change: &Change,
) -> StoreResult<Requested> {
    incident_rows::load(context.connection, incident_id)?;
    let row = ticket_rows::load(context.connection, webhook_id, incident_id)?;
    let row = row.unwrap_or_else(|| LinkRow::new(webhook_id, incident_id, change.at));
    if let Some(asked) = row.clone().ask(change.at) {
        ticket_rows::write(context.connection, &asked)?;
        say(context.connection, incident_id, change, "asked for a ticket")?;
    } else if let Some(ticket) = row.ticket() {
        let sentence = format!("had the ticket {} told again", ticket.key);
        say(context.connection, incident_id, change, &sentence)?;
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
    if let Some(before) = before.as_ref().and_then(LinkRow::ticket) {
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
    let row = before.unwrap_or_else(|| LinkRow::new(webhook_id, incident_id, change.at));
    ticket_rows::write(context.connection, &row.join(ticket, change.at))?;
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
    let row = ticket_rows::load(context.connection, webhook_id, incident_id)?;
    let Some(row) = row.filter(LinkRow::can_be_parted) else {
        return Err(StoreError::NotFound { what: "ticket" });
    };
    let sentence = row.parting_sentence();
    expect_nothing_in_flight(context.connection, incident_id, webhook_id)?;
    ticket_rows::write(context.connection, &row.part(change.at))?;
    say(context.connection, incident_id, change, &sentence)?;
    audit::write(
        context.connection,
        change,
        "ticket.unlink",
        incident_id,
        &sentence,
    )
}

/// A delivery that is being sent cannot be told that its ticket is another, and has to end first.
fn expect_nothing_in_flight(
    connection: &Connection,
    incident_id: IncidentId,
    webhook_id: WebhookId,
) -> StoreResult<()> {
    let is_sending = read_one(
        connection,
        "SELECT 1 FROM deliveries INDEXED BY deliveries_lane
         WHERE incident_id = ?1 AND webhook_id = ?2 AND is_test = 0 AND state = 'claimed' LIMIT 1",
        (incident_id.as_bytes(), webhook_id.as_bytes()),
        |_| Ok(()),
    )?;
    match is_sending {
        Some(()) => {
            let detail = "the ticket is being told something; try again in a moment";
            Err(StoreError::Conflict(detail.into()))
        }
        None => Ok(()),
    }
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
    news: TicketsNeedTelling,
    now: Timestamp,
) -> StoreResult<()> {
    let told = read_all(
        context.connection,
        "SELECT l.webhook_id, w.options FROM ticket_links l CROSS JOIN webhooks w ON w.id = l.webhook_id
         WHERE l.incident_id = ?1 AND l.ticket_id IS NOT NULL AND w.deleted_at IS NULL
             AND (w.disabled_since IS NULL OR w.when_disabled = 'hold')",
        [incident_id.as_bytes()],
        |row| {
            let webhook_id = WebhookId::from_bytes(row.get(0)?);
            Ok((
                webhook_id,
                parsed(row, "options", |json| serde_json::from_str(json).ok())?,
            ))
        },
    )?;
    let mut wakes = Wakes::default();
    for (webhook_id, options) in told {
        if news.concerns(&options) {
            tell_again(context, incident_id, webhook_id, now, &mut wakes)?;
        }
    }
    wakes.send_after_commit(context);
    Ok(())
}

/// Has a ticket told again by the last delivery of its lane, unless that is on its way. One of an earlier event than the ticket was
/// told of, which may be under way, tells nothing.
fn tell_again(
    context: &mut WriteContext<'_>,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<()> {
    let last = read_one(
        context.connection,
        "SELECT id, finished_at IS NULL FROM deliveries INDEXED BY deliveries_lane
         WHERE incident_id = ?1 AND webhook_id = ?2 AND is_test = 0 AND event_sequence >= coalesce((
             SELECT l.event_sequence FROM ticket_links l WHERE l.webhook_id = ?2 AND l.incident_id = ?1), 0)
         ORDER BY event_sequence DESC LIMIT 1",
        (incident_id.as_bytes(), webhook_id.as_bytes()),
        |row| Ok((DeliveryId::from_bytes(row.get(0)?), row.get(1)?)),
    )?;
    match last {
        Some((_, true)) => Ok(()),
        Some((last, false)) => {
            let finished = Finished::in_lane(last, incident_id);
            replays::reopen(context, &finished, webhook_id, Ordering::Incident, now, wakes)
        }
        // What was delivered is pruned.
        None => match latest_event(context.connection, incident_id)? {
            Some(sequence) => make(context, incident_id, webhook_id, sequence, now, wakes).map(drop),
            None => Ok(()),
        },
    }
}

/// An edit or a note that came while the ticket was being told waited for that to end: it was not told.
pub fn tell_what_came_meanwhile(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<()> {
    let Some(seen) = record.ticket_content.as_deref().filter(|_| !record.is_test) else {
        return Ok(());
    };
    let now_known = tickets::recall(context.connection, record.webhook_id, record.incident_id)?;
    let is_linked = now_known
        .link
        .as_ref()
        .is_some_and(|link| link.ticket().is_some());
    match is_linked && now_known.content() != *seen {
        true => tell_again(context, record.incident_id, record.webhook_id, now, wakes),
        false => Ok(()),
    }
}

/// Has the latest event of an incident delivered to a webhook: for the first time, or again. One that is open already will do.
pub fn deliver_latest(
    context: &mut WriteContext<'_>,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    now: Timestamp,
) -> StoreResult<DeliveryId> {
    let latest = latest_event(context.connection, incident_id)?;
    let sequence = latest.ok_or(StoreError::NotFound { what: "event" })?;
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

/// An incident's latest event, unless it is pruned.
fn latest_event(connection: &Connection, incident_id: IncidentId) -> StoreResult<Option<i64>> {
    let latest = read_one(
        connection,
        "SELECT max(sequence) FROM events WHERE incident_id = ?1 AND is_test = 0",
        [incident_id.as_bytes()],
        |row| row.get(0),
    )?;
    Ok(latest.flatten())
}

/// A delivery of an event that the webhook did not want, that happened before there was the webhook, or whose delivery is pruned.
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
    let id = delivery_id(now, event.id, webhook_id);
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
