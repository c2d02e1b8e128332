//! What a body may hold, by the published description of the Alert API.

use serde_json::{Map, Value};

/// Texts with their longest length, in characters.
const LENGTHS: [(&str, usize); 7] = [
    ("message", 130),
    ("alias", 512),
    ("description", 15_000),
    ("entity", 512),
    ("source", 100),
    ("user", 100),
    ("note", 25_000),
];
/// What a new alert may hold beside texts.
pub(super) const OTHERS: [&str; 6] = [
    "responders",
    "visibleTo",
    "actions",
    "tags",
    "details",
    "priority",
];

/// A body whose texts and tags are as they may be; or with which status and errors it is refused.
pub(super) fn read_body(body: &[u8], others: &[&str]) -> Result<Map<String, Value>, (u16, Value)> {
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
        return Err((400, Value::Null));
    };
    let mut errors = Map::new();
    for (name, value) in &body {
        let known = LENGTHS.iter().find(|(known, _)| known == name);
        let fits = match (known, value) {
            (Some((_, max)), Value::String(text)) => text.chars().count() <= *max,
            (None, value) if others.contains(&name.as_str()) => other_fits(name, value),
            _ => false,
        };
        if !fits {
            errors.insert(name.clone(), "is not as it may be".into());
        }
    }
    match errors.is_empty() {
        true => Ok(body),
        false => Err((422, errors.into())),
    }
}

fn other_fits(name: &str, value: &Value) -> bool {
    let is_tag =
        |tag: &Value| matches!(tag.as_str(), Some(tag) if !tag.is_empty() && tag.chars().count() <= 50);
    match (name, value) {
        ("priority", Value::String(text)) => ["P1", "P2", "P3", "P4", "P5"].contains(&text.as_str()),
        ("tags", Value::Array(tags)) => tags.len() <= 20 && tags.iter().all(is_tag),
        ("details", Value::Object(details)) => {
            let texts = details.values().map(Value::as_str);
            let length = texts
                .map(|text| text.map(str::len))
                .try_fold(0, |sum, length| Some(sum + length?));
            length.is_some_and(|length| length <= 8000)
        }
        (_, Value::Array(_)) => true,
        _ => false,
    }
}

/// A text in a body; empty if there is none.
pub(super) fn text<'a>(holder: &'a Map<String, Value>, name: &str) -> &'a str {
    holder.get(name).and_then(Value::as_str).unwrap_or_default()
}
