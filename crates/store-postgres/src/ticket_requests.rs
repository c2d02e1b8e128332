//! Ticket links by hand: asking for a ticket, linking, unlinking, and having tickets told. What is told goes the way of every
//! delivery.
//!
//! Each locks the incident first: its lanes get no new deliveries meanwhile.

use tokio_postgres::Row;

use model::audit::Change;
use model::event::Event;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::ticket::Ticket;
use model::time::Timestamp;
use model::webhook::Ordering;
use store::StoreError;
use store::StoreResult;
use store::queue::AttemptRecord;
use store::ticket_plan::{LinkRow, TicketsNeedTelling};
use store::tickets::Requested;

use super::audit;
use super::claims::{Wakes, is_enabled};
use super::columns::{bytes, optional_number, parsed, value};
use super::connection::Connection;
use super::events;
use super::incident_rows;
use super::lanes;
use super::outbox::{self, InitialState};
use super::replays::{self, Finished};
use super::ticket_changes::write_note;
use super::ticket_rows::{self, owner};
use super::tickets;
use super::writer::WriteContext;

/// Somebody wants a ticket, or wants it brought in line.
pub async fn request(
    context: &mut WriteContext,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    change: &Change,
) -> StoreResult<Requested> {
    let connection = &context.connection;
    lock_incident(connection, incident_id).await?;
    let row = ticket_rows::lock(connection, webhook_id, incident_id).await?;
    let row = row.unwrap_or_else(|| LinkRow::new(webhook_id, incident_id, change.at));
    if let Some(asked) = row.clone().ask(change.at) {
        ticket_rows::write(connection, &asked).await?;
        say(connection, incident_id, change, "asked for a ticket").await?;
    } else if let Some(ticket) = row.ticket() {
        let sentence = format!("had the ticket {} told again", ticket.key);
        say(connection, incident_id, change, &sentence).await?;
    }
    let delivery_id = deliver_latest(context, incident_id, webhook_id, change.at).await?;
    audit::write(
        &context.connection,
        change,
        "ticket.request",
        incident_id,
        &format!("asked webhook {webhook_id} for a ticket, or to bring it in line"),
    )
    .await?;
    Ok(Requested::OnItsWay(delivery_id))
}

/// Joins an incident and a ticket, and has the ticket told.
pub async fn link(
    context: &mut WriteContext,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    ticket: &Ticket,
    change: &Change,
) -> StoreResult<()> {
    let connection = &context.connection;
    lock_incident(connection, incident_id).await?;
    let before = ticket_rows::lock(connection, webhook_id, incident_id).await?;
    if let Some(before) = before.as_ref().and_then(LinkRow::ticket) {
        return Err(StoreError::Conflict(format!(
            "the incident has the ticket {} already; unlink it first",
            before.key
        )));
    }
    if let Some(other) = owner(connection, webhook_id, &ticket.id).await? {
        return Err(StoreError::Conflict(format!(
            "the ticket {} belongs to the incident {other}",
            ticket.key
        )));
    }
    if lanes::has_open(connection, incident_id, webhook_id).await? {
        let detail = "an event of the incident is on its way to this webhook; try again in a moment";
        return Err(StoreError::Conflict(detail.into()));
    }
    let row = before.unwrap_or_else(|| LinkRow::new(webhook_id, incident_id, change.at));
    ticket_rows::write(connection, &row.join(ticket, change.at)).await?;
    let sentence = format!("linked the ticket {}", ticket.key);
    say(connection, incident_id, change, &sentence).await?;
    audit::write(connection, change, "ticket.link", incident_id, &sentence).await?;
    deliver_latest(context, incident_id, webhook_id, change.at).await?;
    Ok(())
}

/// Parts an incident and its ticket. The next one has another marker, so that this one is not found again.
pub async fn unlink(
    connection: &Connection,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    change: &Change,
) -> StoreResult<()> {
    incident_rows::lock(connection, &[incident_id]).await?;
    let row = ticket_rows::lock(connection, webhook_id, incident_id).await?;
    let Some(row) = row.filter(LinkRow::can_be_parted) else {
        return Err(StoreError::NotFound { what: "ticket" });
    };
    let sentence = row.parting_sentence();
    expect_nothing_in_flight(connection, incident_id, webhook_id).await?;
    ticket_rows::write(connection, &row.part(change.at)).await?;
    say(connection, incident_id, change, &sentence).await?;
    audit::write(connection, change, "ticket.unlink", incident_id, &sentence).await
}

/// Keeps everybody else from changing an incident, which must be there.
async fn lock_incident(connection: &Connection, incident_id: IncidentId) -> StoreResult<()> {
    let locked = incident_rows::lock(connection, &[incident_id]).await?;
    match locked.is_empty() {
        true => Err(StoreError::NotFound { what: "incident" }),
        false => Ok(()),
    }
}

/// A delivery that is being sent cannot be told that its ticket is another, and has to end first.
async fn expect_nothing_in_flight(
    connection: &Connection,
    incident_id: IncidentId,
    webhook_id: WebhookId,
) -> StoreResult<()> {
    let sql = "SELECT 1 FROM deliveries
               WHERE incident_id = $1 AND webhook_id = $2 AND NOT is_test AND state = 'claimed' LIMIT 1";
    let (incident_id, webhook_id) = (&incident_id.as_bytes()[..], &webhook_id.as_bytes()[..]);
    match connection.finds(sql, &[&incident_id, &webhook_id]).await? {
        true => {
            let detail = "the ticket is being told something; try again in a moment";
            Err(StoreError::Conflict(detail.into()))
        }
        false => Ok(()),
    }
}

/// A line in the incident's timeline.
async fn say(
    connection: &Connection,
    incident_id: IncidentId,
    change: &Change,
    sentence: &str,
) -> StoreResult<()> {
    let (id, at) = (change.audit_id, change.at);
    write_note(connection, incident_id, id, at, &change.actor, sentence).await
}

/// Has the tickets of an incident told of something that makes no event: what was delivered last is delivered again, and their
/// adapters see what has changed. What is on its way already, and a webhook that drops what it misses, need no second telling.
pub async fn tell_linked(
    context: &mut WriteContext,
    incident_id: IncidentId,
    news: TicketsNeedTelling,
    now: Timestamp,
) -> StoreResult<()> {
    let sql = "SELECT l.webhook_id, w.options FROM ticket_links l JOIN webhooks w ON w.id = l.webhook_id
               WHERE l.incident_id = $1 AND l.ticket_id IS NOT NULL AND w.deleted_at IS NULL
                   AND (w.disabled_since IS NULL OR w.when_disabled = 'hold')
               ORDER BY l.webhook_id";
    let told = context
        .connection
        .read_all(sql, &[&&incident_id.as_bytes()[..]], |row| {
            let options = parsed(row, "options", |json| serde_json::from_str(json).ok())?;
            Ok((WebhookId::from_bytes(bytes(row, "webhook_id")?), options))
        })
        .await?;
    let mut wakes = Wakes::default();
    for (webhook_id, options) in told {
        if news.concerns(&options) {
            tell_again(context, incident_id, webhook_id, now, &mut wakes).await?;
        }
    }
    wakes.send_after_commit(context);
    Ok(())
}

/// Has a ticket told again by the last delivery of its lane, unless that is on its way. One of an earlier event than the ticket was
/// told of, which may be under way, tells nothing. Locks the incident.
async fn tell_again(
    context: &mut WriteContext,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<()> {
    // Whatever is open there stays so until this transaction has ended.
    lanes::has_open(&context.connection, incident_id, webhook_id).await?;
    let sql = "SELECT id, finished_at IS NULL AS is_open FROM deliveries
               WHERE incident_id = $1 AND webhook_id = $2 AND NOT is_test AND event_sequence >= coalesce((
                   SELECT l.event_sequence FROM ticket_links l WHERE l.webhook_id = $2 AND l.incident_id = $1), 0)
               ORDER BY event_sequence DESC LIMIT 1";
    let lane = (&incident_id.as_bytes()[..], &webhook_id.as_bytes()[..]);
    let from_row = |row: &Row| {
        let id = DeliveryId::from_bytes(bytes(row, "id")?);
        Ok((id, value(row, "is_open")?))
    };
    let last = context
        .connection
        .read_one(sql, &[&lane.0, &lane.1], from_row)
        .await?;
    match last {
        Some((_, true)) => Ok(()),
        Some((last, false)) => reopen(context, (incident_id, webhook_id), last, now, wakes).await,
        // What was delivered is pruned.
        None => match latest_event(&context.connection, incident_id).await? {
            Some(sequence) => make(context, incident_id, webhook_id, sequence, now, wakes)
                .await
                .map(drop),
            None => Ok(()),
        },
    }
}

/// An edit or a note that came while the ticket was being told waited for that to end: it was not told.
pub async fn tell_what_came_meanwhile(
    context: &mut WriteContext,
    record: &AttemptRecord,
    now: Timestamp,
) -> StoreResult<()> {
    let Some(seen) = record.ticket_content.as_deref().filter(|_| !record.is_test) else {
        return Ok(());
    };
    let (incident_id, webhook_id) = (record.incident_id, record.webhook_id);
    let now_known = tickets::recall(&context.connection, webhook_id, incident_id).await?;
    let is_linked = now_known
        .link
        .as_ref()
        .is_some_and(|link| link.ticket().is_some());
    if is_linked && now_known.content() != *seen {
        let mut wakes = Wakes::default();
        tell_again(context, incident_id, webhook_id, now, &mut wakes).await?;
        wakes.send_after_commit(context);
    }
    Ok(())
}

/// Has the latest event of an incident delivered to a webhook: for the first time, or again. One that is open already will do.
pub async fn deliver_latest(
    context: &mut WriteContext,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    now: Timestamp,
) -> StoreResult<DeliveryId> {
    let latest = latest_event(&context.connection, incident_id).await?;
    let sequence = latest.ok_or(StoreError::NotFound { what: "event" })?;
    let found = delivery_of(&context.connection, incident_id, webhook_id, sequence).await?;
    let mut wakes = Wakes::default();
    let id = match found {
        Some((id, true)) => {
            expedite(context, incident_id, webhook_id, now, &mut wakes).await?;
            id
        }
        Some((id, false)) => {
            reopen(context, (incident_id, webhook_id), id, now, &mut wakes).await?;
            id
        }
        None => make(context, incident_id, webhook_id, sequence, now, &mut wakes).await?,
    };
    wakes.send_after_commit(context);
    Ok(id)
}

/// An incident's latest event, unless it is pruned.
async fn latest_event(connection: &Connection, incident_id: IncidentId) -> StoreResult<Option<i64>> {
    let sql = "SELECT max(sequence) AS latest FROM events WHERE incident_id = $1 AND NOT is_test";
    let latest = connection
        .read_one(sql, &[&&incident_id.as_bytes()[..]], |row| {
            optional_number(row, "latest")
        })
        .await?;
    Ok(latest.flatten())
}

/// The delivery of an event to a webhook, and whether it is open; it stays as it is until the transaction ends.
async fn delivery_of(
    connection: &Connection,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    sequence: i64,
) -> StoreResult<Option<(DeliveryId, bool)>> {
    let sql = "SELECT id, finished_at IS NULL AS is_open FROM deliveries
               WHERE incident_id = $1 AND webhook_id = $2 AND event_sequence = $3 AND NOT is_test FOR UPDATE";
    let from_row = |row: &Row| {
        let id = DeliveryId::from_bytes(bytes(row, "id")?);
        Ok((id, value(row, "is_open")?))
    };
    let (incident_id, webhook_id) = (&incident_id.as_bytes()[..], &webhook_id.as_bytes()[..]);
    connection
        .read_one(sql, &[&incident_id, &webhook_id, &sequence], from_row)
        .await
}

async fn reopen(
    context: &mut WriteContext,
    (incident_id, webhook_id): (IncidentId, WebhookId),
    id: DeliveryId,
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<()> {
    let finished = Finished::in_lane(id, incident_id);
    replays::reopen(context, &finished, webhook_id, Ordering::Incident, now, wakes).await
}

/// A delivery of an event that the webhook did not want, that happened before there was the webhook, or whose delivery is pruned.
async fn make(
    context: &mut WriteContext,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    sequence: i64,
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<DeliveryId> {
    let event = events::load(&context.connection, sequence).await?;
    // It waits since now, however long ago the event was.
    let event = Event { at: now, ..event };
    let id = outbox::delivery_id(now, event.id, webhook_id);
    let initial_state = match lanes::has_open(&context.connection, incident_id, webhook_id).await? {
        true => InitialState::Queued,
        false => InitialState::Scheduled,
    };
    outbox::insert_delivery(context, id, webhook_id, &event, initial_state).await?;
    context.count_accepted(webhook_id);
    if is_enabled(context, webhook_id).await? {
        wakes.add(webhook_id, now);
    }
    Ok(id)
}

/// Makes the head of a lane due now, if it waits for its time.
pub async fn expedite(
    context: &mut WriteContext,
    incident_id: IncidentId,
    webhook_id: WebhookId,
    now: Timestamp,
    wakes: &mut Wakes,
) -> StoreResult<()> {
    let sql = "UPDATE deliveries SET due_at = $3
               WHERE incident_id = $1 AND webhook_id = $2 AND state = 'scheduled' AND NOT is_test AND due_at > $3";
    let lane = (&incident_id.as_bytes()[..], &webhook_id.as_bytes()[..]);
    let hurried = context
        .connection
        .execute(sql, &[&lane.0, &lane.1, &now.as_millis()])
        .await?;
    if hurried > 0 && is_enabled(context, webhook_id).await? {
        wakes.add(webhook_id, now);
    }
    Ok(())
}
