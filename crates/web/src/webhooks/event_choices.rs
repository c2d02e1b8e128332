//! The events that a webhook's form offers, of incidents and of webhooks themselves, and the severities.

use crate::deliveries::attempt::{event_meaning, operational_meaning};
use crate::layout::choices::Choice;
use model::event::EventName;
use model::incident::Severity;
use model::operational::OperationalName;
use model::webhook::WebhookKind;

/// A choice of events with what it means.
pub struct EventChoice {
    pub event: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Whether it is ticked.
    pub is_chosen: bool,
}

/// Every event of incidents.
pub fn event_choices(is_chosen: impl Fn(EventName) -> bool) -> Vec<EventChoice> {
    let choice = |event: EventName| EventChoice {
        event: event.as_str(),
        meaning: event_meaning(event),
        is_chosen: is_chosen(event),
    };
    EventName::ALL.iter().copied().map(choice).collect()
}

/// A ticket system gets neither canaries nor operational events: each would make a ticket.
pub fn is_told_of_webhooks(kind: WebhookKind) -> bool {
    kinds::adapter_or_unknown(kind).ticketing().is_none()
}

/// Every operational event; none for a kind that does not get them.
pub fn operational_choices(
    kind: WebhookKind,
    is_chosen: impl Fn(OperationalName) -> bool,
) -> Vec<EventChoice> {
    if !is_told_of_webhooks(kind) {
        return Vec::new();
    }
    let choice = |event: OperationalName| EventChoice {
        event: event.as_str(),
        meaning: operational_meaning(event),
        is_chosen: is_chosen(event),
    };
    OperationalName::ALL.iter().copied().map(choice).collect()
}

/// Every severity.
pub fn severity_boxes(chosen: &[Severity]) -> Vec<Choice> {
    let choice = |severity: Severity| Choice {
        value: severity.as_str().into(),
        name: severity.as_str().into(),
        is_chosen: chosen.contains(&severity),
    };
    Severity::ALL.iter().copied().map(choice).collect()
}
