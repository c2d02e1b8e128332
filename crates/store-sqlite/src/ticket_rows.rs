//! Ticket links as rows.

use rusqlite::{Connection, Result, Row};

use model::id::{IncidentId, WebhookId};
use model::ticket::{Intent, LinkState, Ticket, TicketLink, TicketPhase};
use store::StoreResult;

use super::columns::{id_bytes, optional_time, parsed, time, unexpected};
use super::statements::read_one;

/// What [`link_from_row`] reads, of `ticket_links l`.
macro_rules! select_links {
    ($more:literal, $rest:literal) => {
        concat!(
            "SELECT l.webhook_id, l.incident_id, l.state, l.generation, l.version, l.event_sequence, l.creates, ",
            "l.intended_at, l.hinted, l.ticket_id, l.ticket_key, l.ticket_url, l.phase, l.status, l.seen, l.last_synced_at, ",
            "l.last_error, l.comments_until, l.look_at",
            $more,
            " FROM ticket_links l ",
            $rest
        )
    };
}
pub(super) use select_links;

/// The link of an incident at a webhook. A request that is known to have made nothing is as if there had been none.
pub fn load(
    connection: &Connection,
    webhook_id: WebhookId,
    incident_id: IncidentId,
) -> StoreResult<Option<TicketLink>> {
    let sql = select_links!(
        "",
        "WHERE l.webhook_id = ?1 AND l.incident_id = ?2 AND l.state <> 'absent'"
    );
    let key = (webhook_id.as_bytes(), incident_id.as_bytes());
    read_one(connection, sql, key, link_from_row)
}

/// A link.
pub fn link_from_row(row: &Row<'_>) -> Result<TicketLink> {
    Ok(TicketLink {
        webhook_id: WebhookId::from_bytes(id_bytes(row, "webhook_id")?),
        incident_id: IncidentId::from_bytes(id_bytes(row, "incident_id")?),
        state: state_from_row(row)?,
        generation: row.get("generation")?,
        version: row.get("version")?,
        event_sequence: row.get("event_sequence")?,
        seen: optional_phase(row, "seen")?.unwrap_or(TicketPhase::New),
        creates: row.get("creates")?,
        last_synced_at: optional_time(row, "last_synced_at")?,
        last_error: row.get("last_error")?,
        comments_until: time(row, "comments_until")?,
    })
}

fn optional_phase(row: &Row<'_>, column: &str) -> Result<Option<TicketPhase>> {
    let text: Option<String> = row.get(column)?;
    let phase = text.map(|text| TicketPhase::parse(&text).ok_or_else(|| unexpected(column)));
    phase.transpose()
}

fn state_from_row(row: &Row<'_>) -> Result<LinkState> {
    match row.get_ref("state")?.as_str()? {
        "wanted" => Ok(LinkState::Wanted),
        "intended" => Ok(LinkState::Intended(Intent {
            at: time(row, "intended_at")?,
            creates: row.get("creates")?,
            hinted: row.get("hinted")?,
        })),
        "linked" => Ok(LinkState::Linked(Ticket {
            id: row.get("ticket_id")?,
            key: row.get("ticket_key")?,
            url: row.get("ticket_url")?,
            phase: parsed(row, "phase", TicketPhase::parse)?,
            status: row.get("status")?,
        })),
        "unlinked" => Ok(LinkState::Unlinked),
        _ => Err(unexpected("state of a ticket link")),
    }
}
