//! The latest requests of a source, as its page shows them: what came, and what became of it.

use crate::layout::show::{self, Markup};
use model::id::{IncidentId, SourceRequestId};
use model::source::{RequestResult, SignalOutcome, SourceRequest};
use model::time::Timestamp;

/// A request in the list.
pub(super) struct RequestRow {
    pub id: SourceRequestId,
    pub what: String,
    pub outcome: Markup,
    pub from: String,
    pub at: Markup,
    pub is_shown: bool,
}

/// What became of one alert.
pub(super) struct AlertRow {
    pub title: String,
    pub key: String,
    pub outcome: Markup,
    pub incident_id: Option<IncidentId>,
    pub reason: String,
}

/// The request that is shown whole.
pub(super) struct ShownRequest {
    pub id: SourceRequestId,
    pub line: String,
    pub from: String,
    pub at: Markup,
    pub size: String,
    pub answered: u16,
    pub refusal: Option<String>,
    pub alerts: Vec<AlertRow>,
    /// What became of those that are not listed, if there are any.
    pub rest: Option<String>,
    pub body: String,
    pub is_cut: bool,
}

impl RequestRow {
    /// A request in the list.
    pub fn new(request: &SourceRequest, shown: Option<SourceRequestId>, now: Timestamp) -> Self {
        Self {
            id: request.id,
            what: summary(&request.result),
            outcome: overall(&request.result),
            from: request.remote_address.clone(),
            at: show::when(request.at, now),
            is_shown: shown == Some(request.id),
        }
    }
}

impl ShownRequest {
    /// A request that is shown whole.
    pub fn new(request: &SourceRequest) -> Self {
        let result = &request.result;
        let row = |alert: &model::source::AlertResult| AlertRow {
            title: alert.title.clone(),
            key: alert.key.clone(),
            outcome: outcome_badge(alert.outcome.as_str()),
            incident_id: alert.outcome.incident_id(),
            reason: alert.outcome.reason().unwrap_or_default().to_owned(),
        };
        let all: u64 = result.counts.values().map(|count| u64::from(*count)).sum();
        let listed = result.alerts.len() as u64;
        let rest = all.saturating_sub(listed);
        Self {
            id: request.id,
            line: format!("{} {}", request.method, request.path),
            from: request.remote_address.clone(),
            at: show::when_exactly(request.at),
            size: show::bytes(request.body.len() as u64),
            answered: request.status,
            refusal: result
                .refusal
                .as_ref()
                .map(|refusal| format!("{} ({})", show::sentence_case(&refusal.sentence), refusal.code)),
            alerts: result.alerts.iter().map(row).collect(),
            rest: (rest > 0).then(|| format!("And {} more. All: {}.", show::count(rest), summary(result))),
            body: show::pretty_json(&request.body).unwrap_or_else(|| show::body_text(&request.body)),
            is_cut: request.body_is_truncated,
        }
    }
}

/// `2 opened, 1 ignored`.
fn summary(result: &RequestResult) -> String {
    if let Some(refusal) = &result.refusal {
        return refusal.code.replace('_', " ");
    }
    // In the order of the outcomes' names, which begins with what matters most.
    let counts = SignalOutcome::NAMES.iter().filter_map(|name| {
        let count = result.counts.get(*name).filter(|count| **count > 0)?;
        Some(format!(
            "{} {}",
            show::count(u64::from(*count)),
            name.replace('_', " ")
        ))
    });
    let counts: Vec<String> = counts.collect();
    match counts.is_empty() {
        true => "no alert in it".to_owned(),
        false => counts.join(", "),
    }
}

/// The badge of a request: the weightiest that became of one of its alerts.
fn overall(result: &RequestResult) -> Markup {
    if result.refusal.is_some() {
        return show::badge("error", "Refused");
    }
    let weightiest = SignalOutcome::NAMES
        .iter()
        .find(|name| result.counts.get(**name).is_some_and(|count| *count > 0));
    weightiest.map_or_else(|| show::badge("neutral", "Nothing"), |name| outcome_badge(name))
}

fn outcome_badge(name: &str) -> Markup {
    match name {
        "opened" => show::badge("warning", "Opened"),
        "counted" => show::badge("info", "Counted"),
        "resolved" => show::badge("success", "Resolved"),
        "resolved_in_storm" => show::badge("success", "Resolved in storm"),
        "acknowledged" => show::badge("info", "Acknowledged"),
        "damped" => show::badge("warning", "Damped"),
        "kept" => show::badge("neutral", "Kept"),
        _ => show::badge("neutral", "Ignored"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_request_is_told_in_a_line_by_weight() {
        let mut result = RequestResult::default();
        assert_eq!(summary(&result), "no alert in it");
        let ignored = |_: u32| SignalOutcome::Ignored { reason: "x".into() };
        for index in 0..2 {
            result.add("k".into(), "t".into(), ignored(index));
        }
        result.add("k".into(), "t".into(), SignalOutcome::Kept);
        assert_eq!(summary(&result), "1 kept, 2 ignored");
        assert!(overall(&result).to_string().contains("Kept"));
    }
}
