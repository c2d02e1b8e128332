//! What Opsgenie is told, as people there see it.

use serde_json::Value;

use destination::preview::{Part, Preview};

/// What a reader sees of a body; nothing if it is none of ours.
pub(super) fn preview(body: &[u8]) -> Option<Preview> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let Some(message) = text("message") else {
        let parts = vec![
            Part::Text(text("note")?.to_owned()),
            Part::Quiet(text("user")?.to_owned()),
        ];
        return Some(Preview { accent: None, parts });
    };
    let facts = ["priority", "entity"];
    let facts = facts
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), text(name)?.to_owned())));
    let mut parts = vec![Part::Heading(message.to_owned()), Part::Facts(facts.collect())];
    parts.extend(text("description").map(|lines| Part::Text(lines.to_owned())));
    let tags = body.get("tags").and_then(Value::as_array);
    let tags: Vec<_> = tags.into_iter().flatten().filter_map(Value::as_str).collect();
    if !tags.is_empty() {
        parts.push(Part::Quiet(tags.join(", ")));
    }
    let accent = match text("priority") {
        Some("P1") => 0xdc_26_26,
        Some("P2") => 0xea_58_0c,
        Some("P3") => 0xf5_9e_0b,
        _ => 0x25_63_eb,
    };
    Some(Preview {
        accent: Some(accent),
        parts,
    })
}
