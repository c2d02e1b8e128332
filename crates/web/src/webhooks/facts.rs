//! The settings of a webhook in words, for its page.
use crate::layout::error::PageError;
use crate::state::WebState;
use crate::webhooks::list::every_webhook;
use destination::about::{Field, Input};
use model::event::EventType;
use model::incident::Severity;
use model::outage::{AfterOutage, Fallback};
use model::time::format_duration;
use model::webhook::{Ordering, Webhook, WebhookSettings, WhenDisabled};

/// A setting and what it is.
pub struct Fact {
    /// The setting.
    pub name: &'static str,
    /// What it is.
    pub value: String,
}

/// Everything that is set, what is left at nothing left out.
pub async fn facts(webhook: &Webhook, state: &WebState) -> Result<Vec<Fact>, PageError> {
    let settings = &webhook.settings;
    let mut services = Vec::new();
    for id in &settings.services {
        let service = state.store.services.get(*id).await;
        services.push(service.map_or_else(|_| id.to_string(), |service| service.name));
    }
    let events: Vec<_> = settings.events.types().map(EventType::as_str).collect();
    let mut facts = vec![Fact {
        name: "Events",
        value: events.join(", "),
    }];
    facts.extend(option_facts(webhook));
    facts.extend(choice_facts(settings, &services));
    facts.extend(sending_facts(webhook));
    facts.extend(outage_facts(webhook, &every_webhook(state).await?));
    Ok(facts)
}

/// What its kind asks for; of secrets only that they are set.
fn option_facts(webhook: &Webhook) -> Vec<Fact> {
    let about = kinds::adapter_or_unknown(webhook.settings.kind).description();
    let value = |field: &Field| match field.is_secret() {
        true => {
            let names = &webhook.secret_option_names;
            names
                .iter()
                .any(|name| name == field.name)
                .then(|| "set".to_owned())
        }
        false => webhook
            .settings
            .options
            .get(field.name)
            .map(|value| match field.input {
                Input::Choice(choices) => {
                    let chosen = choices.iter().find(|(choice, _)| choice == value);
                    chosen.map_or(value.clone(), |(_, meaning)| (*meaning).to_owned())
                }
                Input::Line
                | Input::Url
                | Input::TimeZone
                | Input::Servers
                | Input::Secret
                | Input::Lines => value.clone(),
            }),
    };
    let fact = |field: &Field| {
        Some(Fact {
            name: field.label,
            value: value(field)?,
        })
    };
    about.fields.iter().filter_map(fact).collect()
}

/// What it chooses, if it does not take everything.
fn choice_facts(settings: &WebhookSettings, services: &[String]) -> Vec<Fact> {
    let severities: Vec<_> = settings
        .severities
        .iter()
        .copied()
        .map(Severity::as_str)
        .collect();
    let filter = settings.filter.as_ref().map_or_else(String::new, |filter| {
        let unused = filter
            .problem()
            .map(|problem| format!(" (lets every event through: {problem})"));
        format!("{}{}", filter.source(), unused.unwrap_or_default())
    });
    [
        ("Filter", filter),
        ("Severities", severities.join(", ")),
        ("Services", services.join(", ")),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| Fact { name, value })
    .collect()
}

/// What happens when its receiver fails, and for whom it takes over.
fn outage_facts(webhook: &Webhook, webhooks: &[Webhook]) -> Vec<Fact> {
    let settings = &webhook.settings;
    let after_outage = match settings.after_outage {
        AfterOutage::Everything => String::new(),
        AfterOutage::Newest => "sends the newest event of each incident".to_owned(),
        AfterOutage::Expire { after } => format!("sends nothing older than {}", format_duration(after)),
    };
    let fallback = settings
        .fallback
        .map_or(String::new(), |of| fallback_fact(of, webhooks));
    let takes_over = |other: &&Webhook| {
        other
            .settings
            .fallback
            .is_some_and(|of| of.webhook_id == webhook.id)
    };
    let users = webhooks.iter().filter(takes_over);
    let users: Vec<_> = users.map(|other| other.settings.name.as_str()).collect();
    [
        ("After an outage", after_outage),
        ("Fallback", fallback),
        ("Takes over from", users.join(", ")),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| Fact { name, value })
    .collect()
}

fn fallback_fact(fallback: Fallback, webhooks: &[Webhook]) -> String {
    let Some(other) = webhooks.iter().find(|other| other.id == fallback.webhook_id) else {
        return "a webhook that was deleted: choose another".to_owned();
    };
    let when = fallback.late_after.map_or(String::new(), |after| {
        format!(", also of what is late by {}", format_duration(after))
    });
    let state = match (other.is_enabled(), other.settings.when_disabled) {
        (true, _) => "",
        (false, WhenDisabled::Hold) => " (disabled: what it takes over is held)",
        (false, WhenDisabled::Drop) => " (disabled: passed over, its own fallback takes over)",
    };
    format!("{}{when}{state}", other.settings.name)
}

fn sending_facts(webhook: &Webhook) -> Vec<Fact> {
    let settings = &webhook.settings;
    let delays: Vec<_> = settings
        .retry_schedule
        .delays()
        .iter()
        .map(|delay| format_duration(*delay))
        .collect();
    let certificates = match (webhook.has_extra_ca, webhook.has_tls_identity) {
        (true, true) => "another authority, a client certificate",
        (true, false) => "another authority",
        (false, true) => "a client certificate",
        (false, false) => "",
    };
    let retries = match delays.is_empty() {
        true => "none".to_owned(),
        false => delays.join(", "),
    };
    let ordering = match settings.ordering {
        Ordering::Incident => "each incident's events in order",
        Ordering::None => "any",
    };
    let when_disabled = match settings.when_disabled {
        WhenDisabled::Hold => "holds events",
        WhenDisabled::Drop => "drops events",
    };
    [
        ("Retries after", retries),
        ("Timeout", format_duration(settings.timeout)),
        ("Concurrency", settings.concurrency.to_string()),
        (
            "Rate",
            settings.rate.map_or("unbounded".into(), |rate| rate.to_string()),
        ),
        ("Order", ordering.to_owned()),
        ("While disabled", when_disabled.to_owned()),
        (
            "Canary",
            settings
                .canary_hours
                .map_or(String::new(), |hours| format!("every {hours}h")),
        ),
        ("Own headers", webhook.header_names.join(", ")),
        ("Certificates", certificates.to_owned()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| Fact { name, value })
    .collect()
}
