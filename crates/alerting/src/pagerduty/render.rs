//! An event of ours made into one of PagerDuty's (`POST /v2/enqueue`).

use serde_json::{Map, Value, json};

use crate::request::{Credentials, below, post};
use crate::wording::{Wording, details, headline};
use destination::card::Card;
use destination::task::{Rendered, Task};
use model::attempt::Failure;
use model::event::EventName;

/// The longest summary, in characters.
const MAX_SUMMARY: usize = 1024;
/// The longest names that are sent whole, in characters.
const MAX_NAME: usize = 255;

/// What PagerDuty is to do. An alert that was resolved there takes no more events: a reopened incident opens another with the
/// same key, and an escalated one adds to its alert, or opens one if somebody resolved it over there.
pub(super) fn action(event: EventName) -> &'static str {
    match event {
        EventName::Triggered | EventName::Escalated | EventName::Reopened => "trigger",
        EventName::Acknowledged => "acknowledge",
        EventName::Resolved => "resolve",
    }
}

/// The request for a task.
pub(super) fn render(task: &Task<'_>, wording: Wording) -> Result<Rendered, Failure> {
    let card = Card::new(task)?.cut(MAX_SUMMARY, MAX_NAME);
    let action = action(card.event);
    let mut event = json!({
        "routing_key": task.target.secret("routingKey"),
        "event_action": action,
        "dedup_key": card.incident_id.to_string(),
    });
    if action == "trigger" {
        event["payload"] = payload(&card, wording);
        event["client"] = "OpsKnight".into();
        if let Some(link) = card.link.as_ref().filter(|_| wording == Wording::Full) {
            event["client_url"] = link.as_str().into();
            event["links"] = json!([{ "href": link, "text": "Open the incident in OpsKnight" }]);
        }
    }
    post(below(&task.target.url, "/v2/enqueue"), &Credentials::None, &event)
}

fn payload(card: &Card, wording: Wording) -> Value {
    // A sample shall page nobody at night.
    let severity = match card.is_test {
        true => "info".to_owned(),
        false => card.severity_name().to_lowercase(),
    };
    let mut payload = json!({
        "summary": headline(card, MAX_SUMMARY),
        "source": card.service,
        "severity": severity,
    });
    if wording == Wording::Full {
        let details = details(card)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()));
        payload["timestamp"] = card.at.to_rfc3339_seconds().into();
        payload["component"] = card.service.as_str().into();
        payload["class"] = card.happened().to_lowercase().into();
        payload["custom_details"] = Value::Object(details.collect::<Map<_, _>>());
    }
    payload
}
