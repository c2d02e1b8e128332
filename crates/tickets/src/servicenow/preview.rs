//! The body of a request as the ticket that it makes or changes.

use serde_json::{Map, Value};

use destination::preview::{Part, Preview};

/// What has a place of its own.
const PLACED: [&str; 3] = ["short_description", "description", "work_notes"];

/// The ticket; nothing if the body is none.
pub(super) fn preview(body: &[u8]) -> Option<Preview> {
    let body: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let heading = text("short_description").map(Part::Heading);
    let is_facts = |name: &str| !PLACED.contains(&name);
    let facts = body.iter().filter(|(name, _)| is_facts(name));
    let facts: Vec<_> = facts.map(|(name, value)| (label(name), plain(value))).collect();
    let facts = (!facts.is_empty()).then_some(Part::Facts(facts));
    let description = text("description").map(Part::Text);
    let note = text("work_notes").map(Part::Text);
    let parts: Vec<_> = [heading, facts, description, note]
        .into_iter()
        .flatten()
        .collect();
    (!parts.is_empty()).then_some(Preview { accent: None, parts })
}

/// What people call a field.
fn label(name: &str) -> String {
    let known = match name {
        "correlation_id" => "Correlation ID",
        "correlation_display" => "Correlation display",
        "close_code" => "Close code",
        "close_notes" => "Close notes",
        "assigned_to" => "Assigned to",
        "assignment_group" => "Assignment group",
        "impact" => "Impact",
        "urgency" => "Urgency",
        "state" => "State",
        other => other,
    };
    known.to_owned()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
