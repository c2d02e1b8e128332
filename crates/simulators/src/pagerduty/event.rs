//! What an event may be, by the published description of the Events API v2.

use jiff::Timestamp as Instant;
use serde_json::{Map, Value};

const SEVERITIES: [&str; 4] = ["critical", "error", "warning", "info"];
/// What an event may hold.
const MEMBERS: [&str; 8] = [
    "routing_key",
    "event_action",
    "dedup_key",
    "payload",
    "images",
    "links",
    "client",
    "client_url",
];
/// What its payload may hold.
const PAYLOAD: [&str; 8] = [
    "summary",
    "timestamp",
    "source",
    "severity",
    "component",
    "group",
    "class",
    "custom_details",
];

/// What is wrong with an event, in PagerDuty's manner.
pub(super) fn errors(event: &Map<String, Value>, is_change: bool) -> Vec<String> {
    let mut errors: Vec<String> = Vec::new();
    let known = |name: &&String| MEMBERS.contains(&name.as_str());
    errors.extend(
        event
            .keys()
            .filter(|name| !known(name))
            .map(|name| format!("'{name}' is not known")),
    );
    let key = text(event, "routing_key");
    if key.len() != 32 {
        errors.push("Length of 'routing_key' is incorrect (should be 32 characters)".into());
    }
    if !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        errors.push("'routing_key' cannot contain non-alphanumeric characters.".into());
    }
    if text(event, "dedup_key").chars().count() > 255 {
        errors.push("'dedup_key' is too long".into());
    }
    let action = text(event, "event_action");
    if !is_change && !["trigger", "acknowledge", "resolve"].contains(&action) {
        errors.push("'event_action' is missing or blank".into());
    }
    if !is_change && action != "trigger" && text(event, "dedup_key").is_empty() {
        errors.push("'dedup_key' is missing or blank".into());
    }
    let links = event.get("links").map_or(&[][..], |links| {
        links.as_array().map_or(&[Value::Null][..], Vec::as_slice)
    });
    let has_address = |link: &Value| link.get("href").is_some_and(Value::is_string);
    if !links.iter().all(has_address) {
        errors.push("'links' is invalid".into());
    }
    if let Some(address) = event.get("client_url").filter(|address| !address.is_string()) {
        errors.push(format!("'client_url' is invalid: {address}"));
    }
    match event.get("payload") {
        Some(Value::Object(payload)) => errors.extend(payload_errors(payload, is_change)),
        None if action != "trigger" && !is_change => {}
        _ => errors.push("'payload' is missing or blank".into()),
    }
    errors
}

fn payload_errors(payload: &Map<String, Value>, is_change: bool) -> Vec<String> {
    let unknown = payload.keys().filter(|name| !PAYLOAD.contains(&name.as_str()));
    let mut errors: Vec<_> = unknown
        .map(|name| format!("'payload.{name}' is not known"))
        .collect();
    let summary = text(payload, "summary");
    if summary.trim().is_empty() || summary.chars().count() > 1024 {
        errors.push("'payload.summary' is missing, blank or too long".into());
    }
    if !is_change && text(payload, "source").trim().is_empty() {
        errors.push("'payload.source' is missing or blank".into());
    }
    if !is_change && !SEVERITIES.contains(&text(payload, "severity")) {
        errors.push("'payload.severity' is invalid (must be one of critical, warning, error, info)".into());
    }
    let is_time = |value: &Value| value.as_str().is_some_and(|text| text.parse::<Instant>().is_ok());
    if !payload.get("timestamp").is_none_or(is_time) {
        errors.push("'payload.timestamp' is invalid".into());
    }
    errors
}

/// A text in an event; empty if there is none.
pub(super) fn text<'a>(holder: &'a Map<String, Value>, name: &str) -> &'a str {
    holder.get(name).and_then(Value::as_str).unwrap_or_default()
}
