//! The ticket's link to the incident's page.

use http::Method;
use serde_json::json;

use crate::jira::answer::{self, Purpose};
use crate::jira::plan::Facts;
use crate::jira::progress::Chore;
use destination::card::Card;
use destination::task::{Classification, Rendered};
use destination::text::{Unit, cut};
use model::attempt::Failure;
use model::exchange::Exchange;
use model::time::Timestamp;

/// What the request is for.
const PURPOSE: Purpose<'static> = Purpose {
    act: "link the ticket back",
    missing: "this Jira has issue linking switched off",
};
/// The longest title of a link, in characters.
const MAX_TITLE: usize = 255;

/// Whether the ticket has no link back, or one that tells an old story.
pub(super) fn is_due(facts: &Facts<'_>) -> bool {
    let is_told = facts.memory.link_is_resolved == Some(facts.is_resolved());
    facts.task.links.incident.is_some() && !is_told && !facts.progress.has_given_up(Chore::LinkBack)
}

/// The request. Jira replaces a link with the same global id.
pub(super) fn request(facts: &Facts<'_>) -> Result<Rendered, Failure> {
    let card = Card::new(&facts.task)?.cut(MAX_TITLE, MAX_TITLE);
    let id = facts.ticket_id().unwrap_or_default();
    let body = json!({
        "globalId": format!("opsknight:{}", facts.task.event.incident_id),
        "application": { "type": "com.opsknight", "name": "OpsKnight" },
        "relationship": "incident",
        "object": {
            "url": facts.task.links.incident,
            "title": cut(&card.title, MAX_TITLE, Unit::Utf16),
            "status": { "resolved": facts.is_resolved() },
        },
    });
    facts
        .api()
        .send(Method::POST, &["issue", &id, "remotelink"], &body)
}

/// What the answer means. A Jira that takes no links is no reason to fail.
pub(super) fn judge(mut facts: Facts<'_>, exchange: &Exchange, now: Timestamp) -> Classification {
    let Err(trouble) = answer::good(facts.task.target, exchange, PURPOSE, now) else {
        facts.memory.link_is_resolved = Some(facts.is_resolved());
        let note = format!("linked {} back to the incident", facts.key());
        return facts.go_on(note);
    };
    match exchange.result.as_ref().map(|response| response.status) {
        Ok(401 | 429 | 500..=599) | Err(_) => facts.give_up(trouble),
        Ok(_) => {
            facts.progress.give_up(Chore::LinkBack);
            facts.go_on(format!("left the link back out: {}", trouble.failure.detail))
        }
    }
}
