//! Ticket links as rows: read, and written as a plan says.

use rusqlite::{Connection, Result, Row};

use model::id::{IncidentId, WebhookId};
use model::incident::IncidentStatus;
use store::StoreResult;
use store::ticket_plan::{IncidentStanding, LinkRow};
use store::ticket_state;

use super::columns::{id_bytes, optional_time, parsed, time, unexpected};
use super::statements::{execute, read_one};

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
pub fn load(
    connection: &Connection,
    webhook_id: WebhookId,
    incident_id: IncidentId,
) -> StoreResult<Option<LinkRow>> {
    let sql = select_links!("", "WHERE l.webhook_id = ?1 AND l.incident_id = ?2");
    let key = (webhook_id.as_bytes(), incident_id.as_bytes());
    read_one(connection, sql, key, from_row)
}

/// The row of a ticket.
pub fn load_by_ticket(
    connection: &Connection,
    webhook_id: WebhookId,
    ticket_id: &str,
) -> StoreResult<Option<LinkRow>> {
    let sql = select_links!("", "WHERE l.webhook_id = ?1 AND l.ticket_id = ?2");
    read_one(connection, sql, (webhook_id.as_bytes(), ticket_id), from_row)
}

/// The incident that has a ticket.
pub fn owner(
    connection: &Connection,
    webhook_id: WebhookId,
    ticket_id: &str,
) -> StoreResult<Option<IncidentId>> {
    let row = load_by_ticket(connection, webhook_id, ticket_id)?;
    Ok(row.map(|row| row.incident_id))
}

/// Where an incident stands; nothing if there is none.
pub fn standing(connection: &Connection, incident_id: IncidentId) -> StoreResult<Option<IncidentStanding>> {
    read_one(
        connection,
        "SELECT status, resolved_at FROM incidents WHERE id = ?1",
        [incident_id.as_bytes()],
        |row| {
            Ok(IncidentStanding {
                status: parsed(row, "status", IncidentStatus::parse)?,
                resolved_at: optional_time(row, "resolved_at")?,
            })
        },
    )
}

/// A row.
pub fn from_row(row: &Row<'_>) -> Result<LinkRow> {
    let (webhook_id, incident_id) = (id_bytes(row, "webhook_id")?, id_bytes(row, "incident_id")?);
    let blank = LinkRow::new(
        WebhookId::from_bytes(webhook_id),
        IncidentId::from_bytes(incident_id),
        time(row, "created_at")?,
    );
    let blank = LinkRow {
        generation: row.get("generation")?,
        version: row.get("version")?,
        event_sequence: row.get("event_sequence")?,
        last_synced_at: optional_time(row, "last_synced_at")?,
        last_error: row.get("last_error")?,
        comments_until: time(row, "comments_until")?,
        next_poll_at: optional_time(row, "next_poll_at")?,
        poll_failures: row.get("poll_failures")?,
        duplicate_checks: row.get("duplicate_checks")?,
        updated_at: time(row, "updated_at")?,
        ..blank
    };
    let text = row.get_ref("state")?.as_str()?;
    ticket_state::read(text, blank).ok_or_else(|| unexpected("state of a ticket link"))
}

/// Writes a row, whether there was one or not.
pub fn write(connection: &Connection, row: &LinkRow) -> StoreResult<()> {
    execute(
        connection,
        "INSERT INTO ticket_links (webhook_id, incident_id, state, ticket_id, generation, version, event_sequence,
             last_synced_at, last_error, comments_until, next_poll_at, poll_failures, duplicate_checks, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (webhook_id, incident_id) DO UPDATE SET state = ?3, ticket_id = ?4, generation = ?5, version = ?6,
             event_sequence = ?7, last_synced_at = ?8, last_error = ?9, comments_until = ?10, next_poll_at = ?11,
             poll_failures = ?12, duplicate_checks = ?13, updated_at = ?15",
        (
            row.webhook_id.as_bytes(),
            row.incident_id.as_bytes(),
            ticket_state::write(row),
            row.ticket().map(|ticket| &ticket.id),
            row.generation,
            row.version,
            row.event_sequence,
            row.last_synced_at.map(|at| at.as_millis()),
            &row.last_error,
            row.comments_until.as_millis(),
            row.next_poll_at.map(|at| at.as_millis()),
            row.poll_failures,
            row.duplicate_checks,
            row.created_at.as_millis(),
            row.updated_at.as_millis(),
        ),
    )
    .map(|_| ())
}
