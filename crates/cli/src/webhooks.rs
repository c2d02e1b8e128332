//! `opsknight webhooks`: the configured receivers.

use std::io::Write as _;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use model::event::EventName;
use model::webhook_file::{self, Secrets};

use super::RootArguments;
use super::apply;
use super::client::{Answer, Query};
use super::failure::Failure;
use super::output::{self, text};
use super::receiver_links;
use super::services::Page;
use super::session::{ServerArguments, Session, secret_from};
use super::webhook_settings::{Settings, unset, unsettable};

const HEADINGS: [&str; 8] = ["ID", "NAME", "STATE", "WAITING", "DEAD", "KIND", "URL", "EVENTS"];
const LIST: &str = "/api/v1/webhooks";
/// So far each state is counted: what is beyond is as many or more.
const COUNTED_AT_MOST: u64 = 10_000;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List webhooks, and how much waits and is dead for each.
    List(Page),
    /// Add a webhook; prints its secret, once.
    Add(Box<Add>),
    /// Make a webhook like another one, disabled; prints its secret, once.
    Clone(Which),
    /// Change a webhook; what is not named stays as it is.
    Edit(Box<Edit>),
    /// Show a webhook.
    Show(Which),
    /// Send a sample event and show what was sent and what came back.
    Test(Test),
    /// Say what is missing for a webhook that makes tickets.
    Check(Which),
    /// Enable a webhook: what was held for it is sent.
    Enable(Which),
    /// Disable a webhook: events are held for it until it is enabled.
    Disable(Disable),
    /// Give a webhook a new secret; the old one signs too for a while.
    RotateSecret(Rotate),
    /// Delete a webhook.
    Delete(Which),
    /// Show what a webhook did lately.
    Stats(Which),
    /// Links that let whoever runs the receiver look after a webhook without an account.
    #[command(subcommand)]
    ReceiverLinks(receiver_links::Command),
    /// Print webhooks as a file for `apply`, without secrets.
    Export(Export),
    /// Make the server's webhooks be as a file says.
    Apply(apply::Arguments),
}

/// A webhook.
#[derive(Args)]
pub struct Which {
    /// Its name or id (whk_…, or the beginning of it).
    webhook: String,
}

/// A new webhook.
#[derive(Args)]
pub struct Add {
    /// A friendly name.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    settings: Settings,
    /// What signs; one is made if absent.
    #[arg(long, conflicts_with = "secret_env")]
    secret: Option<String>,
    /// The name in the environment of the secret: so that it stands in no process list.
    #[arg(long, value_name = "NAME")]
    secret_env: Option<String>,
    /// Do not send events yet.
    #[arg(long)]
    disabled: bool,
}

/// Changes of a webhook.
#[derive(Args)]
pub struct Edit {
    #[command(flatten)]
    which: Which,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// Bring this back to its default; may be repeated.
    #[arg(long, value_name = "SETTING", value_delimiter = ',', value_parser = unsettable())]
    unset: Vec<String>,
}

/// Which webhooks to write down.
#[derive(Args)]
pub struct Export {
    /// Only these, by name or id [default: all].
    webhooks: Vec<String>,
    /// Have secrets, header values and certificates come from the environment, under names made of the webhook's: for a server
    /// that does not have them yet.
    #[arg(long)]
    with_env: bool,
}

/// A Send Test.
#[derive(Args)]
pub struct Test {
    #[command(flatten)]
    which: Which,
    /// Which event to send a sample of [default: incident.triggered].
    #[arg(long, value_parser = PossibleValuesParser::new(EventName::NAMES))]
    event: Option<String>,
}

/// A webhook that shall send no events.
#[derive(Args)]
pub struct Disable {
    #[command(flatten)]
    which: Which,
    /// Why, for others to read.
    #[arg(long)]
    reason: Option<String>,
}

/// A new secret.
#[derive(Args)]
pub struct Rotate {
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

/// Runs one of the group. `server` is what was given behind the group's name.
pub fn run(server: ServerArguments, root: &RootArguments, command: Command) -> Result<(), Failure> {
    if let (Command::Add(add), true) = (&command, server.url.is_some()) {
        check_receiver(&add.settings)?;
    }
    let session = &Session::open(server.or(root))?;
    match command {
        Command::List(page) => list(session, page),
        Command::Add(add) => self::add(session, *add),
        Command::Clone(which) => self::clone(session, &which),
        Command::Edit(edit) => self::edit(session, *edit),
        Command::Show(which) => show(session, &which, ""),
        Command::Stats(which) => show(session, &which, "/stats"),
        Command::Test(test) => self::test(session, test),
        Command::Check(which) => check(session, &which),
        Command::Enable(which) => enable(session, &which),
        Command::Disable(disable) => self::disable(session, disable),
        Command::RotateSecret(rotate) => self::rotate(session, rotate),
        Command::Delete(which) => delete(session, &which),
        Command::ReceiverLinks(command) => receiver_links::run(session, command),
        Command::Export(export) => self::export(session, &export),
        Command::Apply(arguments) => apply::run(session, &arguments),
    }
}

/// `add --url` meant the receiver once: nobody's key shall go there by an old habit.
fn check_receiver(settings: &Settings) -> Result<(), Failure> {
    if settings.receiver.is_some() || settings.receiver_env.is_some() {
        return Ok(());
    }
    Err(Failure::Usage(
        "--url is where the server is; say with --receiver where events go (for a kind that has an address of its own, give --url \
         before the command, or as OPSKNIGHT_URL)"
            .into(),
    ))
}

fn list(session: &Session, page: Page) -> Result<(), Failure> {
    let mut query: Query = page.query();
    query.push(("counts", "true".into()));
    let answer = session.api.get(LIST, &query)?;
    session.print(&answer, |page| output::page_of(page, &HEADINGS, row))
}

fn row(webhook: &Value) -> Vec<String> {
    let cell = |place| text(webhook, place);
    let waiting = ["scheduled", "queued", "claimed", "held"];
    let waiting: u64 = waiting.map(|state| counted(webhook, state)).iter().sum();
    vec![
        cell("/id"),
        cell("/name"),
        cell("/status"),
        so_many(waiting),
        so_many(counted(webhook, "dead")),
        cell("/kind"),
        cell("/url"),
        cell("/events"),
    ]
}

fn counted(webhook: &Value, state: &str) -> u64 {
    webhook["deliveries"][state].as_u64().unwrap_or(0)
}

fn so_many(count: u64) -> String {
    match count {
        COUNTED_AT_MOST.. => format!("{COUNTED_AT_MOST}+"),
        count => count.to_string(),
    }
}

fn show(session: &Session, which: &Which, part: &str) -> Result<(), Failure> {
    let path = session.webhook_path(&which.webhook)?;
    session.print_details(&session.api.get(&format!("{path}{part}"), &Vec::new())?)
}

fn add(session: &Session, add: Add) -> Result<(), Failure> {
    let mut body = add.settings.body(session)?;
    let secret = secret_from(add.secret, add.secret_env)?;
    body.insert("name".into(), add.name.into());
    body.entry("events").or_insert_with(|| json!(EventName::NAMES));
    body.extend(secret.map(|secret| ("secret".to_owned(), secret.into())));
    if add.disabled {
        body.insert("enabled".into(), false.into());
    }
    let answer = session.api.post(LIST, Some(&Value::Object(body)))?;
    session.print(&answer, |webhook| {
        format!("added {}{}", named(webhook), secret_in_words(webhook))
    })
}

fn clone(session: &Session, which: &Which) -> Result<(), Failure> {
    let path = session.webhook_path(&which.webhook)?;
    let answer = session.api.post(&format!("{path}/clone"), None)?;
    session.print(&answer, |webhook| {
        let secret = secret_in_words(webhook);
        format!(
            "made {}, disabled: change it, then enable it{secret}",
            named(webhook)
        )
    })
}

fn named(webhook: &Value) -> String {
    format!("{} ({})", text(webhook, "/name"), text(webhook, "/id"))
}

fn edit(session: &Session, edit: Edit) -> Result<(), Failure> {
    let mut body = edit.settings.body(session)?;
    body.extend(edit.name.map(|name| ("name".to_owned(), name.into())));
    body.extend(unset(&edit.unset));
    if body.is_empty() {
        let reason = "say what to change, such as --timeout 5s; `opsknight webhooks edit --help` lists it";
        return Err(Failure::Usage(reason.into()));
    }
    let fields: Vec<&str> = body.keys().map(String::as_str).collect();
    let fields = fields.join(", ");
    let path = session.webhook_path(&edit.which.webhook)?;
    let answer = session.api.patch(&path, &Value::Object(body))?;
    session.print(&answer, |webhook| {
        format!("changed {fields} of {}", text(webhook, "/name"))
    })
}

fn export(session: &Session, export: &Export) -> Result<(), Failure> {
    let all = session.list_all(LIST)?;
    let ids = export.webhooks.iter().map(|webhook| session.webhook_id(webhook));
    let ids: Vec<String> = ids.collect::<Result<_, _>>()?;
    let is_chosen = |webhook: &&Value| ids.is_empty() || ids.contains(&text(webhook, "/id"));
    // The API lists the newest first.
    let chosen: Vec<&Value> = all.iter().rev().filter(is_chosen).collect();
    let services = match chosen.iter().any(|webhook| webhook["services"] != json!([])) {
        true => session.list_all("/api/v1/services")?,
        false => Vec::new(),
    };
    let name_of = |id: &str| {
        let mut named = all.iter().chain(&services);
        let found = named.find(|item| item["id"] == id);
        found.map_or_else(|| id.to_owned(), |item| text(item, "/name"))
    };
    let secrets = match export.with_env {
        true => Secrets::FromEnvironment,
        false => Secrets::LeftOut,
    };
    let file = webhook_file::write(&chosen, name_of, secrets);
    for name in file.twice {
        // A warning that cannot be shown is no reason to write nothing.
        let _ = writeln!(
            std::io::stderr(),
            "warning: more than one webhook is called {name:?}; `apply` refuses the file until one is renamed"
        );
    }
    output::print(file.text.trim_end())
}

fn secret_in_words(answer: &Value) -> String {
    match text(answer, "/secret").as_str() {
        "" => String::new(),
        secret => format!("\nsecret: {secret}\nGive it to the receiver now; it is not shown again."),
    }
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
