//! Ticket links: the contract.

use async_trait::async_trait;
use rusqlite::Connection;

use model::audit::{Actor, Change};
use model::id::{AuditId, IncidentId, UserId, WebhookId};
use model::incident::{Headline, Severity};
use model::ticket::{MAX_WRITTEN_NOTES, Ticket, WrittenNote};
use model::user::UserRef;
use model::webhook_kind::WebhookKind;
use store::StoreResult;
use store::ticket_plan::LinkRow;
use store::tickets::{IntentRecord, LinkOverview, Requested, TicketContext, Tickets};

use super::columns::parsed;
use super::database::Database;
use super::statements::{read_all, read_one, snapshot};
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
        self.read(move |connection| recall(&*snapshot(connection)?, webhook_id, incident_id))
            .await
    }

    async fn intend(&self, intent: IntentRecord) -> StoreResult<bool> {
        self.write(move |context| ticket_changes::intend(context, &intent))
            .await
    }

    async fn of_incident(&self, incident_id: IncidentId) -> StoreResult<Vec<LinkOverview>> {
        self.read(move |connection| of_incident(connection, incident_id))
            .await
    }

    async fn request(
        &self,
        incident_id: IncidentId,
        webhook_id: WebhookId,
        change: Change,
    ) -> StoreResult<Requested> {
        self.write_checked(move |context| ticket_requests::request(context, incident_id, webhook_id, &change))
            .await
    }

    async fn link(
        &self,
        incident_id: IncidentId,
        webhook_id: WebhookId,
        ticket: Ticket,
        change: Change,
    ) -> StoreResult<()> {
        self.write_checked(move |context| {
            ticket_requests::link(context, incident_id, webhook_id, &ticket, &change)
        })
        .await
    }

    async fn unlink(
        &self,
        incident_id: IncidentId,
        webhook_id: WebhookId,
        change: Change,
    ) -> StoreResult<()> {
        self.write_checked(move |context| ticket_requests::unlink(context, incident_id, webhook_id, &change))
            .await
    }

    async fn count_linked(&self, webhook_id: WebhookId) -> StoreResult<u64> {
        self.read(move |connection| {
            let count: Option<i64> = read_one(
                connection,
                "SELECT count(*) FROM ticket_links WHERE webhook_id = ?1
                     AND state ->> '$.link' IN ('linked', 'intended')",
                [webhook_id.as_bytes()],
                |row| row.get(0),
            )?;
            Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
        })
        .await
    }
}

/// What a delivery needs to know of its incident and its ticket.
pub fn recall(
    connection: &Connection,
    webhook_id: WebhookId,
    incident_id: IncidentId,
) -> StoreResult<TicketContext> {
    let row = ticket_rows::load(connection, webhook_id, incident_id)?;
    // A sample's incident does not exist.
    let beyond = read_one(
        connection,
        "SELECT i.description, u.id, u.name, i.title, i.severity FROM incidents i LEFT JOIN users u ON u.id = i.assignee_id WHERE i.id = ?1",
        [incident_id.as_bytes()],
        |row| {
            let user: Option<[u8; 16]> = row.get(1)?;
            let name: Option<String> = row.get(2)?;
            let assignee = user.zip(name).map(|(id, name)| UserRef {
                id: UserId::from_bytes(id),
                name,
            });
            let headline = Headline {
                title: row.get("title")?,
                severity: parsed(row, "severity", Severity::parse)?,
            };
            Ok((row.get(0)?, assignee, Some(headline)))
        },
    )?;
    let (description, assignee, headline) = beyond.unwrap_or_default();
    Ok(TicketContext {
        link: row.as_ref().and_then(LinkRow::link),
        workflow: row.and_then(|row| row.workflow),
        description,
        headline,
        assignee,
        notes: written_notes(connection, incident_id)?,
    })
}

/// What people wrote. It is told from the server's own sentences by its line of the audit log, which has the same id.
fn written_notes(connection: &Connection, incident_id: IncidentId) -> StoreResult<Vec<WrittenNote>> {
    let mut notes = read_all(
        connection,
        "SELECT n.id, n.actor, n.sentence FROM notes n
         WHERE n.incident_id = ?1
             AND EXISTS (SELECT 1 FROM audit a WHERE a.id = n.id AND a.action = 'incident.note')
         ORDER BY n.id DESC LIMIT ?2",
        (incident_id.as_bytes(), MAX_WRITTEN_NOTES),
        |row| {
            Ok(WrittenNote {
                id: AuditId::from_bytes(row.get(0)?),
                author: Actor::decode(row.get_ref(1)?.as_str()?).name().to_owned(),
                text: row.get(2)?,
            })
        },
    )?;
    notes.reverse();
    Ok(notes)
}

fn of_incident(connection: &Connection, incident_id: IncidentId) -> StoreResult<Vec<LinkOverview>> {
    let rows = read_all(
        connection,
        select_links!(
            ", w.name AS webhook_name, w.kind",
            "CROSS JOIN webhooks w ON w.id = l.webhook_id
             WHERE l.incident_id = ?1 AND w.deleted_at IS NULL ORDER BY l.created_at, l.webhook_id"
        ),
        [incident_id.as_bytes()],
        |row| {
            let link = from_row(row)?;
            let name: String = row.get("webhook_name")?;
            Ok((link, name, parsed(row, "kind", WebhookKind::parse)?))
        },
    )?;
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
