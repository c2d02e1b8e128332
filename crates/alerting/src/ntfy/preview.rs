//! A notification as its reader sees it.

use serde_json::Value;

use destination::preview::{Part, Preview};

/// What a reader sees of a body; nothing if it is no notification.
pub(super) fn preview(body: &[u8]) -> Option<Preview> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let items = |name: &str| body.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut parts = vec![
        Part::Heading(text("title")?.to_owned()),
        Part::Text(text("message")?.to_owned()),
    ];
    let tags: Vec<_> = items("tags").filter_map(Value::as_str).collect();
    let priority = body.get("priority").and_then(Value::as_u64).unwrap_or_default();
    parts.push(Part::Quiet(format!("priority {priority} · {}", tags.join(", "))));
    let labels = items("actions").filter_map(|action| Some(action.get("label")?.as_str()?.to_owned()));
    let labels: Vec<_> = labels.collect();
    if !labels.is_empty() {
        parts.push(Part::Buttons(labels));
    }
    Some(Preview { accent: None, parts })
}
