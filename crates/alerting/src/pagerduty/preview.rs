//! What PagerDuty is told, as people there see it.

use serde_json::Value;

use destination::preview::{Part, Preview};

/// What a reader sees of a body; nothing if it is no event.
pub(super) fn preview(body: &[u8]) -> Option<Preview> {
    let event: Value = serde_json::from_slice(body).ok()?;
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let action = text("/event_action")?;
    let Some(summary) = text("/payload/summary") else {
        let said = match action {
            "acknowledge" => "The alert is acknowledged",
            _ => "The alert is resolved",
        };
        let parts = vec![
            Part::Text(said.to_owned()),
            Part::Quiet(text("/dedup_key")?.to_owned()),
        ];
        return Some(Preview { accent: None, parts });
    };
    let facts = ["severity", "source", "class"];
    let facts = facts
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), text(&format!("/payload/{name}"))?.to_owned())));
    let mut parts = vec![
        Part::Heading(summary.to_owned()),
        Part::Facts(facts.collect()),
        Part::Quiet(text("/dedup_key")?.to_owned()),
    ];
    parts.extend(text("/links/0/text").map(|link| Part::Buttons(vec![link.to_owned()])));
    let accent = match text("/payload/severity") {
        Some("critical") => 0xdc_26_26,
        Some("error") => 0xea_58_0c,
        Some("warning") => 0xf5_9e_0b,
        _ => 0x25_63_eb,
    };
    Some(Preview {
        accent: Some(accent),
        parts,
    })
}
