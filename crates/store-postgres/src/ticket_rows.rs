//! Ticket links as rows: read, locked, and written as a plan says.
//!
//! Whoever changes a link locks its row first; one that is not there yet is guarded by its incident's row, and which
//! incident a new ticket belongs to by its webhook's. Whoever touches deliveries too has locked the incident before them.

use tokio_postgres::Row;

use model::id::{IncidentId, WebhookId};
use model::incident::IncidentStatus;
use model::time::Timestamp;
use store::StoreResult;
use store::texts::{plain, plain_json};
use store::ticket_plan::{IncidentStanding, LinkRow};
use store::ticket_state;

use super::columns::{bytes, number, optional_time, parsed, time, unexpected, value};
use super::connection::Connection;
use super::incident_rows;

/// What [`from_row`] reads, of `ticket_links l`.
macro_rules! select_links {
    ($more:literal, $rest:literal) => {
        concat!(
            "SELECT l.webhook_id, l.incident_id, l.state, l.generation, l.version, l.event_sequence, l.last_synced_at, ",
            "l.last_error, l.comments_until, l.next_poll_at, l.poll_failures, l.duplicate_checks, l.created_at, l.updated_at",
            $more,
            " FROM ticket_links l ",
            $rest
        )
    };
}
pub(super) use select_links;

/// The row of an incident at a webhook.
pub async fn load(
    connection: &Connection,
    webhook_id: WebhookId,
    incident_id: IncidentId,
) -> StoreResult<Option<LinkRow>> {
    let sql = select_links!("", "WHERE l.webhook_id = $1 AND l.incident_id = $2");
    let (webhook_id, incident_id) = (&webhook_id.as_bytes()[..], &incident_id.as_bytes()[..]);
    connection
        .read_one(sql, &[&webhook_id, &incident_id], from_row)
        .await
}

/// The same, for whoever writes it afterwards: nobody else changes it, or begins it, meanwhile.
pub async fn lock(
    connection: &Connection,
    webhook_id: WebhookId,
    incident_id: IncidentId,
) -> StoreResult<Option<LinkRow>> {
    let row = lock_row(connection, webhook_id, incident_id).await?;
    if row.is_some() {
        return Ok(row);
    }
    incident_rows::lock(connection, &[incident_id]).await?;
    lock_row(connection, webhook_id, incident_id).await
}

async fn lock_row(
    connection: &Connection,
    webhook_id: WebhookId,
    incident_id: IncidentId,
) -> StoreResult<Option<LinkRow>> {
    let sql = select_links!("", "WHERE l.webhook_id = $1 AND l.incident_id = $2 FOR UPDATE");
    let (webhook_id, incident_id) = (&webhook_id.as_bytes()[..], &incident_id.as_bytes()[..]);
    connection
        .read_one(sql, &[&webhook_id, &incident_id], from_row)
        .await
}

/// The row of a ticket, locked.
pub async fn lock_by_ticket(
    connection: &Connection,
    webhook_id: WebhookId,
    ticket_id: &str,
) -> StoreResult<Option<LinkRow>> {
    let sql = select_links!("", "WHERE l.webhook_id = $1 AND l.ticket_id = $2 FOR UPDATE");
    connection
        .read_one(sql, &[&&webhook_id.as_bytes()[..], &ticket_id], from_row)
        .await
}

/// The incident that has a ticket. Until the transaction ends, no other incident gets one of this webhook.
pub async fn owner(
    connection: &Connection,
    webhook_id: WebhookId,
    ticket_id: &str,
) -> StoreResult<Option<IncidentId>> {
    let webhook_id = &webhook_id.as_bytes()[..];
    let sql = "SELECT 1 FROM webhooks WHERE id = $1 FOR NO KEY UPDATE";
    connection.finds(sql, &[&webhook_id]).await?;
    let sql = "SELECT incident_id FROM ticket_links WHERE webhook_id = $1 AND ticket_id = $2";
    connection
        .read_one(sql, &[&webhook_id, &ticket_id], |row| {
            bytes(row, "incident_id").map(IncidentId::from_bytes)
        })
        .await
}

/// Where an incident stands; nothing if there is none.
pub async fn standing(
    connection: &Connection,
    incident_id: IncidentId,
) -> StoreResult<Option<IncidentStanding>> {
    let sql = "SELECT status, resolved_at FROM incidents WHERE id = $1";
    connection
        .read_one(sql, &[&&incident_id.as_bytes()[..]], |row| {
            Ok(IncidentStanding {
                status: parsed(row, "status", IncidentStatus::parse)?,
                resolved_at: optional_time(row, "resolved_at")?,
            })
        })
        .await
}

/// A row.
pub fn from_row(row: &Row) -> StoreResult<LinkRow> {
    let blank = LinkRow::new(
        WebhookId::from_bytes(bytes(row, "webhook_id")?),
        IncidentId::from_bytes(bytes(row, "incident_id")?),
        time(row, "created_at")?,
    );
    let blank = LinkRow {
        generation: number(row, "generation")?,
        version: number(row, "version")?,
        event_sequence: number(row, "event_sequence")?,
        last_synced_at: optional_time(row, "last_synced_at")?,
        last_error: value(row, "last_error")?,
        comments_until: time(row, "comments_until")?,
        next_poll_at: optional_time(row, "next_poll_at")?,
        poll_failures: number(row, "poll_failures")?,
        duplicate_checks: number(row, "duplicate_checks")?,
        updated_at: time(row, "updated_at")?,
        ..blank
    };
    ticket_state::read(value(row, "state")?, blank).ok_or_else(|| unexpected("state of a ticket link"))
}

/// Writes a row, whether there was one or not.
pub async fn write(connection: &Connection, row: &LinkRow) -> StoreResult<()> {
    let sql =
        "INSERT INTO ticket_links (webhook_id, incident_id, state, ticket_id, generation, version, event_sequence,
             last_synced_at, last_error, comments_until, next_poll_at, poll_failures, duplicate_checks, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (webhook_id, incident_id) DO UPDATE SET state = $3, ticket_id = $4, generation = $5, version = $6,
             event_sequence = $7, last_synced_at = $8, last_error = $9, comments_until = $10, next_poll_at = $11,
             poll_failures = $12, duplicate_checks = $13, updated_at = $15";
    connection
        .execute(
            sql,
            &[
                &&row.webhook_id.as_bytes()[..],
                &&row.incident_id.as_bytes()[..],
                &plain_json(&ticket_state::write(row)),
                &row.ticket().map(|ticket| plain(&ticket.id)),
                &i64::from(row.generation),
                &row.version,
                &row.event_sequence,
                &row.last_synced_at.map(Timestamp::as_millis),
                &row.last_error.as_deref().map(plain),
                &row.comments_until.as_millis(),
                &row.next_poll_at.map(Timestamp::as_millis),
                &i64::from(row.poll_failures),
                &i64::from(row.duplicate_checks),
                &row.created_at.as_millis(),
                &row.updated_at.as_millis(),
            ],
        )
        .await
        .map(|_| ())
}
