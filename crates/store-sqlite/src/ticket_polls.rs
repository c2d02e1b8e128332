//! Reading tickets again: what is due, what was found, what follows from it. The incident follows its ticket in the
//! transaction in which the link learns of the change.

use async_trait::async_trait;
use rusqlite::Connection;

use model::audit::{Actor, Change};
use model::id::{AuditId, IncidentId, WebhookId};
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::incidents::{Committed, TransitionRequest};
use store::ticket_plan::{IncidentStanding, LinkRow, PollPlan, WebhookStanding};
use store::tickets::{
    DuePoll, DuplicateCheck, NotificationEffect, NotificationRecord, PollOutcome, PollResult, TicketPolls,
};

use super::audit;
use super::claims::Wakes;
use super::database::Database;
use super::incident_rows;
use super::lanes;
use super::statements::{execute, read_all, read_one};
use super::ticket_changes::write_note;
use super::ticket_requests;
use super::ticket_rows::{self, from_row, select_links};
use super::transitions;
use super::writer::WriteContext;

/// How often what is due is read again, where all of it was put off.
const MAX_DUE_ROUNDS: u32 = 8;

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
        self.write(move |context| set_next_poll(context.connection, webhook_id, incident_id, Some(at)))
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
                error,
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
            apply_duplicate_check(context, (webhook_id, incident_id, &ticket_id), &found, &change)
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
    let by_ticket = ticket_rows::load_by_ticket(context.connection, webhook_id, &notification.ticket_id)?;
    if let Some(row) = by_ticket {
        ticket_rows::write(context.connection, &row.told_of_change(now))?;
        return Ok(NotificationEffect::PollDue);
    }
    let Some((incident_id, generation)) = notification.marker else {
        return Ok(NotificationEffect::Nothing);
    };
    let marked = ticket_rows::load(context.connection, webhook_id, incident_id)?;
    let found = marked.and_then(|row| row.told_of_ticket(&notification.ticket_id, generation));
    let Some(row) = found else {
        return Ok(NotificationEffect::Nothing);
    };
    ticket_rows::write(context.connection, &row)?;
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
    let sql = "SELECT 1 FROM ticket_links WHERE next_poll_at IS NOT NULL AND next_poll_at <= ?1 LIMIT 1";
    Ok(read_one(connection, sql, [now.as_millis()], |_| Ok(()))?.is_some())
}

fn take_due(context: &WriteContext<'_>, now: Timestamp, limit: u32) -> StoreResult<Vec<DuePoll>> {
    let mut taken = Vec::new();
    for _ in 0..MAX_DUE_ROUNDS {
        let due = read_due(context.connection, now, limit)?;
        if due.is_empty() {
            break;
        }
        for (row, webhook, is_busy) in due {
            let plan = row.due(webhook, is_busy, now);
            set_next_poll(
                context.connection,
                row.webhook_id,
                row.incident_id,
                plan.next_poll_at,
            )?;
            taken.extend(plan.poll);
        }
        if !taken.is_empty() {
            break;
        }
    }
    Ok(taken)
}

/// What is due, the longest first, with whether its webhook can be asked and whether something of ours is on its way there.
fn read_due(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> StoreResult<Vec<(LinkRow, WebhookStanding, bool)>> {
    read_all(
        connection,
        select_links!(
            ", w.deleted_at IS NOT NULL AS is_deleted, w.disabled_since IS NOT NULL AS is_disabled, EXISTS (
                SELECT 1 FROM deliveries d INDEXED BY deliveries_lane
                WHERE d.incident_id = l.incident_id AND d.webhook_id = l.webhook_id AND d.is_test = 0
                    AND d.finished_at IS NULL) AS is_busy",
            "CROSS JOIN webhooks w ON w.id = l.webhook_id
             WHERE l.next_poll_at IS NOT NULL AND l.next_poll_at <= ?1 ORDER BY l.next_poll_at LIMIT ?2"
        ),
        (now.as_millis(), limit),
        |row| {
            let webhook = match (row.get("is_deleted")?, row.get("is_disabled")?) {
                (true, _) => WebhookStanding::Deleted,
                (false, true) => WebhookStanding::Disabled,
                (false, false) => WebhookStanding::Enabled,
            };
            Ok((from_row(row)?, webhook, row.get("is_busy")?))
        },
    )
}

fn set_next_poll(
    connection: &Connection,
    webhook_id: WebhookId,
    incident_id: IncidentId,
    at: Option<Timestamp>,
) -> StoreResult<()> {
    execute(
        connection,
        "UPDATE ticket_links SET next_poll_at = ?3 WHERE webhook_id = ?1 AND incident_id = ?2",
        (
            webhook_id.as_bytes(),
            incident_id.as_bytes(),
            at.map(Timestamp::as_millis),
        ),
    )
    .map(|_| ())
}

/// Lets an incident follow its ticket, unless something of ours is on its way there.
fn follow(context: &mut WriteContext<'_>, polled: &PollResult) -> StoreResult<PollOutcome> {
    let (webhook_id, incident_id) = (polled.webhook_id, polled.incident_id);
    let row = ticket_rows::load(context.connection, webhook_id, incident_id)?;
    let Some(row) = row else {
        return Ok(PollOutcome::Gone);
    };
    let is_busy = lanes::has_open(context.connection, incident_id, webhook_id)?;
    let incident = incident_rows::load(context.connection, incident_id)?.incident;
    let action = match row.polled(polled, is_busy, incident.status) {
        PollPlan::Gone => return Ok(PollOutcome::Gone),
        PollPlan::Busy { next_poll_at } => {
            set_next_poll(context.connection, webhook_id, incident_id, Some(next_poll_at))?;
            return Ok(PollOutcome::Busy);
        }
        PollPlan::Follow(action) => action,
    };
    take_comments(context.connection, polled)?;
    if let Some(actor) = polled.asked_by.as_ref().filter(|_| action.is_some()) {
        let sentence = format!("had the incident follow the ticket {}", polled.ticket.key);
        let id = AuditId::from_bytes(*polled.event_id.as_bytes());
        write_note(
            context.connection,
            incident_id,
            id,
            polled.change.at,
            &actor.encode(),
            &sentence,
        )?;
        let asked = Change {
            actor: actor.clone(),
            audit_id: id,
            ..polled.change.clone()
        };
        audit::write(context.connection, &asked, "ticket.sync", incident_id, &sentence)?;
    }
    let committed = match action {
        Some(action) => Some(transitions::transition(
            context,
            TransitionRequest {
                incident_id,
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
    let standing = IncidentStanding {
        status: after.status,
        resolved_at: after.resolved_at,
    };
    ticket_rows::write(context.connection, &row.followed(polled, standing))?;
    Ok(match committed {
        Some(committed) => PollOutcome::Followed(Box::new(committed)),
        None => PollOutcome::InLine,
    })
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
    error: String,
    now: Timestamp,
) -> StoreResult<()> {
    let Some(row) = ticket_rows::load(connection, webhook_id, incident_id)? else {
        return Ok(());
    };
    let standing = ticket_rows::standing(connection, incident_id)?;
    match row.poll_failed(ticket_id, error, standing, now) {
        Some(row) => ticket_rows::write(connection, &row),
        None => Ok(()),
    }
}

fn apply_duplicate_check(
    context: &mut WriteContext<'_>,
    (webhook_id, incident_id, ticket_id): (WebhookId, IncidentId, &str),
    found: &DuplicateCheck,
    change: &Change,
) -> StoreResult<()> {
    let stays = match found {
        DuplicateCheck::Merged(Some(stays)) => Some(stays),
        DuplicateCheck::Merged(None) | DuplicateCheck::Clean => None,
    };
    let owner = match stays {
        Some(stays) => ticket_rows::owner(context.connection, webhook_id, &stays.id)?,
        None => None,
    };
    let row = ticket_rows::load(context.connection, webhook_id, incident_id)?;
    let checked = row.and_then(|row| row.checked_for_duplicates(ticket_id, found, owner, change.at));
    let Some((row, has_another)) = checked else {
        return Ok(());
    };
    ticket_rows::write(context.connection, &row)?;
    let Some(stays) = stays.filter(|_| has_another) else {
        return Ok(());
    };
    let sentence = format!("kept the older ticket {} of two that were made", stays.key);
    write_note(
        context.connection,
        incident_id,
        change.audit_id,
        change.at,
        &Actor::System.encode(),
        &sentence,
    )?;
    audit::write(context.connection, change, "ticket.join", incident_id, &sentence)?;
    // The one that stays was told nothing of what came since.
    match ticket_requests::deliver_latest(context, incident_id, webhook_id, change.at) {
        // Of what is over and pruned there is nothing to tell.
        Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
