//! `opsknight incidents`: lists them, shows one with its timeline, moves one or many on, writes notes.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Answer, Query, segment};
use super::failure::Failure;
use super::incident_list;
use super::output::{self, text};
use super::session::Session;

/// The most incidents that the API changes in one call.
const MAX_BULK: usize = 200;
/// What an id begins with, and how long a whole one is.
const ID_PREFIX: &str = "inc_";
const ID_LENGTH: usize = 36;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List incidents: open ones, the latest first, unless said otherwise.
    List(incident_list::Arguments),
    /// Show an incident with its timeline.
    Show(Incident),
    /// Take incidents: nobody is called for them any more.
    Acknowledge(Several),
    /// Close incidents.
    Resolve(Several),
    /// Give incidents to somebody.
    Assign(Assignment),
    /// Escalate an incident to the next step of its service's policy.
    Escalate(Incident),
    /// Reopen a resolved incident.
    Reopen(Incident),
    /// Write a note on its timeline.
    Note(Note),
}

/// An incident.
#[derive(Args)]
pub struct Incident {
    /// Its number (1042 or '#1042'), id (inc_…) or the beginning of its id.
    incident: String,
}

/// Incidents.
#[derive(Args)]
pub struct Several {
    /// Their numbers (1042 or '#1042'), ids (inc_…) or beginnings of their ids.
    #[arg(required = true, value_name = "INCIDENT")]
    incidents: Vec<String>,
}

/// Incidents, and who gets them.
#[derive(Args)]
pub struct Assignment {
    #[command(flatten)]
    of: Several,
    /// Who gets them, by name or id (usr_…).
    #[arg(long, value_name = "NAME|ID", required_unless_present = "nobody")]
    to: Option<String>,
    /// Nobody has them any more.
    #[arg(long, conflicts_with = "to")]
    nobody: bool,
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
        Command::List(arguments) => incident_list::run(session, arguments),
        Command::Show(Incident { incident }) => {
            let path = path(session, &incident)?;
            session.print(&session.api.get(&path, &Vec::new())?, in_words)
        }
        Command::Acknowledge(of) => change(session, &of, "acknowledge"),
        Command::Resolve(of) => change(session, &of, "resolve"),
        Command::Assign(assignment) => assign(session, &assignment),
        Command::Escalate(of) => transition(session, &of.incident, "escalate"),
        Command::Reopen(of) => transition(session, &of.incident, "reopen"),
        Command::Note(Note { on, text }) => {
            let path = format!("{}/notes", path(session, &on.incident)?);
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

/// One as it stands after it was changed.
pub fn standing(incident: &Value) -> String {
    let [status, severity, title] = ["/status", "/severity", "/title"].map(|place| text(incident, place));
    format!("{} is {status}: {title} ({severity})", name(incident))
}

/// One is changed by itself, so that the server says in full why not; several go together.
fn change(session: &Session, of: &Several, action: &str) -> Result<(), Failure> {
    match of.incidents.as_slice() {
        [one] => transition(session, one, action),
        several => change_many(session, several, &json!({ "action": action })),
    }
}

fn transition(session: &Session, incident: &str, action: &str) -> Result<(), Failure> {
    let path = format!("{}/{action}", path(session, incident)?);
    session.print(&session.api.post(&path, None)?, standing)
}

fn assign(session: &Session, assignment: &Assignment) -> Result<(), Failure> {
    let assignee = match &assignment.to {
        Some(user) => json!({ "id": session.user_id(user)? }),
        None => Value::Null,
    };
    match assignment.of.incidents.as_slice() {
        [one] => {
            let answer = session
                .api
                .patch(&path(session, one)?, &json!({ "assignee": assignee }))?;
            session.print(&answer, |incident| {
                let assignee = text(incident, "/assignee");
                let whose = if assignee.is_empty() {
                    "nobody's"
                } else {
                    &assignee
                };
                format!("{} is assigned: {whose}", name(incident))
            })
        }
        several => {
            let what = json!({ "action": "assign", "assignee": assignee });
            change_many(session, several, &what)
        }
    }
}

/// Asks for as many at a time as one call may change, and says of each what became of it.
fn change_many(session: &Session, incidents: &[String], what: &Value) -> Result<(), Failure> {
    let mut ids = Vec::with_capacity(incidents.len());
    for incident in incidents {
        ids.push(whole(session, incident)?);
    }
    let (mut done, mut failed) = (0, 0);
    for chunk in ids.chunks(MAX_BULK) {
        let mut body = what.clone();
        body["incidents"] = json!(chunk);
        let answer = session.api.post("/api/v1/incidents/bulk", Some(&body))?;
        failed += print_results(session, &answer)?;
        done += chunk.len();
        if ids.len() > MAX_BULK {
            output::progress(&format!("{done} of {}", ids.len()));
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Said),
    }
}

/// Prints what became of each; says of how many nothing.
fn print_results(session: &Session, answer: &Answer) -> Result<usize, Failure> {
    let results = answer.value["results"].as_array();
    let results = results.map(Vec::as_slice).unwrap_or_default();
    let is_failed = |result: &&Value| result["outcome"] == "refused" || result["outcome"] == "not_found";
    session.print(answer, |_| {
        let lines: Vec<String> = results.iter().map(result_in_words).collect();
        lines.join("\n")
    })?;
    Ok(results.iter().filter(is_failed).count())
}

fn result_in_words(result: &Value) -> String {
    let [named, outcome, status] = ["/incident", "/outcome", "/status"].map(|place| text(result, place));
    let name = name(result);
    match outcome.as_str() {
        "not_found" => format!("there is no incident {named}"),
        "refused" => format!("{name} is {status}: not changed"),
        "unchanged" => format!("{name} is {status}, and was so already"),
        _ => format!("{name} is {status}: done"),
    }
}

/// The path of an incident that was given by number, id or the beginning of its id.
fn path(session: &Session, incident: &str) -> Result<String, Failure> {
    Ok(format!(
        "/api/v1/incidents/{}",
        segment(&whole(session, incident)?)
    ))
}

/// The same incident, by number or whole id.
fn whole(session: &Session, incident: &str) -> Result<String, Failure> {
    if !incident.starts_with(ID_PREFIX) || incident.len() >= ID_LENGTH {
        return Ok(incident.to_owned());
    }
    let query: Query = vec![("q", incident.to_owned()), ("limit", "2".into())];
    let page = session.api.get("/api/v1/incidents", &query)?.value;
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    match items {
        [one] => Ok(text(one, "/id")),
        [] => Err(Failure::other(format!(
            "there is no incident whose id begins with {incident}"
        ))),
        [one, two, ..] => Err(Failure::other(format!(
            "more than one incident's id begins with {incident}, such as {} and {}; give more of it",
            name(one),
            name(two)
        ))),
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
