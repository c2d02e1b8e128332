//! What is kept of a ticket in one JSON text: the link, and what the workflow of tickets knows beyond it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use model::ticket::{Intent, LinkState, Ticket, TicketPhase};
use model::time::Timestamp;

use crate::ticket_plan::LinkRow;

/// The form of the text; moves when an older server could not read it.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Text {
    version: u32,
    /// One of [`LinkState::NAMES`], or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<TicketText>,
    /// When a request that makes the ticket left, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    intended_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hinted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<String>,
    creates: u32,
    is_asked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<Value>,
}

#[derive(Serialize, Deserialize)]
struct TicketText {
    id: String,
    key: String,
    url: String,
    phase: String,
    status: String,
}

/// What of a row is in its text.
pub fn write(row: &LinkRow) -> String {
    let (intended_at, hinted) = match &row.state {
        Some(LinkState::Intended(intent)) => (Some(intent.at.as_millis()), intent.hinted.clone()),
        Some(LinkState::Wanted | LinkState::Linked(_) | LinkState::Unlinked) | None => (None, None),
    };
    let text = Text {
        version: VERSION,
        link: row.state.as_ref().map(|state| state.as_str().to_owned()),
        ticket: row.ticket().map(|ticket| TicketText {
            id: ticket.id.clone(),
            key: ticket.key.clone(),
            url: ticket.url.clone(),
            phase: ticket.phase.as_str().to_owned(),
            status: ticket.status.clone(),
        }),
        intended_at,
        hinted,
        seen: row.ticket().map(|_| row.seen.as_str().to_owned()),
        creates: row.creates,
        is_asked: row.is_asked,
        workflow: row
            .workflow
            .as_ref()
            .and_then(|text| serde_json::from_str(text).ok()),
    };
    serde_json::to_string(&text).unwrap_or_default()
}

/// The row with what is in its text; nothing if that cannot be read.
pub fn read(text: &str, row: LinkRow) -> Option<LinkRow> {
    let text: Text = serde_json::from_str(text).ok()?;
    let phase = |text: Option<&str>| text.map_or(Some(TicketPhase::New), TicketPhase::parse);
    let state = match text.link.as_deref() {
        None => None,
        Some("wanted") => Some(LinkState::Wanted),
        Some("intended") => Some(LinkState::Intended(Intent {
            at: Timestamp::from_millis(text.intended_at?),
            creates: text.creates,
            hinted: text.hinted,
        })),
        Some("linked") => {
            let ticket = text.ticket?;
            Some(LinkState::Linked(Ticket {
                phase: TicketPhase::parse(&ticket.phase)?,
                id: ticket.id,
                key: ticket.key,
                url: ticket.url,
                status: ticket.status,
            }))
        }
        Some("unlinked") => Some(LinkState::Unlinked),
        Some(_) => return None,
    };
    (text.version == VERSION).then_some(())?;
    Some(LinkRow {
        state,
        seen: phase(text.seen.as_deref())?,
        creates: text.creates,
        is_asked: text.is_asked,
        workflow: text.workflow.map(|workflow| workflow.to_string()),
        ..row
    })
}
