//! `opsknight send`: triggers an incident, or moves one on.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::client::segment;
use super::failure::Failure;
use super::incidents::standing;
use super::session::Session;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Trigger an incident.
    Trigger(Trigger),
    /// Acknowledge an incident.
    Acknowledge(Incident),
    /// Resolve an incident.
    Resolve(Incident),
    /// Escalate an incident to the next step of its service's policy.
    Escalate(Incident),
    /// Reopen a resolved incident.
    Reopen(Incident),
}

/// A new incident.
#[derive(Args)]
pub struct Trigger {
    /// One line that says what is wrong.
    #[arg(long)]
    title: String,
    /// The service it concerns, by name or id (svc_…).
    #[arg(long, value_name = "NAME|ID")]
    service: String,
    /// critical, error, warning or info.
    #[arg(long)]
    severity: Option<String>,
    /// While an incident with this key is open, nothing new is triggered.
    #[arg(long, value_name = "KEY")]
    dedup_key: Option<String>,
    /// Who gets it (usr_…).
    #[arg(long, value_name = "ID")]
    assignee: Option<String>,
    /// More about it.
    #[arg(long)]
    description: Option<String>,
}

/// An incident.
#[derive(Args)]
pub struct Incident {
    /// Its number (1042) or id (inc_…).
    incident: String,
}

/// Asks the server to do it.
pub fn run(session: &Session, command: Command) -> Result<(), Failure> {
    let answer = match command {
        Command::Trigger(trigger) => session.api.post("/api/v1/incidents", Some(&body(trigger)))?,
        Command::Acknowledge(incident) => transition(session, &incident, "acknowledge")?,
        Command::Resolve(incident) => transition(session, &incident, "resolve")?,
        Command::Escalate(incident) => transition(session, &incident, "escalate")?,
        Command::Reopen(incident) => transition(session, &incident, "reopen")?,
    };
    session.print(&answer, standing)
}

fn transition(
    session: &Session,
    incident: &Incident,
    action: &str,
) -> Result<super::client::Answer, Failure> {
    let id = segment(&incident.incident);
    session
        .api
        .post(&format!("/api/v1/incidents/{id}/{action}"), None)
}

fn body(trigger: Trigger) -> Value {
    let service = if trigger.service.starts_with("svc_") {
        json!({ "id": trigger.service })
    } else {
        json!({ "name": trigger.service })
    };
    let mut body = Map::new();
    body.insert("title".into(), trigger.title.into());
    body.insert("service".into(), service);
    let assignee = trigger.assignee.map(|id| json!({ "id": id }));
    let optional = [
        ("severity", trigger.severity.map(Value::from)),
        ("dedupKey", trigger.dedup_key.map(Value::from)),
        ("assignee", assignee),
        ("description", trigger.description.map(Value::from)),
    ];
    for (name, value) in optional {
        body.extend(value.map(|value| (name.to_owned(), value)));
    }
    Value::Object(body)
}
