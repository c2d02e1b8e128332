//! Reading tickets again: what is due, what was found, what follows from it. The incident follows its ticket in the
//! transaction in which the link learns of the change.

use async_trait::async_trait;
use rusqlite::Connection;

use model::audit::{Actor, Change};
use model::id::{IncidentId, WebhookId};
use model::ticket::{TicketLink, action_after_reading, next_poll_at};
use model::time::Timestamp;
use store::StoreResult;
use store::incidents::{Committed, TransitionRequest};
use store::tickets::{
    BUSY_WAIT, DuePoll, DuplicateCheck, MAX_DUPLICATE_CHECKS, NotificationEffect, NotificationRecord,
    POLL_LEASE, PollOutcome, PollResult, TicketPolls,
};

use super::audit;
use super::claims::Wakes;
use super::database::Database;
use super::incident_rows;
use super::lanes;
use super::statements::{execute, read_all, read_one};
use super::ticket_changes::{self, owner, write_note};
use super::ticket_requests;
use super::ticket_rows::{self, link_from_row, select_links};
use super::transitions;
use super::writer::WriteContext;

#[async_trait]
impl TicketPolls for Database {
    async fn record_notification(
        &self,
        webhook_id: WebhookId,
        notification: NotificationRecord,
        now: Timestamp,
    ) -> StoreResult<NotificationEffect> {
        self.write(move |context| take_notification(context, webhook_id, &notification, now))
            .await
    }

    async fn is_any_due(&self, now: Timestamp) -> StoreResult<bool> {
        self.read(move |connection| is_any_due(connection, now)).await
    }

    async fn take_due(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<DuePoll>> {
        // Most of the time nothing is due: that is found out without a transaction.
        if !TicketPolls::is_any_due(self, now).await? {
            return Ok(Vec::new());
        }
        self.write(move |context| take_due(context, now, limit)).await
    }

    async fn record_poll(&self, polled: PollResult) -> StoreResult<PollOutcome> {
        self.write_checked(move |context| follow(context, &polled)).await
    }

    async fn postpone_poll(
        &self,
        webhook_id: WebhookId,
        incident_id: IncidentId,
        at: Timestamp,
    ) -> StoreResult<()> {
        self.write(move |context| set_look_at(context.connection, webhook_id, incident_id, at))
            .await
    }

    async fn record_failed_poll(
        &self,
        webhook_id: WebhookId,
        incident_id: IncidentId,
        ticket_id: String,
        error: String,
        now: Timestamp,
    ) -> StoreResult<()> {
        self.write(move |context| {
            fail(
                context.connection,
                (webhook_id, incident_id, &ticket_id),
                &error,
                now,
            )
        })
        .await
    }

    async fn record_duplicate_check(
        &self,
        webhook_id: WebhookId,
        incident_id: IncidentId,
        ticket_id: String,
        found: DuplicateCheck,
        change: Change,
    ) -> StoreResult<()> {
        self.write(move |context| {
            apply_duplicate_check(
                context.connection,
                (webhook_id, incident_id, &ticket_id),
                &found,
                &change,
            )
        })
        .await
    }
}

fn take_notification(
    context: &mut WriteContext<'_>,
    webhook_id: WebhookId,
    notification: &NotificationRecord,
    now: Timestamp,
) -> StoreResult<NotificationEffect> {
    if let Some(receipt) = &notification.receipt
        && !is_first(context, webhook_id, receipt, now)?
    {
        return Ok(NotificationEffect::Nothing);
    }
    let polls = execute(
        context.connection,
        "UPDATE ticket_links SET look_at = min(coalesce(look_at, ?3), ?3), version = version + 1
         WHERE webhook_id = ?1 AND ticket_id = ?2",
        (webhook_id.as_bytes(), &notification.ticket_id, now.as_millis()),
    )?;
    if polls > 0 {
        return Ok(NotificationEffect::PollDue);
    }
    let Some((incident_id, generation)) = notification.marker else {
        return Ok(NotificationEffect::Nothing);
    };
    let found = execute(
        context.connection,
        "UPDATE ticket_links SET hinted = ?4 WHERE webhook_id = ?1 AND incident_id = ?2 AND generation = ?3
             AND state = 'intended' AND hinted IS NULL",
        (
            webhook_id.as_bytes(),
            incident_id.as_bytes(),
            generation,
            &notification.ticket_id,
        ),
    )?;
    if found == 0 {
        return Ok(NotificationEffect::Nothing);
    }
    let mut wakes = Wakes::default();
    ticket_requests::expedite(context, incident_id, webhook_id, now, &mut wakes)?;
    wakes.send_after_commit(context);
    Ok(NotificationEffect::Found)
}

/// Whether a call of a ticket system is told for the first time.
fn is_first(
    context: &WriteContext<'_>,
    webhook_id: WebhookId,
    receipt: &str,
    now: Timestamp,
) -> StoreResult<bool> {
    let inserted = execute(
        context.connection,
        "INSERT INTO receipts (owner, key, request_hash, node, created_at) VALUES (?1, ?2, zeroblob(32), ?3, ?4)
         ON CONFLICT (owner, key) DO NOTHING",
        (
            format!("inbound:{webhook_id}"),
            receipt,
            context.node,
            now.as_millis(),
        ),
    )?;
    Ok(inserted == 1)
}

fn is_any_due(connection: &Connection, now: Timestamp) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM ticket_links WHERE look_at IS NOT NULL AND look_at <= ?1 LIMIT 1";
    Ok(read_one(connection, sql, [now.as_millis()], |_| Ok(()))?.is_some())
}

fn take_due(context: &WriteContext<'_>, now: Timestamp, limit: u32) -> StoreResult<Vec<DuePoll>> {
    let due = read_all(
        context.connection,
        select_links!(
            ", l.sweeps < ?3 AND l.creates > 1 AS must_sweep, EXISTS (
                SELECT 1 FROM deliveries d INDEXED BY deliveries_lane
                WHERE d.incident_id = l.incident_id AND d.webhook_id = l.webhook_id AND d.is_test = 0
                    AND d.finished_at IS NULL) AS is_busy",
            "CROSS JOIN webhooks w ON w.id = l.webhook_id
             WHERE l.look_at IS NOT NULL AND l.look_at <= ?1 AND l.state = 'linked'
                 AND w.deleted_at IS NULL AND w.disabled_since IS NULL
             ORDER BY l.look_at LIMIT ?2"
        ),
        (now.as_millis(), limit, MAX_DUPLICATE_CHECKS),
        |row| {
            let look = DuePoll {
                link: link_from_row(row)?,
                must_check_duplicates: row.get("must_sweep")?,
            };
            Ok((look, row.get::<_, bool>("is_busy")?))
        },
    )?;
    if due.is_empty() {
        put_off_disabled(context.connection, now)?;
    }
    let mut taken = Vec::with_capacity(due.len());
    for (look, is_busy) in due {
        // What is read while something of ours is on its way there would not be believed.
        let wait = if is_busy { BUSY_WAIT } else { POLL_LEASE };
        let link = &look.link;
        set_look_at(
            context.connection,
            link.webhook_id,
            link.incident_id,
            now.plus(wait),
        )?;
        if !is_busy {
            taken.push(look);
        }
    }
    Ok(taken)
}

/// Tickets of webhooks that are disabled are looked at later, lest they stand at the front for ever; those of deleted ones never.
fn put_off_disabled(connection: &Connection, now: Timestamp) -> StoreResult<()> {
    execute(
        connection,
        "UPDATE ticket_links SET look_at = iif((
             SELECT deleted_at FROM webhooks w WHERE w.id = ticket_links.webhook_id) IS NULL, ?2, NULL)
         WHERE look_at IS NOT NULL AND look_at <= ?1",
        (now.as_millis(), now.plus(POLL_LEASE).as_millis()),
    )
    .map(|_| ())
}

fn set_look_at(
    connection: &Connection,
    webhook_id: WebhookId,
    incident_id: IncidentId,
    at: Timestamp,
) -> StoreResult<()> {
    execute(
        connection,
        "UPDATE ticket_links SET look_at = ?3 WHERE webhook_id = ?1 AND incident_id = ?2",
        (webhook_id.as_bytes(), incident_id.as_bytes(), at.as_millis()),
    )
    .map(|_| ())
}

/// Lets an incident follow its ticket, unless something of ours is on its way there.
fn follow(context: &mut WriteContext<'_>, polled: &PollResult) -> StoreResult<PollOutcome> {
    let now = polled.change.at;
    let link = ticket_rows::load(context.connection, polled.webhook_id, polled.incident_id)?;
    let Some(link) = link else {
        return Ok(PollOutcome::Gone);
    };
    if link.ticket().is_none_or(|ticket| ticket.id != polled.ticket.id) {
        return Ok(PollOutcome::Gone);
    }
    let is_busy = link.version != polled.version
        || lanes::has_open(context.connection, polled.incident_id, polled.webhook_id)?;
    if is_busy {
        set_look_at(
            context.connection,
            link.webhook_id,
            link.incident_id,
            now.plus(BUSY_WAIT),
        )?;
        return Ok(PollOutcome::Busy);
    }
    let incident = incident_rows::load(context.connection, polled.incident_id)?.incident;
    let action = action_after_reading(polled.purpose, link.seen, polled.ticket.phase, incident.status);
    take_comments(context.connection, polled)?;
    let committed = match action {
        Some(action) => Some(transitions::transition(
            context,
            TransitionRequest {
                incident_id: polled.incident_id,
                action,
                event_id: polled.event_id,
                change: polled.change.clone(),
                receipt: None,
            },
        )?),
        None => None,
    };
    let after = match &committed {
        Some(Committed::Changed(incident)) => incident.clone(),
        _ => incident,
    };
    let next = next_poll_at(after.status, after.resolved_at, 0, now);
    write_seen(context.connection, &link, polled, next)?;
    Ok(match committed {
        Some(committed) => PollOutcome::Followed(Box::new(committed)),
        None => PollOutcome::InLine,
    })
}

/// What was read is what was seen last.
fn write_seen(
    connection: &Connection,
    link: &TicketLink,
    polled: &PollResult,
    next: Option<Timestamp>,
) -> StoreResult<()> {
    let comments_until = polled.comments.iter().map(|comment| comment.at).max();
    let comments_until = comments_until.map_or(link.comments_until, |at| at.max(link.comments_until));
    let ticket = &polled.ticket;
    execute(
        connection,
        "UPDATE ticket_links SET ticket_key = ?3, ticket_url = ?4, phase = ?5, status = ?6, seen = ?5, last_synced_at = ?7,
             last_error = NULL, look_at = ?8, look_failures = 0, comments_until = ?9, version = version + 1,
             updated_at = ?7
         WHERE webhook_id = ?1 AND incident_id = ?2 AND state = 'linked'",
        (
            polled.webhook_id.as_bytes(),
            polled.incident_id.as_bytes(),
            &ticket.key,
            &ticket.url,
            ticket.phase.as_str(),
            &ticket.status,
            polled.change.at.as_millis(),
            next.map(Timestamp::as_millis),
            comments_until.as_millis(),
        ),
    )
    .map(|_| ())
}

fn take_comments(connection: &Connection, polled: &PollResult) -> StoreResult<()> {
    polled.comments.iter().try_for_each(|comment| {
        write_note(
            connection,
            polled.incident_id,
            comment.id,
            comment.at,
            &comment.actor.encode(),
            &comment.sentence,
        )
    })
}

fn fail(
    connection: &Connection,
    (webhook_id, incident_id, ticket_id): (WebhookId, IncidentId, &str),
    error: &str,
    now: Timestamp,
) -> StoreResult<()> {
    let key = (webhook_id.as_bytes(), incident_id.as_bytes());
    let failures = read_one(
        connection,
        "SELECT look_failures FROM ticket_links WHERE webhook_id = ?1 AND incident_id = ?2",
        key,
        |row| row.get::<_, u32>(0),
    )?;
    let failures = failures.unwrap_or(0).saturating_add(1);
    let next = ticket_changes::look_at(connection, incident_id, failures, now)?;
    execute(
        connection,
        "UPDATE ticket_links SET look_failures = ?3, look_at = ?4, last_error = ?5, updated_at = ?6
         WHERE webhook_id = ?1 AND incident_id = ?2 AND ticket_id = ?7",
        (
            key.0,
            key.1,
            failures,
            next.map(Timestamp::as_millis),
            error,
            now.as_millis(),
            ticket_id,
        ),
    )
    .map(|_| ())
}

fn apply_duplicate_check(
    connection: &Connection,
    (webhook_id, incident_id, ticket_id): (WebhookId, IncidentId, &str),
    found: &DuplicateCheck,
    change: &Change,
) -> StoreResult<()> {
    let key = (webhook_id.as_bytes(), incident_id.as_bytes());
    execute(
        connection,
        "UPDATE ticket_links SET sweeps = iif(?3, ?4, sweeps + 1)
         WHERE webhook_id = ?1 AND incident_id = ?2 AND ticket_id = ?5",
        (
            key.0,
            key.1,
            *found == DuplicateCheck::Clean,
            MAX_DUPLICATE_CHECKS,
            ticket_id,
        ),
    )?;
    let DuplicateCheck::Merged(Some(stays)) = found else {
        return Ok(());
    };
    if owner(connection, webhook_id, &stays.id)?.is_some() {
        return Ok(());
    }
    let moved = execute(
        connection,
        "UPDATE ticket_links SET ticket_id = ?3, ticket_key = ?4, ticket_url = ?5, phase = ?6, status = ?7,
             seen = ?6, look_at = ?8, version = version + 1, updated_at = ?8
         WHERE webhook_id = ?1 AND incident_id = ?2 AND ticket_id = ?9",
        (
            key.0,
            key.1,
            &stays.id,
            &stays.key,
            &stays.url,
            stays.phase.as_str(),
            &stays.status,
            change.at.as_millis(),
            ticket_id,
        ),
    )?;
    if moved == 0 {
        return Ok(());
    }
    let sentence = format!("kept the older ticket {} of two that were made", stays.key);
    write_note(
        connection,
        incident_id,
        change.audit_id,
        change.at,
        &Actor::System.encode(),
        &sentence,
    )?;
    audit::write(connection, change, "ticket.join", incident_id, &sentence)
}
