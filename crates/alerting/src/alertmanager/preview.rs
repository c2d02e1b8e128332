//! An alert as Alertmanager's page shows it.

use serde_json::Value;

use destination::preview::{Part, Preview};

/// What a reader sees of a body; nothing if it holds no alert.
pub(super) fn preview(body: &[u8]) -> Option<Preview> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let alert = body.get(0)?;
    let pairs = |name: &str| {
        let pairs = alert.get(name).and_then(Value::as_object).into_iter().flatten();
        pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
    };
    let summary = alert.pointer("/annotations/summary")?.as_str()?;
    let severity = alert.pointer("/labels/severity").and_then(Value::as_str);
    let accent = match severity {
        Some("critical") => 0xdc_26_26,
        Some("error") => 0xea_58_0c,
        Some("warning") => 0xf5_9e_0b,
        _ => 0x25_63_eb,
    };
    let labels: Vec<_> = pairs("labels")
        .map(|(name, value)| format!("{name}=\"{value}\""))
        .collect();
    let annotations = pairs("annotations").filter(|(name, _)| name != "summary");
    let parts = vec![
        Part::Heading(summary.to_owned()),
        Part::Facts(annotations.collect()),
        Part::Quiet(labels.join(" ")),
        Part::Quiet(format!("ends at {}", alert.get("endsAt")?.as_str()?)),
    ];
    Some(Preview {
        accent: Some(accent),
        parts,
    })
}
