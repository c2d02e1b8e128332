//! Marks a ticket that was made twice: it is canceled, and our marker taken off it in the same change, so that it is not found by it
//! any more.

use serde_json::{Map, Value, json};

use crate::servicenow::answer::{result, unreadable};
use crate::servicenow::record::Record;
use crate::servicenow::request::Caller;
use crate::servicenow::settings::{close_code, table};
use crate::servicenow::tables::life;
use crate::workflow::action::{Facts, Observation};
use crate::workflow::system::Ask;
use destination::task::{Rendered, Target};
use model::attempt::Failure;
use model::exchange::Exchange;
use model::ticket::TicketPhase;

/// What becomes of a duplicate's marker.
const DUPLICATE: &str = "-duplicate";

/// Whether a marker is that of a duplicate.
pub(super) fn is_one(marker: &str) -> bool {
    marker.ends_with(DUPLICATE)
}

/// The fields that a duplicate is closed with by whoever cannot cancel it.
pub(super) fn closing(target: &Target, keep: &str) -> Vec<(String, String)> {
    let code = close_code(target).map(|(field, code)| (field.to_owned(), code.to_owned()));
    let texts = life(table(target)).notes_fields.iter();
    let texts = texts.map(|field| ((*field).to_owned(), format!("Duplicate of {keep}.")));
    code.into_iter().chain(texts).collect()
}

/// What takes a marker off; nothing if there is none.
pub(super) fn unmarked(marker: &str) -> Map<String, Value> {
    let mut body = Map::new();
    let marker = marker.trim_end_matches(DUPLICATE);
    if !marker.is_empty() {
        body.insert("correlation_id".into(), json!(format!("{marker}{DUPLICATE}")));
    }
    body
}

/// The request.
pub(super) fn request(caller: Caller<'_>, id: &str, marker: &str) -> Result<Rendered, Failure> {
    let mut body = unmarked(marker);
    body.insert("state".into(), json!(life(table(caller.target)).canceled));
    caller.change(id, &Value::Object(body))
}

/// What became of it. A canceled ticket is at its end, whatever the settings count as done.
pub(super) fn observe(ask: &Ask<'_>, exchange: &Exchange) -> Observation {
    let record = Record::of(&result(ask, exchange)?).unwrap_or_default();
    let mut sighting = record.sighting(ask).ok_or_else(|| unreadable(ask.target))?;
    if record.value("state") == life(table(ask.target)).canceled {
        sighting.ticket.phase = TicketPhase::Done;
    }
    Ok(Facts::Ticket(Box::new(sighting)))
}
