//! `opsknight keys`: API keys.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use model::access::Scope;
use model::event::EventType;

use super::failure::Failure;
use super::output::{Column, text};
use super::services::Page;
use super::session::Session;

const COLUMNS: [Column; 9] = [
    ("ID", "/id"),
    ("NAME", "/name"),
    ("KEY", "/hint"),
    ("SCOPES", "/scopes"),
    ("SERVICES", "/services"),
    ("EVENTS", "/events"),
    ("CREATED", "/createdAt"),
    ("EXPIRES", "/expiresAt"),
    ("REVOKED", "/revokedAt"),
];

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List API keys.
    List(Page),
    /// Make an API key; prints it, once.
    Create(Create),
    /// Revoke an API key.
    Revoke(Which),
    /// Make the first API key, with the token that the server printed at its first start.
    Setup(Setup),
}

/// A new key.
#[derive(Args)]
pub struct Create {
    /// What it is for.
    name: String,
    /// What it may do, such as incidents:write; may be repeated.
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',', required = true, value_parser = PossibleValuesParser::new(Scope::NAMES))]
    scopes: Vec<String>,
    /// Show it only what is about this service, by name or id; may be repeated. Such a key may only read.
    #[arg(long = "service", value_name = "NAME|ID")]
    services: Vec<String>,
    /// Show it only this event, such as incident.triggered; may be repeated. Such a key may only read events and deliveries.
    #[arg(long = "event", value_name = "EVENT", value_delimiter = ',', value_parser = PossibleValuesParser::new(EventType::NAMES))]
    events: Vec<String>,
    /// When it stops working, such as 2027-01-01T00:00:00Z [default: never].
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
}

/// A key.
#[derive(Args)]
pub struct Which {
    /// Its name or id (key_…), not the key itself.
    id: String,
}

/// The first key.
#[derive(Args)]
pub struct Setup {
    /// The token that the server printed.
    #[arg(long)]
    token: String,
    /// What the key is for.
    #[arg(long, default_value = "first key")]
    name: String,
}

/// Runs one of the group.
pub fn run(session: &Session, command: Command) -> Result<(), Failure> {
    const LIST: &str = "/api/v1/api-keys";
    match command {
        Command::List(page) => session.print_page(&session.api.get(LIST, &page.query())?, &COLUMNS),
        Command::Create(create) => {
            let answer = session.api.post(LIST, Some(&body(session, create)?))?;
            session.print(&answer, in_words)
        }
        Command::Revoke(which) => {
            let path = format!("{}/revoke", session.key_path(&which.id)?);
            let answer = session.api.post(&path, None)?;
            session.print(&answer, |_| format!("revoked {}", which.id))
        }
        Command::Setup(setup) => {
            let body = json!({ "token": setup.token, "name": setup.name });
            let answer = session.api.post("/api/v1/setup", Some(&body))?;
            session.print(&answer, in_words)
        }
    }
}

fn body(session: &Session, create: Create) -> Result<Value, Failure> {
    let services: Result<Vec<String>, Failure> = create
        .services
        .iter()
        .map(|service| session.service_id(service))
        .collect();
    let restrictions = [("services", services?), ("events", create.events)];
    let mut body = Map::new();
    body.insert("name".into(), create.name.into());
    body.insert("scopes".into(), create.scopes.into());
    let restrictions = restrictions.into_iter().filter(|(_, names)| !names.is_empty());
    body.extend(restrictions.map(|(name, names)| (name.to_owned(), names.into())));
    body.extend(create.expires.map(|at| ("expiresAt".to_owned(), at.into())));
    Ok(Value::Object(body))
}

fn in_words(key: &Value) -> String {
    format!(
        "API key: {}\nIt is not shown again. Give it to commands as OPSKNIGHT_API_KEY or --key.",
        text(key, "/key")
    )
}
