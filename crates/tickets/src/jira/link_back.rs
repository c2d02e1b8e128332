//! The ticket's link to the incident's page.

use http::Method;
use serde_json::json;

use crate::jira::answer::{self, Purpose};
use crate::jira::api::Api;
use crate::workflow::action::Observation;
use crate::workflow::system::Ask;
use destination::card::Card;
use destination::task::Rendered;
use destination::text::{Unit, cut};
use model::attempt::Failure;
use model::exchange::Exchange;
use model::incident::IncidentStatus;

/// What the request is for.
const PURPOSE: Purpose<'static> = Purpose {
    act: "link the ticket back",
    missing: "this Jira has issue linking switched off",
};
/// The longest title of a link, in characters.
const MAX_TITLE: usize = 255;

/// The request. Jira replaces a link with the same global id.
pub(super) fn request(api: Api<'_>, ask: &Ask<'_>, id: &str) -> Result<Rendered, Failure> {
    let task = ask.task()?;
    let card = Card::numbered(task)?.cut(MAX_TITLE, MAX_TITLE);
    let body = json!({
        "globalId": format!("opsknight:{}", task.event.incident_id),
        "application": { "type": "com.opsknight", "name": "OpsKnight" },
        "relationship": "incident",
        "object": {
            "url": task.links.incident,
            "title": cut(&card.title, MAX_TITLE, Unit::Utf16),
            "status": { "resolved": card.status == IncidentStatus::Resolved },
        },
    });
    api.send(Method::POST, &["issue", id, "remotelink"], &body)
}

/// What the answer means. What is missing is the linking of issues.
pub(super) fn observe(ask: &Ask<'_>, exchange: &Exchange) -> Observation {
    answer::done(ask, exchange, PURPOSE).map_err(answer::about_this)
}
