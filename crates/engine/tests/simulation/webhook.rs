//! Webhooks of every kind, as the simulation makes them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use url::Url;

use destination::about::UrlField;
use model::event::{EventName, EventSet};
use model::filter::Filter;
use model::outage::{AfterOutage, Fallback, MIN_EXPIRY};
use model::retry::RetrySchedule;
use model::secret::SecretText;
use model::ticket::{HEADLINE_OPTION, WRITTEN_NOTES_OPTION};
use model::webhook::{Ordering, Rate, Webhook, WebhookKind, WebhookSecrets, WebhookSettings, WhenDisabled};

use super::action::{Choices, KINDS};

/// What is known of a webhook.
#[derive(Debug, Clone)]
pub struct Known {
    pub host: String,
    pub kind: &'static str,
    /// As it was last read.
    pub webhook: Webhook,
    /// Made since what happened was last taken in: the engine may have made events before.
    pub is_new: bool,
    pub is_deleted: bool,
    /// Whether something may have been posted twice there.
    pub may_double: bool,
    /// When requests to it were sent, on the monotonic clock; nothing if its pace begins anew.
    pub sent_ms: BTreeSet<i64>,
    /// What was sent up to then says nothing of its pace: it may have been started long before.
    pub paced_since_ms: i64,
}

/// What is chosen, as settings of a webhook under a URL.
pub fn settings(choices: &Choices, url: &Url, fallback: Option<Fallback>) -> WebhookSettings {
    let seconds = Duration::from_secs;
    let schedule = match choices.schedule {
        0 => RetrySchedule::none(),
        1 => RetrySchedule::new(vec![seconds(10), seconds(7200)]).unwrap(),
        _ => RetrySchedule::default(),
    };
    let kind = KINDS[choices.kind];
    let options = values(kind)
        .into_iter()
        .filter(|(name, _)| !is_secret(kind, name));
    WebhookSettings {
        name: format!("simulated {kind}"),
        kind: WebhookKind::parse(kind).unwrap(),
        options: options.map(own).collect(),
        url: shown(kind, url),
        events: events(choices),
        services: Vec::new(),
        severities: Vec::new(),
        filter: filter(choices),
        retry_schedule: schedule,
        timeout: seconds([1, 10, 30][choices.timeout]),
        concurrency: [1, 2, 16][choices.concurrency],
        rate: choices.has_rate.then(|| Rate::parse("20/m").unwrap()),
        // Where events change what earlier ones made, no other order is admitted.
        ordering: match choices.is_ordered || kind != "generic" {
            true => Ordering::Incident,
            false => Ordering::None,
        },
        when_disabled: match choices.drops {
            true => WhenDisabled::Drop,
            false => WhenDisabled::Hold,
        },
        after_outage: match choices.after_outage {
            4 => AfterOutage::Newest,
            5 => AfterOutage::Expire { after: MIN_EXPIRY },
            _ => AfterOutage::Everything,
        },
        fallback,
        canary_hours: None,
    }
}

pub fn events(choices: &Choices) -> EventSet {
    match choices.takes_all {
        true => EventSet::new(EventName::ALL),
        false => EventSet::new(&[EventName::Triggered, EventName::Resolved]),
    }
}

pub fn filter(choices: &Choices) -> Option<Filter> {
    choices
        .is_filtered
        .then(|| Filter::parse("severity != 'info'").unwrap())
}

pub fn secrets(choices: &Choices, url: &Url) -> WebhookSecrets {
    let kind = KINDS[choices.kind];
    let secret = |(name, value): (&str, &str)| (name.to_owned(), SecretText::new(value));
    let chosen = values(kind).into_iter().filter(|(name, _)| is_secret(kind, name));
    let mut options: BTreeMap<_, _> = chosen.map(secret).collect();
    if has_secret_url(kind) {
        options.insert("url".to_owned(), SecretText::new(url.as_str()));
    }
    WebhookSecrets {
        signing: SecretText::new("s3cret"),
        previous: None,
        headers: Vec::new(),
        options,
        tls: None,
    }
}

fn own((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Of a secret URL, the part that may be seen.
fn shown(kind: &str, url: &Url) -> Url {
    match has_secret_url(kind) {
        true => url.join("/").unwrap(),
        false => url.clone(),
    }
}

fn has_secret_url(kind: &str) -> bool {
    matches!(description(kind).url, UrlField::Secret { .. })
}

fn is_secret(kind: &str, option: &str) -> bool {
    let field = description(kind).fields.iter().find(|field| field.name == option);
    field.expect("a field of the kind").is_secret()
}

fn description(kind: &str) -> &'static destination::about::KindDescription {
    let kind = WebhookKind::parse(kind).unwrap();
    kinds::adapter(kind).unwrap().description()
}

/// What each kind needs beside its URL, as its simulator expects it.
fn values(kind: &str) -> Vec<(&'static str, &'static str)> {
    match kind {
        "telegram" => vec![
            ("token", "123456789:AAF-made_up_made_up_made_up_made_u"),
            ("chat", "4711"),
        ],
        "jira" => vec![
            ("account", "opsknight@example.com"),
            ("token", "good-token"),
            ("project", "OPS"),
            (HEADLINE_OPTION, "on"),
        ],
        "servicenow" => vec![
            ("account", "opsknight.integration"),
            ("password", "good-password"),
            (HEADLINE_OPTION, "on"),
        ],
        "github" | "gitlab" => vec![
            ("token", "good-token"),
            ("acknowledgedLabel", "acknowledged"),
            (HEADLINE_OPTION, "on"),
            (WRITTEN_NOTES_OPTION, "on"),
        ],
        "sqs" => vec![
            ("accessKeyId", "AKIDEXAMPLE"),
            ("secretAccessKey", "made/up/secret/access/key/of/forty/chars"),
            ("region", "us-east-1"),
        ],
        "pagerduty" => vec![("routingKey", "0123456789abcdef0123456789ABCDEF")],
        "opsgenie" => vec![("apiKey", "eb243592-faa2-4ba2-a551-1afdf565c889")],
        "ntfy" => vec![("topic", "ops-made-up-topic")],
        _ => Vec::new(),
    }
}
