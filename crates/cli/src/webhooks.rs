//! `opsknight webhooks`: the configured receivers.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::apply;
use super::client::{Answer, Query};
use super::failure::Failure;
use super::output::{Column, text};
use super::session::{CallerArguments, ServerArguments, Session, secret_from};
use super::{Remote, RootArguments};

const COLUMNS: [Column; 6] = [
    ("ID", "/id"),
    ("NAME", "/name"),
    ("KIND", "/kind"),
    ("ENABLED", "/enabled"),
    ("EVENTS", "/events"),
    ("URL", "/url"),
];

/// The group. Its options stand at each command, since `--url` means the receiver in `add`.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List webhooks.
    List(Remote<List>),
    /// Add a webhook; prints its secret, once. The server is given before the command or as OPSKNIGHT_URL.
    Add(Box<Add>),
    /// Show a webhook.
    Show(Remote<Which>),
    /// Send a sample event and show what came of it.
    Test(Remote<Test>),
    /// Say what is missing for a webhook that makes tickets.
    Check(Remote<Which>),
    /// Enable a webhook: what was held for it is sent.
    Enable(Remote<Which>),
    /// Disable a webhook: events are held for it until it is enabled.
    Disable(Remote<Disable>),
    /// Give a webhook a new secret; the old one signs too for a while.
    RotateSecret(Remote<Rotate>),
    /// Delete a webhook.
    Delete(Remote<Which>),
    /// Show what a webhook did lately.
    Stats(Remote<Which>),
    /// Make the server's webhooks be as a file says.
    Apply(Remote<apply::Arguments>),
}

#[derive(Args)]
struct Which {
    /// Its name or id (whk_…).
    webhook: String,
}

#[derive(Args)]
struct List {
    /// How many at most (1 to 200).
    #[arg(long)]
    limit: Option<u32>,
    /// Where the page before ended.
    #[arg(long)]
    cursor: Option<String>,
}

#[derive(Args)]
struct Add {
    #[command(flatten)]
    caller: CallerArguments,
    /// A friendly name.
    #[arg(long)]
    name: String,
    /// Where events go; some kinds have one of their own.
    #[arg(long, value_name = "URL", conflicts_with = "url_env")]
    url: Option<String>,
    /// The name in the environment of the URL, where it is a secret.
    #[arg(long, value_name = "NAME")]
    url_env: Option<String>,
    /// An event to send, such as incident.triggered; may be repeated [default: all].
    #[arg(long = "event", value_name = "EVENT", value_delimiter = ',')]
    events: Vec<String>,
    /// What signs; one is made if absent.
    #[arg(long, conflicts_with = "secret_env")]
    secret: Option<String>,
    /// The name in the environment of the secret: so that it stands in no process list.
    #[arg(long, value_name = "NAME")]
    secret_env: Option<String>,
    /// Which adapter speaks to it [default: generic].
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
    #[arg(long = "severity", value_name = "SEVERITY", value_delimiter = ',')]
    severities: Vec<String>,
    /// A header of your own, `Name: value`; may be repeated.
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
    /// Whether the events of one incident wait for each other: incident or none.
    #[arg(long)]
    ordering: Option<String>,
    #[command(flatten)]
    outage: Outage,
    /// Do not send events yet.
    #[arg(long)]
    disabled: bool,
}

/// What happens when its receiver fails.
#[derive(Args)]
struct Outage {
    /// The webhook that takes over what is dead, by name or id.
    #[arg(long, value_name = "NAME|ID")]
    fallback: Option<String>,
    /// It also takes over what was not delivered after this time, such as 2m.
    #[arg(long, requires = "fallback", value_name = "DURATION")]
    fallback_after: Option<String>,
    /// Which events that waited through an outage it still gets: everything, newest or expire.
    #[arg(long)]
    after_outage: Option<String>,
    /// With expire: how old an event may be, such as 1h.
    #[arg(long, value_name = "DURATION")]
    expire_after: Option<String>,
}

#[derive(Args)]
struct Test {
    #[command(flatten)]
    which: Which,
    /// Which event to send a sample of [default: incident.triggered].
    #[arg(long)]
    event: Option<String>,
}

#[derive(Args)]
struct Disable {
    #[command(flatten)]
    which: Which,
    /// Why, for others to read.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Args)]
struct Rotate {
    #[command(flatten)]
    which: Which,
    /// The new secret; one is made if absent.
    #[arg(long, conflicts_with = "secret_env")]
    secret: Option<String>,
    /// The name in the environment of the new secret.
    #[arg(long, value_name = "NAME")]
    secret_env: Option<String>,
    /// How long the old secret signs too [default: 24h].
    #[arg(long)]
    overlap: Option<String>,
}

/// Runs one of the group.
pub fn run(root: &RootArguments, arguments: Arguments) -> Result<(), Failure> {
    let open = |server: ServerArguments| Session::open(server.or(root));
    match arguments.command {
        Command::List(remote) => list(&open(remote.server)?, remote.arguments),
        Command::Add(add) => {
            let server = ServerArguments {
                url: None,
                caller: add.caller.clone(),
            };
            self::add(&open(server)?, *add)
        }
        Command::Show(remote) => show(&open(remote.server)?, &remote.arguments, ""),
        Command::Stats(remote) => show(&open(remote.server)?, &remote.arguments, "/stats"),
        Command::Test(remote) => test(&open(remote.server)?, remote.arguments),
        Command::Check(remote) => check(&open(remote.server)?, &remote.arguments),
        Command::Enable(remote) => enable(&open(remote.server)?, &remote.arguments),
        Command::Disable(remote) => disable(&open(remote.server)?, remote.arguments),
        Command::RotateSecret(remote) => rotate(&open(remote.server)?, remote.arguments),
        Command::Delete(remote) => delete(&open(remote.server)?, &remote.arguments),
        Command::Apply(remote) => apply::run(&open(remote.server)?, &remote.arguments),
    }
}

fn list(session: &Session, list: List) -> Result<(), Failure> {
    let mut query: Query = Vec::new();
    query.extend(list.limit.map(|limit| ("limit", limit.to_string())));
    query.extend(list.cursor.map(|cursor| ("cursor", cursor)));
    session.print_page(&session.api.get("/api/v1/webhooks", &query)?, &COLUMNS)
}

fn show(session: &Session, which: &Which, part: &str) -> Result<(), Failure> {
    let path = session.webhook_path(&which.webhook)?;
    session.print_details(&session.api.get(&format!("{path}{part}"), &Vec::new())?)
}

fn add(session: &Session, add: Add) -> Result<(), Failure> {
    let body = new_webhook(session, add)?;
    let answer = session.api.post("/api/v1/webhooks", Some(&body))?;
    session.print(&answer, |webhook| {
        let [id, name] = ["/id", "/name"].map(|place| text(webhook, place));
        format!("added {name} ({id}){}", secret_in_words(webhook))
    })
}

fn secret_in_words(answer: &Value) -> String {
    match text(answer, "/secret").as_str() {
        "" => String::new(),
        secret => format!("\nsecret: {secret}\nGive it to the receiver now; it is not shown again."),
    }
}

fn new_webhook(session: &Session, add: Add) -> Result<Value, Failure> {
    let all = || model::event::EventName::NAMES.iter().copied().map(str::to_owned);
    let events = if add.events.is_empty() {
        all().collect()
    } else {
        add.events
    };
    let services: Result<Vec<String>, Failure> = add
        .services
        .iter()
        .map(|service| session.service_id(service))
        .collect();
    let some = |texts: Vec<String>| (!texts.is_empty()).then(|| json!(texts));
    let headers = headers(&add.headers)?;
    let options = options(&add.options, &add.options_env)?;
    let url = secret_from(add.url, add.url_env)?;
    let fallback = add.outage.fallback.map(|webhook| session.webhook_id(&webhook));
    let members = [
        ("name", Some(json!(add.name))),
        ("url", url.map(Value::from)),
        ("options", (!options.is_empty()).then_some(Value::Object(options))),
        ("events", Some(json!(events))),
        (
            "secret",
            secret_from(add.secret, add.secret_env)?.map(Value::from),
        ),
        ("kind", add.kind.map(Value::from)),
        ("filter", add.filter.map(Value::from)),
        ("services", some(services?)),
        ("severities", some(add.severities)),
        ("headers", (!headers.is_empty()).then_some(Value::Object(headers))),
        ("retrySchedule", add.retry_schedule.map(Value::from)),
        ("timeout", add.timeout.map(Value::from)),
        ("concurrency", add.concurrency.map(Value::from)),
        ("rate", add.rate.map(Value::from)),
        ("ordering", add.ordering.map(Value::from)),
        ("fallbackWebhook", fallback.transpose()?.map(Value::from)),
        ("fallbackAfter", add.outage.fallback_after.map(Value::from)),
        ("afterOutage", add.outage.after_outage.map(Value::from)),
        ("expireAfter", add.outage.expire_after.map(Value::from)),
        ("enabled", add.disabled.then_some(Value::Bool(false))),
    ];
    let members = members.into_iter();
    Ok(Value::Object(
        members
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect(),
    ))
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

fn test(session: &Session, test: Test) -> Result<(), Failure> {
    let path = session.webhook_path(&test.which.webhook)?;
    let body = test.event.map(|event| json!({ "event": event }));
    let answer = session.api.post(&format!("{path}/test"), body.as_ref())?;
    let is_delivered = text(&answer.value, "/status") == "delivered";
    session.print(&answer, super::deliveries::in_words)?;
    if is_delivered { Ok(()) } else { Err(Failure::Said) }
}

fn check(session: &Session, which: &Which) -> Result<(), Failure> {
    let path = session.webhook_path(&which.webhook)?;
    let answer = session.api.post(&format!("{path}/check"), None)?;
    session.print(&answer, |check| {
        let findings = check["findings"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let line = |finding: &Value| format!("{:<7} {}", text(finding, "/state"), text(finding, "/sentence"));
        findings.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    match answer.value["ok"] == json!(true) {
        true => Ok(()),
        false => Err(Failure::Said),
    }
}

fn enable(session: &Session, which: &Which) -> Result<(), Failure> {
    let path = session.webhook_path(&which.webhook)?;
    let answer = session.api.post(&format!("{path}/enable"), None)?;
    print_state(session, &answer, "enabled")
}

fn disable(session: &Session, disable: Disable) -> Result<(), Failure> {
    let path = session.webhook_path(&disable.which.webhook)?;
    let body = disable.reason.map(|reason| json!({ "reason": reason }));
    let answer = session.api.post(&format!("{path}/disable"), body.as_ref())?;
    print_state(session, &answer, "disabled")
}

fn print_state(session: &Session, answer: &Answer, state: &str) -> Result<(), Failure> {
    session.print(answer, |webhook| format!("{} is {state}", text(webhook, "/name")))
}

fn rotate(session: &Session, rotate: Rotate) -> Result<(), Failure> {
    let path = session.webhook_path(&rotate.which.webhook)?;
    let mut body = Map::new();
    let secret = secret_from(rotate.secret, rotate.secret_env)?;
    body.extend(secret.map(|secret| ("secret".to_owned(), secret.into())));
    body.extend(
        rotate
            .overlap
            .map(|overlap| ("overlap".to_owned(), overlap.into())),
    );
    let answer = session
        .api
        .post(&format!("{path}/rotate-secret"), Some(&Value::Object(body)))?;
    session.print(&answer, |webhook| {
        let until = match text(webhook, "/previousSecretUntil").as_str() {
            "" => String::new(),
            until => format!("; the old secret signs too until {until}"),
        };
        format!(
            "{} has a new secret{until}{}",
            text(webhook, "/name"),
            secret_in_words(webhook)
        )
    })
}

fn delete(session: &Session, which: &Which) -> Result<(), Failure> {
    let path = session.webhook_path(&which.webhook)?;
    let answer = session.api.delete(&path)?;
    session.print(&answer, |_| format!("deleted {}", which.webhook))
}
