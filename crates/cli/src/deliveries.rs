//! `opsknight deliveries`: lists them, shows one with every attempt, gives them up.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::Value;

use clock::Clock;
use model::delivery::DeliveryState;
use model::event::EventType;
use model::time::Timestamp;

use super::client::Query;
use super::exchange;
use super::failure::Failure;
use super::output::{self, text};
use super::replay::time;
use super::session::Session;

const HEADINGS: [&str; 8] = [
    "ID", "STATUS", "EVENT", "WEBHOOK", "AGE", "ATTEMPTS", "CREATED", "INCIDENT",
];

/// Which deliveries.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// One delivery (dlv_…, or the beginning of it), to show it with its attempts.
    delivery: Option<String>,
    /// Only this webhook's, by name or id.
    #[arg(long, value_name = "NAME|ID")]
    webhook: Option<String>,
    /// Only this incident's, by number (1042) or id (inc_…).
    #[arg(long, value_name = "NUMBER|ID")]
    incident: Option<String>,
    /// Only this event's.
    #[arg(long, value_parser = PossibleValuesParser::new(EventType::NAMES), hide_possible_values = true)]
    event: Option<String>,
    /// Only in this status.
    #[arg(long, value_parser = PossibleValuesParser::new(DeliveryState::NAMES))]
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
        let answer = session.api.get(&session.delivery_path(id)?, &Vec::new())?;
        return session.print(&answer, in_words);
    }
    let mut query: Query = Vec::new();
    if let Some(webhook) = &arguments.webhook {
        query.push(("webhook", session.webhook_id(webhook)?));
    }
    if let Some(incident) = &arguments.incident {
        query.push(("incident", session.incident_id(incident)?));
    }
    for (name, given) in [("since", &arguments.since), ("until", &arguments.until)] {
        if let Some(given) = given {
            query.push((name, time(session, name, given)?.to_string()));
        }
    }
    let plain = [
        ("event", arguments.event),
        ("status", arguments.status),
        ("limit", arguments.limit.map(|limit| limit.to_string())),
        ("cursor", arguments.cursor),
    ];
    query.extend(plain.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let answer = session.api.get("/api/v1/deliveries", &query)?;
    let now = session.clock.now();
    session.print(&answer, |page| {
        output::page_of(page, &HEADINGS, |delivery| row(delivery, now))
    })
}

fn row(delivery: &Value, now: Timestamp) -> Vec<String> {
    let cell = |place| text(delivery, place);
    let event = cell("/event");
    vec![
        cell("/id"),
        cell("/status"),
        event.strip_prefix("incident.").unwrap_or(&event).to_owned(),
        cell("/webhook"),
        age(&cell("/createdAt"), now),
        cell("/attemptsMade"),
        cell("/createdAt"),
        cell("/incident"),
    ]
}

/// How long ago a time was, in its largest unit: `12s`, `5m`, `3h`, `12d`; nothing if it is none.
fn age(at: &str, now: Timestamp) -> String {
    const UNITS: [(i64, &str); 3] = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let Ok(at) = at.parse::<Timestamp>() else {
        return String::new();
    };
    let seconds = (now.as_seconds() - at.as_seconds()).max(0);
    let unit = UNITS.into_iter().find(|(length, _)| seconds >= *length);
    unit.map_or_else(
        || format!("{seconds}s"),
        |(length, unit)| format!("{}{unit}", seconds / length),
    )
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
    let path = format!("{}/{action}", session.delivery_path(id)?);
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
    let attempts = delivery["attempts"].as_array().into_iter().flatten();
    let body = delivery["body"].as_str().unwrap_or_default();
    let mut parts = vec![output::details(&head)];
    parts.extend(attempts.map(|attempt| exchange::in_words(attempt, body)));
    parts.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_in_its_largest_unit() {
        let now: Timestamp = "2026-01-05T12:00:00Z".parse().unwrap();
        let ages = [
            "2026-01-05T11:59:48Z",
            "2026-01-05T11:55:00Z",
            "2026-01-03T11:00:00Z",
            "2026-01-05T12:00:09Z",
        ];
        assert_eq!(ages.map(|at| age(at, now)), ["12s", "5m", "2d", "0s"]);
        assert_eq!(age("", now), "");
    }
}
