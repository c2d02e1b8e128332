//! Gives the ticket to a user.

use serde_json::json;

use crate::servicenow::answer::result;
use crate::servicenow::record::Record;
use crate::servicenow::request::Caller;
use crate::workflow::action::{Facts, Observation};
use crate::workflow::system::Ask;
use destination::task::Rendered;
use model::attempt::Failure;
use model::exchange::Exchange;

/// The request. Sent twice it does the same.
pub(super) fn request(caller: Caller<'_>, id: &str, user: &str) -> Result<Rendered, Failure> {
    caller.change(id, &json!({ "assigned_to": user }))
}

/// What became of it: an unknown user would be taken and stand for nobody.
pub(super) fn observe(ask: &Ask<'_>, id: &str, exchange: &Exchange) -> Observation {
    let record = Record::of(&result(ask, exchange)?).unwrap_or_default();
    let sighting = record.sighting(ask).filter(|sighting| sighting.ticket.id == id);
    Ok(match sighting {
        Some(sighting) => Facts::Ticket(Box::new(sighting)),
        None => Facts::Nothing,
    })
}
