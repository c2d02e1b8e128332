//! Marks a ticket that was linked by hand as the incident's: its changes are told to us then, as those of a ticket that we made.

use serde_json::json;

use crate::servicenow::record::DISPLAY;
use crate::servicenow::request::Caller;
use destination::task::Rendered;
use model::attempt::Failure;

/// The request. Sent twice it does the same.
pub(super) fn request(caller: Caller<'_>, id: &str, marker: &str) -> Result<Rendered, Failure> {
    let body = json!({ "correlation_id": marker, "correlation_display": DISPLAY });
    caller.change(id, &body)
}
