//! `opsknight services`: what incidents are about.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::client::Query;
use super::failure::Failure;
use super::output::{Column, text};
use super::session::Session;

const COLUMNS: [Column; 4] = [
    ("ID", "/id"),
    ("NAME", "/name"),
    ("ESCALATION POLICY", "/escalationPolicy"),
    ("DESCRIPTION", "/description"),
];

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List services.
    List(Page),
    /// Add a service.
    Add(Add),
    /// Delete a service that nothing uses.
    Delete(Which),
}

/// A page of a list.
#[derive(Args)]
pub struct Page {
    /// How many at most (1 to 200).
    #[arg(long)]
    limit: Option<u32>,
    /// Where the page before ended.
    #[arg(long)]
    cursor: Option<String>,
}

/// A new service.
#[derive(Args)]
pub struct Add {
    /// Its name, unique.
    name: String,
    /// More about it.
    #[arg(long)]
    description: Option<String>,
    /// The escalation policy, by name or id: who is called when nobody acknowledges.
    #[arg(long, value_name = "NAME|ID")]
    policy: Option<String>,
}

/// A service.
#[derive(Args)]
pub struct Which {
    /// Its name or id (svc_…).
    service: String,
}

impl Page {
    /// The page as the API is asked for it.
    pub fn query(self) -> Query {
        let mut query = Query::new();
        query.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        query.extend(self.cursor.map(|cursor| ("cursor", cursor)));
        query
    }
}

/// Runs one of the group.
pub fn run(session: &Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::List(page) => {
            session.print_page(&session.api.get("/api/v1/services", &page.query())?, &COLUMNS)
        }
        Command::Add(add) => {
            let answer = session.api.post("/api/v1/services", Some(&body(session, add)?))?;
            session.print(&answer, |service| {
                format!("added {} ({})", text(service, "/name"), text(service, "/id"))
            })
        }
        Command::Delete(which) => {
            let answer = session.api.delete(&session.service_path(&which.service)?)?;
            session.print(&answer, |_| format!("deleted {}", which.service))
        }
    }
}

fn body(session: &Session, add: Add) -> Result<Value, Failure> {
    let mut body = Map::new();
    body.insert("name".into(), add.name.into());
    body.extend(
        add.description
            .map(|text| ("description".to_owned(), text.into())),
    );
    if let Some(policy) = add.policy {
        let id = session.policy_id(&policy)?;
        body.insert("escalationPolicy".into(), json!({ "id": id }));
    }
    Ok(Value::Object(body))
}
