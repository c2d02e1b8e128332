//! Reading tickets again: what is due, what was found, what follows from it. The incident follows its ticket in the
//! transaction in which the link learns of the change.

use async_trait::async_trait;

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
use super::columns::value;
use super::connection::Connection;
use super::database::Database;
use super::incident_rows;
use super::lanes;
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
        self.write(
            (webhook_id, notification, now),
            |context, (webhook_id, notification, now)| {
                Box::pin(take_notification(context, *webhook_id, notification, *now))
            },
        )
        .await
    }

    async fn is_any_due(&self, now: Timestamp) -> StoreResult<bool> {
        let sql = "SELECT 1 FROM ticket_links WHERE next_poll_at IS NOT NULL AND next_poll_at <= $1 LIMIT 1";
        let connection = self.connection().await?;
        connection.finds(sql, &[&now.as_millis()]).await
    }

    async fn take_due(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<DuePoll>> {
        // Most of the time nothing is due: that is found out without a transaction.
        if !TicketPolls::is_any_due(self, now).await? {
            return Ok(Vec::new());
        }
        self.write((now, limit), |context, (now, limit)| {
            Box::pin(take_due(&context.connection, *now, *limit))
        })
        .await
    }

    async fn record_poll(&self, polled: PollResult) -> StoreResult<PollOutcome> {
        self.write(polled, |context, polled| Box::pin(follow(context, polled)))
            .await
    }

    async fn postpone_poll(
        &self,
        webhook_id: WebhookId,
        incident_id: IncidentId,
        at: Timestamp,
    ) -> StoreResult<()> {
        self.write(
            (webhook_id, incident_id, at),
            |context, (webhook_id, incident_id, at)| {
                Box::pin(set_next_poll(
                    &context.connection,
                    *webhook_id,
                    *incident_id,
                    Some(*at),
                ))
            },
        )
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
        self.write(
            (webhook_id, incident_id, ticket_id, error, now),
            |context, (webhook_id, incident_id, ticket_id, error, now)| {
                let poll = (*webhook_id, *incident_id, ticket_id.as_str());
                Box::pin(fail(&context.connection, poll, error, *now))
            },
        )
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
        self.write(
            (webhook_id, incident_id, ticket_id, found, change),
            |context, (webhook_id, incident_id, ticket_id, found, change)| {
                let poll = (*webhook_id, *incident_id, ticket_id.as_str());
                Box::pin(apply_duplicate_check(context, poll, found, change))
            },
        )
        .await
    }
}

async fn take_notification(
    context: &mut WriteContext,
    webhook_id: WebhookId,
    notification: &NotificationRecord,
    now: Timestamp,
) -> StoreResult<NotificationEffect> {
    if let Some(receipt) = &notification.receipt
        && !is_first(context, webhook_id, receipt, now).await?
    {
        return Ok(NotificationEffect::Nothing);
    }
    let connection = &context.connection;
    let by_ticket = ticket_rows::lock_by_ticket(connection, webhook_id, &notification.ticket_id).await?;
    if let Some(row) = by_ticket {
        ticket_rows::write(connection, &row.told_of_change(now)).await?;
        return Ok(NotificationEffect::PollDue);
    }
    let Some((incident_id, generation)) = notification.marker else {
        return Ok(NotificationEffect::Nothing);
    };
    incident_rows::lock(connection, &[incident_id]).await?;
    let marked = ticket_rows::lock(connection, webhook_id, incident_id).await?;
    let found = marked.and_then(|row| row.told_of_ticket(&notification.ticket_id, generation));
    let Some(row) = found else {
        return Ok(NotificationEffect::Nothing);
    };
    ticket_rows::write(connection, &row).await?;
    let mut wakes = Wakes::default();
    ticket_requests::expedite(context, incident_id, webhook_id, now, &mut wakes).await?;
    wakes.send_after_commit(context);
    Ok(NotificationEffect::Found)
}

/// Whether a call of a ticket system is told for the first time.
async fn is_first(
    context: &WriteContext,
    webhook_id: WebhookId,
    receipt: &str,
    now: Timestamp,
) -> StoreResult<bool> {
    let sql = "INSERT INTO receipts (owner, key, request_hash, node, created_at) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (owner, key) DO NOTHING";
    let (owner, hash) = (format!("inbound:{webhook_id}"), [0_u8; 32]);
    let inserted = context
        .connection
        .execute(
            sql,
            &[&owner, &receipt, &&hash[..], &context.node(), &now.as_millis()],
        )
        .await?;
    Ok(inserted == 1)
}

async fn take_due(connection: &Connection, now: Timestamp, limit: u32) -> StoreResult<Vec<DuePoll>> {
    let mut taken = Vec::new();
    for _ in 0..MAX_DUE_ROUNDS {
        let due = read_due(connection, now, limit).await?;
        if due.is_empty() {
            break;
        }
        for (row, webhook, is_busy) in due {
            let plan = row.due(webhook, is_busy, now);
            set_next_poll(connection, row.webhook_id, row.incident_id, plan.next_poll_at).await?;
            taken.extend(plan.poll);
        }
        if !taken.is_empty() {
            break;
        }
    }
    Ok(taken)
}

/// What is due, the longest first, with whether its webhook can be asked and whether something of ours is on its way there.
/// What another node is taking at this moment is left to it.
async fn read_due(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> StoreResult<Vec<(LinkRow, WebhookStanding, bool)>> {
    let sql = select_links!(
        ", w.deleted_at IS NOT NULL AS is_deleted, w.disabled_since IS NOT NULL AS is_disabled, EXISTS (
            SELECT 1 FROM deliveries d
            WHERE d.incident_id = l.incident_id AND d.webhook_id = l.webhook_id AND NOT d.is_test
                AND d.finished_at IS NULL) AS is_busy",
        "JOIN webhooks w ON w.id = l.webhook_id
         WHERE l.next_poll_at IS NOT NULL AND l.next_poll_at <= $1 ORDER BY l.next_poll_at LIMIT $2
         FOR UPDATE OF l SKIP LOCKED"
    );
    connection
        .read_all(sql, &[&now.as_millis(), &i64::from(limit)], |row| {
            let webhook = match (value(row, "is_deleted")?, value(row, "is_disabled")?) {
                (true, _) => WebhookStanding::Deleted,
                (false, true) => WebhookStanding::Disabled,
                (false, false) => WebhookStanding::Enabled,
            };
            Ok((from_row(row)?, webhook, value(row, "is_busy")?))
        })
        .await
}

async fn set_next_poll(
    connection: &Connection,
    webhook_id: WebhookId,
    incident_id: IncidentId,
    at: Option<Timestamp>,
) -> StoreResult<()> {
    let sql = "UPDATE ticket_links SET next_poll_at = $3 WHERE webhook_id = $1 AND incident_id = $2";
    let (webhook_id, incident_id) = (&webhook_id.as_bytes()[..], &incident_id.as_bytes()[..]);
    connection
        .execute(sql, &[&webhook_id, &incident_id, &at.map(Timestamp::as_millis)])
        .await
        .map(|_| ())
}

/// Lets an incident follow its ticket, unless something of ours is on its way there.
async fn follow(context: &mut WriteContext, polled: &PollResult) -> StoreResult<PollOutcome> {
    let (webhook_id, incident_id) = (polled.webhook_id, polled.incident_id);
    incident_rows::lock(&context.connection, &[incident_id]).await?;
    let row = ticket_rows::lock(&context.connection, webhook_id, incident_id).await?;
    let Some(row) = row else {
        return Ok(PollOutcome::Gone);
    };
    let is_busy = lanes::has_open(&context.connection, incident_id, webhook_id).await?;
    let incident = incident_rows::load(&context.connection, incident_id)
        .await?
        .incident;
    let action = match row.polled(polled, is_busy, incident.status) {
        PollPlan::Gone => return Ok(PollOutcome::Gone),
        PollPlan::Busy { next_poll_at } => {
            set_next_poll(&context.connection, webhook_id, incident_id, Some(next_poll_at)).await?;
            return Ok(PollOutcome::Busy);
        }
        PollPlan::Follow(action) => action,
    };
    take_comments(&context.connection, polled).await?;
    if let Some(actor) = polled.asked_by.as_ref().filter(|_| action.is_some()) {
        write_asked(&context.connection, polled, actor).await?;
    }
    let committed = match action {
        Some(action) => {
            let request = TransitionRequest {
                incident_id,
                action,
                event_id: polled.event_id,
                change: polled.change.clone(),
                receipt: None,
            };
            Some(transitions::transition(context, request).await?)
        }
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
    ticket_rows::write(&context.connection, &row.followed(polled, standing)).await?;
    Ok(match committed {
        Some(committed) => PollOutcome::Followed(Box::new(committed)),
        None => PollOutcome::InLine,
    })
}

/// That somebody had the incident follow its ticket, in its timeline and in the audit log.
async fn write_asked(connection: &Connection, polled: &PollResult, actor: &Actor) -> StoreResult<()> {
    let (incident_id, at) = (polled.incident_id, polled.change.at);
    let sentence = format!("had the incident follow the ticket {}", polled.ticket.key);
    let id = AuditId::from_bytes(*polled.event_id.as_bytes());
    write_note(connection, incident_id, id, at, actor, &sentence).await?;
    let asked = Change {
        actor: actor.clone(),
        audit_id: id,
        ..polled.change.clone()
    };
    audit::write(connection, &asked, "ticket.sync", incident_id, &sentence).await
}

async fn take_comments(connection: &Connection, polled: &PollResult) -> StoreResult<()> {
    for comment in &polled.comments {
        let (id, at) = (comment.id, comment.at);
        write_note(
            connection,
            polled.incident_id,
            id,
            at,
            &comment.actor,
            &comment.sentence,
        )
        .await?;
    }
    Ok(())
}

async fn fail(
    connection: &Connection,
    (webhook_id, incident_id, ticket_id): (WebhookId, IncidentId, &str),
    error: &str,
    now: Timestamp,
) -> StoreResult<()> {
    let Some(row) = ticket_rows::lock(connection, webhook_id, incident_id).await? else {
        return Ok(());
    };
    let standing = ticket_rows::standing(connection, incident_id).await?;
    match row.poll_failed(ticket_id, error.to_owned(), standing, now) {
        Some(row) => ticket_rows::write(connection, &row).await,
        None => Ok(()),
    }
}

async fn apply_duplicate_check(
    context: &mut WriteContext,
    (webhook_id, incident_id, ticket_id): (WebhookId, IncidentId, &str),
    found: &DuplicateCheck,
    change: &Change,
) -> StoreResult<()> {
    let stays = match found {
        DuplicateCheck::Merged(Some(stays)) => Some(stays),
        DuplicateCheck::Merged(None) | DuplicateCheck::Clean => None,
    };
    let row = ticket_rows::lock(&context.connection, webhook_id, incident_id).await?;
    let owner = match stays {
        Some(stays) => ticket_rows::owner(&context.connection, webhook_id, &stays.id).await?,
        None => None,
    };
    let checked = row.and_then(|row| row.checked_for_duplicates(ticket_id, found, owner, change.at));
    let Some((row, has_another)) = checked else {
        return Ok(());
    };
    ticket_rows::write(&context.connection, &row).await?;
    let Some(stays) = stays.filter(|_| has_another) else {
        return Ok(());
    };
    let sentence = format!("kept the older ticket {} of two that were made", stays.key);
    let (id, at) = (change.audit_id, change.at);
    write_note(
        &context.connection,
        incident_id,
        id,
        at,
        &Actor::System,
        &sentence,
    )
    .await?;
    audit::write(&context.connection, change, "ticket.join", incident_id, &sentence).await?;
    // The one that stays was told nothing of what came since.
    match ticket_requests::deliver_latest(context, incident_id, webhook_id, change.at).await {
        // Of what is over and pruned there is nothing to tell.
        Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
