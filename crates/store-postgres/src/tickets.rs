//! Ticket links: the contract.

use async_trait::async_trait;
use tokio_postgres::Row;

use model::audit::{Actor, Change};
use model::id::{AuditId, IncidentId, UserId, WebhookId};
use model::incident::{Headline, Severity};
use model::ticket::{MAX_WRITTEN_NOTES, Ticket, WrittenNote};
use model::user::UserRef;
use model::webhook_kind::WebhookKind;
use store::StoreResult;
use store::ticket_plan::LinkRow;
use store::tickets::{IntentRecord, LinkOverview, Requested, TicketContext, Tickets};

use super::columns::{bytes, number, optional_id, parsed, value};
use super::connection::Connection;
use super::database::Database;
use super::ticket_changes;
use super::ticket_requests;
use super::ticket_rows::{self, from_row, select_links};

#[async_trait]
impl Tickets for Database {
    async fn load_context(
        &self,
        webhook_id: WebhookId,
        incident_id: IncidentId,
    ) -> StoreResult<TicketContext> {
        let mut connection = self.snapshot().await?;
        let found = recall(&connection, webhook_id, incident_id).await?;
        connection.commit().await?;
        Ok(found)
    }

    async fn intend(&self, intent: IntentRecord) -> StoreResult<bool> {
        self.write(intent, |context, intent| {
            Box::pin(ticket_changes::intend(context, intent))
        })
        .await
    }

    async fn of_incident(&self, incident_id: IncidentId) -> StoreResult<Vec<LinkOverview>> {
        of_incident(&self.connection().await?, incident_id).await
    }

    async fn request(
        &self,
        incident_id: IncidentId,
        webhook_id: WebhookId,
        change: Change,
    ) -> StoreResult<Requested> {
        self.write(
            (incident_id, webhook_id, change),
            |context, (incident_id, webhook_id, change)| {
                Box::pin(ticket_requests::request(
                    context,
                    *incident_id,
                    *webhook_id,
                    change,
                ))
            },
        )
        .await
    }

    async fn link(
        &self,
        incident_id: IncidentId,
        webhook_id: WebhookId,
        ticket: Ticket,
        change: Change,
    ) -> StoreResult<()> {
        self.write(
            (incident_id, webhook_id, ticket, change),
            |context, (incident_id, webhook_id, ticket, change)| {
                Box::pin(ticket_requests::link(
                    context,
                    *incident_id,
                    *webhook_id,
                    ticket,
                    change,
                ))
            },
        )
        .await
    }

    async fn unlink(
        &self,
        incident_id: IncidentId,
        webhook_id: WebhookId,
        change: Change,
    ) -> StoreResult<()> {
        self.write(
            (incident_id, webhook_id, change),
            |context, (incident_id, webhook_id, change)| {
                Box::pin(ticket_requests::unlink(
                    &context.connection,
                    *incident_id,
                    *webhook_id,
                    change,
                ))
            },
        )
        .await
    }

    async fn count_linked(&self, webhook_id: WebhookId) -> StoreResult<u64> {
        let sql = "SELECT count(*) AS count FROM ticket_links
                   WHERE webhook_id = $1 AND state::json ->> 'link' IN ('linked', 'intended')";
        let connection = self.connection().await?;
        let count = connection
            .read_one(sql, &[&&webhook_id.as_bytes()[..]], |row| number(row, "count"))
            .await?;
        Ok(count.unwrap_or(0))
    }
}

/// What a delivery needs to know of its incident and its ticket.
pub async fn recall(
    connection: &Connection,
    webhook_id: WebhookId,
    incident_id: IncidentId,
) -> StoreResult<TicketContext> {
    let row = ticket_rows::load(connection, webhook_id, incident_id).await?;
    // A sample's incident does not exist.
    let sql = "SELECT i.description, i.title, i.severity, u.id AS user_id, u.name AS user_name
               FROM incidents i LEFT JOIN users u ON u.id = i.assignee_id WHERE i.id = $1";
    let beyond = connection
        .read_one(sql, &[&&incident_id.as_bytes()[..]], |row| {
            let name: Option<String> = value(row, "user_name")?;
            let assignee = optional_id(row, "user_id")?.zip(name).map(|(id, name)| UserRef {
                id: UserId::from_bytes(id),
                name,
            });
            let headline = Headline {
                title: value(row, "title")?,
                severity: parsed(row, "severity", Severity::parse)?,
            };
            Ok((value(row, "description")?, assignee, Some(headline)))
        })
        .await?;
    let (description, assignee, headline) = beyond.unwrap_or_default();
    Ok(TicketContext {
        link: row.as_ref().and_then(LinkRow::link),
        workflow: row.and_then(|row| row.workflow),
        description,
        headline,
        assignee,
        notes: written_notes(connection, incident_id).await?,
    })
}

/// What people wrote. It is told from the server's own sentences by its line of the audit log, which has the same id.
async fn written_notes(connection: &Connection, incident_id: IncidentId) -> StoreResult<Vec<WrittenNote>> {
    let sql = "SELECT n.id, n.actor, n.sentence FROM notes n
               WHERE n.incident_id = $1
                   AND EXISTS (SELECT 1 FROM audit a WHERE a.id = n.id AND a.action = 'incident.note')
               ORDER BY n.id DESC LIMIT $2";
    let (incident_id, limit) = (&incident_id.as_bytes()[..], i64::from(MAX_WRITTEN_NOTES));
    let from_row = |row: &Row| {
        let actor = parsed(row, "actor", |text| Some(Actor::decode(text)))?;
        Ok(WrittenNote {
            id: AuditId::from_bytes(bytes(row, "id")?),
            author: actor.name().to_owned(),
            text: value(row, "sentence")?,
        })
    };
    let mut notes = connection
        .read_all(sql, &[&incident_id, &limit], from_row)
        .await?;
    notes.reverse();
    Ok(notes)
}

async fn of_incident(connection: &Connection, incident_id: IncidentId) -> StoreResult<Vec<LinkOverview>> {
    let sql = select_links!(
        ", w.name AS webhook_name, w.kind",
        "JOIN webhooks w ON w.id = l.webhook_id
         WHERE l.incident_id = $1 AND w.deleted_at IS NULL ORDER BY l.created_at, l.webhook_id"
    );
    let rows = connection
        .read_all(sql, &[&&incident_id.as_bytes()[..]], |row| {
            let name: String = value(row, "webhook_name")?;
            Ok((from_row(row)?, name, parsed(row, "kind", WebhookKind::parse)?))
        })
        .await?;
    let overviews = rows.into_iter().filter_map(|(row, webhook_name, webhook_kind)| {
        Some(LinkOverview {
            link: row.link()?,
            webhook_name,
            webhook_kind,
            next_poll_at: row.next_poll_at,
        })
    });
    Ok(overviews.collect())
}
