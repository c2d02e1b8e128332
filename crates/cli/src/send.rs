//! `opsknight send`: triggers an incident, or moves one on.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use model::incident::Severity;

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
    /// How bad it is [default: error].
    #[arg(long, value_parser = PossibleValuesParser::new(Severity::NAMES))]
    severity: Option<String>,
    /// While an incident with this key is open, nothing new is triggered.
    #[arg(long, value_name = "KEY")]
    dedup_key: Option<String>,
    /// Who gets it, by name or id (usr_…).
    #[arg(long, value_name = "NAME|ID")]
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
        Command::Trigger(trigger) => session
            .api
            .post("/api/v1/incidents", Some(&body(session, trigger)?))?,
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
    let path = session.incident_path(&incident.incident)?;
    session.api.post(&format!("{path}/{action}"), None)
}

fn body(session: &Session, trigger: Trigger) -> Result<Value, Failure> {
    let service = if trigger.service.starts_with("svc_") {
        json!({ "id": session.service_id(&trigger.service)? })
    } else {
        json!({ "name": trigger.service })
    };
    let assignee = trigger.assignee.map(|user| session.user_id(&user)).transpose()?;
    let mut body = Map::new();
    body.insert("title".into(), trigger.title.into());
    body.insert("service".into(), service);
    let assignee = assignee.map(|id| json!({ "id": id }));
    let optional = [
        ("severity", trigger.severity.map(Value::from)),
        ("dedupKey", trigger.dedup_key.map(Value::from)),
        ("assignee", assignee),
        ("description", trigger.description.map(Value::from)),
    ];
    for (name, value) in optional {
        body.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(Value::Object(body))
}
