//! `opsknight deliveries`: lists them, shows one with every attempt, gives them up.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{Query, segment};
use super::failure::Failure;
use super::output::{self, Column, text};
use super::replay::time;
use super::session::Session;

const COLUMNS: [Column; 7] = [
    ("ID", "/id"),
    ("STATUS", "/status"),
    ("EVENT", "/event"),
    ("WEBHOOK", "/webhook"),
    ("INCIDENT", "/incident"),
    ("ATTEMPTS", "/attemptsMade"),
    ("CREATED", "/createdAt"),
];

/// Which deliveries.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// One delivery (dlv_…), to show it with its attempts.
    delivery: Option<String>,
    /// Only this webhook's, by name or id.
    #[arg(long, value_name = "NAME|ID")]
    webhook: Option<String>,
    /// Only this incident's.
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
    /// Only this event's, such as incident.triggered.
    #[arg(long)]
    event: Option<String>,
    /// scheduled, queued, claimed, held, delivered or dead.
    #[arg(long)]
    status: Option<String>,
    /// Only made since: a time (2024-01-15T10:30:00Z) or how long ago (2h).
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only made before: a time or how long ago.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How many at most (1 to 200).
    #[arg(long)]
    limit: Option<u32>,
    /// Where the page before ended.
    #[arg(long)]
    cursor: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Give up deliveries that wait or are held: they are not sent any more, and can be replayed.
    GiveUp {
        /// Deliveries (dlv_…).
        #[arg(required = true)]
        deliveries: Vec<String>,
    },
}

/// Lists, shows or gives up.
pub fn run(session: &Session, arguments: Arguments) -> Result<(), Failure> {
    if let Some(Command::GiveUp { deliveries }) = &arguments.command {
        return give_up(session, deliveries);
    }
    if let Some(id) = &arguments.delivery {
        let path = format!("/api/v1/deliveries/{}", segment(id));
        let answer = session.api.get(&path, &Vec::new())?;
        return session.print(&answer, in_words);
    }
    let mut query: Query = Vec::new();
    if let Some(webhook) = &arguments.webhook {
        query.push(("webhook", session.webhook_id(webhook)?));
    }
    for (name, given) in [("since", &arguments.since), ("until", &arguments.until)] {
        if let Some(given) = given {
            query.push((name, time(session, name, given)?.to_string()));
        }
    }
    let plain = [
        ("incident", arguments.incident),
        ("event", arguments.event),
        ("status", arguments.status),
        ("limit", arguments.limit.map(|limit| limit.to_string())),
        ("cursor", arguments.cursor),
    ];
    query.extend(plain.into_iter().filter_map(|(name, value)| Some((name, value?))));
    session.print_page(&session.api.get("/api/v1/deliveries", &query)?, &COLUMNS)
}

/// Gives up each; goes on after one that is refused, and then fails.
fn give_up(session: &Session, deliveries: &[String]) -> Result<(), Failure> {
    let (mut given_up, mut refused) = (0, 0);
    for id in deliveries {
        match post(session, id, "give-up")? {
            true => given_up += 1,
            false => refused += 1,
        }
    }
    if !session.is_json {
        output::print(&format!("gave up {given_up}, refused {refused}"))?;
    }
    match refused {
        0 => Ok(()),
        _ => Err(Failure::Said),
    }
}

/// Does something to a delivery and prints what it is then; says whether it was done. One that is gone, or for which it is too
/// early or too late, is told: the others may be well.
pub fn post(session: &Session, id: &str, action: &str) -> Result<bool, Failure> {
    let path = format!("/api/v1/deliveries/{}/{action}", segment(id));
    match session.api.post(&path, None) {
        Ok(answer) => {
            let status = |delivery: &Value| format!("{id} is {}", text(delivery, "/status"));
            session.print(&answer, status)?;
            Ok(true)
        }
        Err(failure @ Failure::Refused(_)) if failure.exit_code() == 1 => {
            failure.report(session.is_json);
            Ok(false)
        }
        Err(failure) => Err(failure),
    }
}

/// A delivery with its attempts, for people.
pub fn in_words(delivery: &Value) -> String {
    let mut head = delivery.clone();
    if let Some(members) = head.as_object_mut() {
        members.shift_remove("attempts");
        members.shift_remove("body");
        members.shift_remove("payload");
    }
    let attempts = delivery["attempts"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut parts = vec![output::details(&head)];
    parts.extend(attempts.iter().map(attempt_in_words));
    parts.join("\n\n")
}

fn attempt_in_words(attempt: &Value) -> String {
    format!(
        "attempt {}\n{}",
        text(attempt, "/number"),
        indented(&output::details(attempt))
    )
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}
