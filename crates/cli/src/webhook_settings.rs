//! The settings of a webhook as arguments of `opsknight webhooks add` and `edit`, and as the API takes them.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Map, Value, json};

use model::event::EventType;
use model::incident::Severity;
use model::outage::AfterOutageName;
use model::webhook::{Ordering, WhenDisabled};

use super::failure::Failure;
use super::session::{Session, secret_from};

/// What is set of a webhook beside its name.
#[derive(Args)]
pub struct Settings {
    /// Where events go (`--url` is the server); some kinds have an address of their own.
    #[arg(long, value_name = "URL", conflicts_with = "receiver_env")]
    pub receiver: Option<String>,
    /// The name in the environment of the receiver's address, where that is a secret.
    #[arg(long, value_name = "NAME")]
    pub receiver_env: Option<String>,
    /// An event to send; may be repeated [default: all of incidents].
    #[arg(long = "event", value_name = "EVENT", value_delimiter = ',', value_parser = PossibleValuesParser::new(EventType::NAMES))]
    pub events: Vec<String>,
    /// Which adapter speaks to it, such as slack or jira [default: generic].
    #[arg(long)]
    kind: Option<String>,
    /// What the kind asks for, `name=value`; may be repeated.
    #[arg(long = "option", value_name = "NAME=VALUE")]
    options: Vec<String>,
    /// The same for secrets: `name=NAME`, the name of its value in the environment; may be repeated.
    #[arg(long = "option-env", value_name = "NAME=NAME")]
    options_env: Vec<String>,
    /// A CEL expression: only what it lets pass.
    #[arg(long)]
    filter: Option<String>,
    /// Only this service, by name or id; may be repeated.
    #[arg(long = "service", value_name = "NAME|ID")]
    services: Vec<String>,
    /// Only this severity; may be repeated.
    #[arg(long = "severity", value_name = "SEVERITY", value_delimiter = ',', value_parser = PossibleValuesParser::new(Severity::NAMES))]
    severities: Vec<String>,
    /// A header of your own, `Name: value`; may be repeated. An edit replaces all of them.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The waits before retries [default: 1m,5m,15m].
    #[arg(long, value_delimiter = ',', value_name = "DURATIONS")]
    retry_schedule: Option<Vec<String>>,
    /// Until the response head must have come [default: 10s, 30s for ticket systems].
    #[arg(long)]
    timeout: Option<String>,
    /// Requests in flight at once [default: 16].
    #[arg(long)]
    concurrency: Option<u32>,
    /// Requests per time, such as 20/s or 100/m.
    #[arg(long)]
    rate: Option<String>,
    /// Whether the events of one incident wait for each other [default: incident].
    #[arg(long, value_parser = PossibleValuesParser::new(Ordering::NAMES))]
    ordering: Option<String>,
    /// What becomes of events while it is disabled [default: hold].
    #[arg(long, value_parser = PossibleValuesParser::new(WhenDisabled::NAMES))]
    when_disabled: Option<String>,
    /// Send a test this often, such as 24h.
    #[arg(long, value_name = "DURATION")]
    canary: Option<String>,
    /// A file with an authority to trust beside the public ones, PEM.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// A file with a client certificate and its key, PEM.
    #[arg(long, value_name = "FILE")]
    tls_identity: Option<PathBuf>,
    #[command(flatten)]
    outage: Outage,
}

/// What happens when its receiver fails.
#[derive(Args)]
struct Outage {
    /// The webhook that takes over what is dead, by name or id.
    #[arg(long, value_name = "NAME|ID")]
    fallback: Option<String>,
    /// It also takes over what was not delivered after this time, such as 2m.
    #[arg(long, value_name = "DURATION")]
    fallback_after: Option<String>,
    /// Which events that waited through an outage it still gets [default: everything].
    #[arg(long, value_parser = PossibleValuesParser::new(AfterOutageName::NAMES))]
    after_outage: Option<String>,
    /// With expire: how old an event may be, such as 1h.
    #[arg(long, value_name = "DURATION")]
    expire_after: Option<String>,
}

/// What can be brought back to its default: as it is written here, and in the API.
const UNSETTABLE: [(&str, &str); 16] = [
    ("filter", "filter"),
    ("services", "services"),
    ("severities", "severities"),
    ("headers", "headers"),
    ("retry-schedule", "retrySchedule"),
    ("timeout", "timeout"),
    ("concurrency", "concurrency"),
    ("rate", "rate"),
    ("ordering", "ordering"),
    ("when-disabled", "whenDisabled"),
    ("canary", "canary"),
    ("fallback", "fallbackWebhook"),
    ("fallback-after", "fallbackAfter"),
    ("after-outage", "afterOutage"),
    ("expire-after", "expireAfter"),
    ("tls", "tls"),
];

/// The names of what can be brought back to its default.
pub fn unsettable() -> PossibleValuesParser {
    PossibleValuesParser::new(UNSETTABLE.map(|(written, _)| written))
}

/// What brings these back to their defaults.
pub fn unset(names: &[String]) -> Map<String, Value> {
    let named = |(written, _): &(&str, &str)| names.iter().any(|name| name == written);
    let chosen = UNSETTABLE.into_iter().filter(named);
    let cleared = |field: &str| match field {
        "tls" => json!({ "caPem": null, "identityPem": null }),
        _ => Value::Null,
    };
    chosen
        .map(|(_, field)| (field.to_owned(), cleared(field)))
        .collect()
}

impl Settings {
    /// What was given of them, as the API takes it.
    pub fn body(self, session: &Session) -> Result<Map<String, Value>, Failure> {
        let services = self.services.iter().map(|service| session.service_id(service));
        let services: Vec<String> = services.collect::<Result<_, _>>()?;
        let fallback = self.outage.fallback.map(|webhook| session.webhook_id(&webhook));
        let headers = headers(&self.headers)?;
        let options = options(&self.options, &self.options_env)?;
        let tls = tls(self.tls_ca.as_deref(), self.tls_identity.as_deref())?;
        let url = secret_from(self.receiver, self.receiver_env)?;
        let some = |texts: Vec<String>| (!texts.is_empty()).then(|| json!(texts));
        let members = |members: Map<String, Value>| (!members.is_empty()).then_some(Value::Object(members));
        let given = [
            ("url", url.map(Value::from)),
            ("options", members(options)),
            ("events", some(self.events)),
            ("kind", self.kind.map(Value::from)),
            ("filter", self.filter.map(Value::from)),
            ("services", some(services)),
            ("severities", some(self.severities)),
            ("headers", members(headers)),
            ("retrySchedule", self.retry_schedule.map(Value::from)),
            ("timeout", self.timeout.map(Value::from)),
            ("concurrency", self.concurrency.map(Value::from)),
            ("rate", self.rate.map(Value::from)),
            ("ordering", self.ordering.map(Value::from)),
            ("whenDisabled", self.when_disabled.map(Value::from)),
            ("canary", self.canary.map(Value::from)),
            ("fallbackWebhook", fallback.transpose()?.map(Value::from)),
            ("fallbackAfter", self.outage.fallback_after.map(Value::from)),
            ("afterOutage", self.outage.after_outage.map(Value::from)),
            ("expireAfter", self.outage.expire_after.map(Value::from)),
            ("tls", members(tls)),
        ];
        let given = given.into_iter();
        Ok(given
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect())
    }
}

fn headers(lines: &[String]) -> Result<Map<String, Value>, Failure> {
    let header = |line: &String| {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| Failure::Usage(format!("--header {line:?}: write --header \"Name: value\"")))?;
        Ok((name.trim().to_owned(), json!(value.trim())))
    };
    lines.iter().map(header).collect()
}

fn options(given: &[String], from_environment: &[String]) -> Result<Map<String, Value>, Failure> {
    let pair = |text: &String| -> Result<(String, String), Failure> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("{text:?}: write --option name=value")))?;
        Ok((name.trim().to_owned(), value.to_owned()))
    };
    let mut options = Map::new();
    for text in given {
        let (name, value) = pair(text)?;
        options.insert(name, value.into());
    }
    for text in from_environment {
        let (name, variable) = pair(text)?;
        let value = secret_from(None, Some(variable))?;
        options.extend(value.map(|value| (name, value.into())));
    }
    Ok(options)
}

fn tls(ca: Option<&Path>, identity: Option<&Path>) -> Result<Map<String, Value>, Failure> {
    let mut tls = Map::new();
    for (member, file) in [("caPem", ca), ("identityPem", identity)] {
        let Some(file) = file else { continue };
        let pem = fs::read_to_string(file)
            .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", file.display())))?;
        tls.insert(member.to_owned(), pem.into());
    }
    Ok(tls)
}
