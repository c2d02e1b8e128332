//! An event made into `POST /api/v2/alerts` with one alert.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::request::{Credentials, below, post};
use crate::wording::{Wording, details, headline};
use destination::card::Card;
use destination::task::{Rendered, Target, Task};
use model::attempt::Failure;
use model::incident::IncidentStatus;
use model::time::Timestamp;

/// The longest title that is sent whole, in characters.
const MAX_SUMMARY: usize = 1000;
/// The longest name that is sent whole, in characters.
const MAX_NAME: usize = 200;
/// The name of every alert, unless the settings say another.
const ALERT_NAME: &str = "OpsKnightIncident";
/// How long an alert fires that nobody resolves. Alertmanager forgets it anyway when it restarts.
const OPEN_FOR: Duration = Duration::from_secs(365 * 24 * 3600);
/// The most labels of the settings, and the longest of them, in bytes: all of them are remembered.
const MAX_LABELS: usize = 20;
const MAX_LABEL_BYTES: usize = 100;
/// The labels that are ours.
const OWN: [&str; 4] = ["alertname", "incident", "service", "severity"];

/// What an alert is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Those that the incident's alert was opened with, or those that open it.
    pub(super) fn new(task: &Task<'_>) -> Result<Self, Failure> {
        let kept = task.message_ref.and_then(|text| serde_json::from_str(text).ok());
        if let Some(kept) = kept {
            return Ok(Self(kept));
        }
        let card = Card::new(task)?.cut(MAX_SUMMARY, MAX_NAME);
        let name = match task.target.option("alertName").trim() {
            "" => ALERT_NAME,
            name => name,
        };
        let ours = [
            name.to_owned(),
            card.incident_id.to_string(),
            card.service.clone(),
            card.severity_name().to_lowercase(),
        ];
        let mut labels = own_labels(task.target).unwrap_or_default();
        labels.extend(OWN.map(str::to_owned).into_iter().zip(ours));
        Ok(Self(labels))
    }

    /// As they are remembered.
    pub(super) fn text(&self) -> String {
        json!(self.0).to_string()
    }
}

/// The request for a task.
pub(super) fn render(task: &Task<'_>, wording: Wording, labels: &Labels) -> Result<Rendered, Failure> {
    let alert = alert(task, wording, labels, task.event.at.plus(OPEN_FOR))?;
    post_alerts(task.target, vec![alert])
}

/// The request that tells a target of alerts.
pub(super) fn post_alerts(target: &Target, alerts: Vec<Value>) -> Result<Rendered, Failure> {
    let url = below(&target.url, "/api/v2/alerts");
    post(url, &Credentials::new(target), &alerts.into())
}

/// The alert of a task's incident, which fires until a time unless that is over.
pub(super) fn alert(
    task: &Task<'_>,
    wording: Wording,
    labels: &Labels,
    open_until: Timestamp,
) -> Result<Value, Failure> {
    let card = Card::new(task)?.cut(usize::MAX, MAX_NAME);
    let ends_at = end(&card).unwrap_or(open_until);
    let mut alert = json!({
        "labels": labels.0,
        "annotations": { "summary": headline(&card, MAX_SUMMARY) },
        "startsAt": card.since.to_rfc3339_seconds(),
        "endsAt": ends_at.to_rfc3339_seconds(),
    });
    if wording == Wording::Full {
        let details = details(&card)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()));
        let mut annotations: Map<String, Value> = details.collect();
        annotations.insert("summary".to_owned(), headline(&card, MAX_SUMMARY).into());
        alert["annotations"] = annotations.into();
        if let Some(link) = &card.link {
            alert["generatorURL"] = link.as_str().into();
        }
    }
    Ok(alert)
}

/// When the alert ended of an incident that is over. It must not be before it began, and both are told in whole seconds.
pub(super) fn end(card: &Card) -> Option<Timestamp> {
    match card.status {
        IncidentStatus::Resolved => Some(card.at.max(card.since)),
        IncidentStatus::Triggered | IncidentStatus::Acknowledged => None,
    }
}

/// The labels in the settings; nothing if they are not as they may be.
pub(super) fn own_labels(target: &Target) -> Option<BTreeMap<String, String>> {
    let lines = target
        .option("labels")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let labels: BTreeMap<_, _> = lines.map(label).collect::<Option<_>>()?;
    (labels.len() <= MAX_LABELS).then_some(labels)
}

fn label(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let is_name = begins
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let fits = !value.is_empty() && line.len() <= MAX_LABEL_BYTES;
    (is_name && fits && !OWN.contains(&name)).then(|| (name.to_owned(), value.to_owned()))
}
