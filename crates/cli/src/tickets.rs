//! `opsknight tickets`: incidents and their tickets in other systems.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::segment;
use super::failure::Failure;
use super::output::{Column, text};
use super::session::Session;

const COLUMNS: [Column; 6] = [
    ("WEBHOOK", "/webhook/name"),
    ("STATE", "/state"),
    ("TICKET", "/ticket/key"),
    ("STATUS", "/ticket/status"),
    ("LAST SYNCED", "/lastSyncedAt"),
    ("TROUBLE", "/lastError"),
];

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List the tickets of an incident.
    List(Incident),
    /// Have a webhook make a ticket for an incident.
    Create(At),
    /// Link an incident to a ticket that exists.
    Link(Link),
    /// Part an incident and its ticket; the ticket stays as it is.
    Unlink(At),
    /// Bring an incident and its ticket in line now.
    Sync(At),
}

/// An incident.
#[derive(Args)]
pub struct Incident {
    /// Its number (1042) or id (inc_…).
    incident: String,
}

/// An incident at a webhook.
#[derive(Args)]
pub struct At {
    /// The incident's number (1042) or id (inc_…).
    incident: String,
    /// The webhook's name or id (whk_…).
    webhook: String,
}

/// A ticket to link.
#[derive(Args)]
pub struct Link {
    #[command(flatten)]
    at: At,
    /// The ticket's key, or the URL of its page.
    ticket: String,
}

/// Runs one of the group.
pub fn run(session: &Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::List(which) => session.print_page(
            &session.api.get(&all(session, &which.incident)?, &Vec::new())?,
            &COLUMNS,
        ),
        Command::Create(at) => {
            let body = json!({ "webhook": { "id": session.webhook_id(&at.webhook)? } });
            let answer = session.api.post(&all(session, &at.incident)?, Some(&body))?;
            session.print(&answer, |link| match text(link, "/ticket/key").as_str() {
                "" => format!("asked {} for a ticket", at.webhook),
                key => format!("having {key} told again"),
            })
        }
        Command::Link(Link { at, ticket }) => {
            let body = json!({ "webhook": { "id": session.webhook_id(&at.webhook)? }, "ticket": ticket });
            let answer = session.api.post(&all(session, &at.incident)?, Some(&body))?;
            session.print(&answer, |link| {
                format!(
                    "linked {} ({})",
                    text(link, "/ticket/key"),
                    text(link, "/ticket/url")
                )
            })
        }
        Command::Unlink(at) => {
            let answer = session.api.delete(&one(session, &at)?)?;
            session.print(&answer, |_| {
                format!("unlinked the ticket of {} at {}", at.incident, at.webhook)
            })
        }
        Command::Sync(at) => {
            let answer = session.api.post(&format!("{}/sync", one(session, &at)?), None)?;
            session.print(&answer, |sync| said(sync).to_owned())
        }
    }
}

fn all(session: &Session, incident: &str) -> Result<String, Failure> {
    Ok(format!("{}/tickets", session.incident_path(incident)?))
}

fn one(session: &Session, at: &At) -> Result<String, Failure> {
    let webhook = session.webhook_id(&at.webhook)?;
    Ok(format!("{}/{}", all(session, &at.incident)?, segment(&webhook)))
}

fn said(sync: &Value) -> &'static str {
    match text(sync, "/result").as_str() {
        "telling" => "the ticket is being told what it was not told yet",
        "followed" => "the incident followed its ticket",
        "busy" => "an event is on its way to the ticket",
        _ => "both were in line",
    }
}
