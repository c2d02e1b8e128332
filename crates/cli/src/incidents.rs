//! `opsknight incidents`: shows one with its timeline, writes notes on it.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::segment;
use super::failure::Failure;
use super::output::{self, text};
use super::session::Session;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Show an incident with its timeline.
    Show(Incident),
    /// Write a note on its timeline.
    Note(Note),
}

/// An incident.
#[derive(Args)]
pub struct Incident {
    /// Its number (1042) or id (inc_…).
    incident: String,
}

/// A note.
#[derive(Args)]
pub struct Note {
    #[command(flatten)]
    on: Incident,
    /// What it says.
    text: String,
}

/// Runs one of the group.
pub fn run(session: &Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::Show(Incident { incident }) => {
            let path = format!("/api/v1/incidents/{}", segment(&incident));
            session.print(&session.api.get(&path, &Vec::new())?, in_words)
        }
        Command::Note(Note { on, text }) => {
            let path = format!("/api/v1/incidents/{}/notes", segment(&on.incident));
            let answer = session.api.post(&path, Some(&json!({ "text": text })))?;
            session.print(&answer, |_| format!("noted on {}", on.incident))
        }
    }
}

/// An incident's number and id; the id alone if it has no number.
pub fn name(incident: &Value) -> String {
    let [number, id] = ["/number", "/id"].map(|place| text(incident, place));
    match number.as_str() {
        "" => id,
        number => format!("#{number} ({id})"),
    }
}

/// Everything about it, and below that its timeline as a table.
fn in_words(incident: &Value) -> String {
    let mut head = incident.clone();
    let timeline = head.as_object_mut().and_then(|head| head.remove("timeline"));
    let moments = timeline.as_ref().and_then(Value::as_array);
    let rows = moments.into_iter().flatten().map(|moment| {
        let [at, event, note, actor] = ["/at", "/event", "/note", "/actor"].map(|place| text(moment, place));
        vec![at, if event.is_empty() { note } else { event }, actor]
    });
    let table = output::table(&["AT", "WHAT", "WHO"], rows.collect());
    format!("{}\n\n{table}", output::details(&head))
}
