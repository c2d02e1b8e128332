//! An alert as Prometheus, Alertmanager and Grafana write it: labels, annotations, when it began, when it ended.

use std::fmt::Write;

use serde_json::Value;

use crate::json::{members, shown, text};
use crate::severity::severity;
use model::signal::{AlertKey, Signal, SignalAction};
use model::time::Timestamp;

/// Annotations that become links, with what stands on them.
const LINKS: [(&str, &str); 2] = [("runbook_url", "Runbook"), ("dashboard_url", "Dashboard")];
/// Members of Grafana's alerts that are links.
const GRAFANA_LINKS: [(&str, &str); 4] = [
    ("dashboardURL", "Dashboard"),
    ("panelURL", "Panel"),
    ("silenceURL", "Silence"),
    ("imageURL", "Image"),
];

/// What one alert says.
pub(crate) fn signal(action: SignalAction, key: AlertKey, alert: &Value) -> Signal {
    let labels = alert.get("labels").unwrap_or(&Value::Null);
    let annotations = alert.get("annotations").unwrap_or(&Value::Null);
    let mut signal = Signal::new(action, key, &title(labels, annotations));
    signal.describe(first(annotations, &["description", "message"]));
    signal.severity = severity(text(labels, "severity"));
    signal.started_at = time(alert, "startsAt");
    signal.add_link("Source", text(alert, "generatorURL"));
    for (name, label) in LINKS {
        signal.add_link(label, text(annotations, name));
    }
    for (name, label) in GRAFANA_LINKS {
        signal.add_link(label, text(alert, name));
    }
    for (name, value) in members(alert, "labels") {
        signal.add_detail(name, &shown(value));
    }
    for (name, value) in members(alert, "annotations") {
        let is_told = LINKS.iter().any(|(link, _)| link == name)
            || matches!(name.as_str(), "summary" | "description" | "message");
        if !is_told {
            signal.add_detail(name, &shown(value));
        }
    }
    signal.add_detail("values", text(alert, "valueString"));
    signal
}

/// What identifies an alert whose sender names no fingerprint: its labels, in their order. Nothing if it has none.
pub(crate) fn key_of_labels(alert: &Value) -> Option<AlertKey> {
    let mut labels: Vec<(&String, &Value)> = members(alert, "labels").collect();
    labels.sort_by_key(|(name, _)| *name);
    let mut key = String::new();
    for (name, value) in labels {
        let comma = if key.is_empty() { "" } else { "," };
        let _ = write!(key, "{comma}{name}={:?}", shown(value));
    }
    AlertKey::new(&key)
}

/// What identifies an alert.
pub(crate) fn key(alert: &Value) -> Option<AlertKey> {
    AlertKey::new(text(alert, "fingerprint")).or_else(|| key_of_labels(alert))
}

/// A time; nothing for Go's zero time, which says that there is none.
pub(crate) fn time(alert: &Value, name: &str) -> Option<Timestamp> {
    text(alert, name).parse().ok()
}

/// Its summary, or its name and where it is.
fn title(labels: &Value, annotations: &Value) -> String {
    let summary = first(annotations, &["summary", "title"]);
    if !summary.trim().is_empty() {
        return summary.to_owned();
    }
    let name = text(labels, "alertname");
    match first(labels, &["instance", "job"]) {
        "" => name.to_owned(),
        place => format!("{name} on {place}"),
    }
}

fn first<'a>(value: &'a Value, names: &[&str]) -> &'a str {
    let texts = names.iter().map(|name| text(value, name));
    texts
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// An alert of which nothing says which one it is: on record, and nothing else.
pub(crate) fn unnamed(alert: &Value) -> Signal {
    let why = "the alert has neither a fingerprint nor labels: nothing says which one it is".to_owned();
    let mut signal = Signal::new(
        SignalAction::Ignore(why),
        AlertKey::unnamed(),
        "Alert without labels",
    );
    signal.started_at = time(alert, "startsAt");
    signal
}
