//! `opsknight replay`: sends deliveries again, named ones or every dead one of a list.

use clap::Args;
use serde_json::Value;

use crate::clock::Clock;
use crate::model::time::{Timestamp, parse_duration};

use super::client::{Query, segment};
use super::failure::Failure;
use super::output::{self, text};
use super::session::Session;

/// The most pages of dead deliveries that one call replays.
const MAX_PAGES: usize = 100_000;

/// Which deliveries.
#[derive(Args)]
pub struct Arguments {
    /// Deliveries (dlv_…).
    #[arg(required_unless_present = "dead", conflicts_with = "dead")]
    deliveries: Vec<String>,
    /// Every dead delivery. For very many of one webhook, `opsknight recover` is quicker.
    #[arg(long)]
    dead: bool,
    /// With --dead: only this webhook's, by name or id.
    #[arg(long, value_name = "NAME|ID", requires = "dead")]
    webhook: Option<String>,
    /// With --dead: only made since, a time (2024-01-15T10:30:00Z) or how long ago (2h).
    #[arg(long, value_name = "TIME", requires = "dead")]
    since: Option<String>,
}

/// What came of the replays.
#[derive(Default)]
struct Tally {
    replayed: u64,
    refused: u64,
}

/// Replays each; goes on after one that is refused, and then fails.
pub fn run(session: &Session, arguments: &Arguments) -> Result<(), Failure> {
    let mut tally = Tally::default();
    for id in &arguments.deliveries {
        replay(session, id, &mut tally)?;
    }
    if arguments.dead {
        replay_dead(session, arguments, &mut tally)?;
    }
    if !session.is_json {
        output::print(&format!("replayed {}, refused {}", tally.replayed, tally.refused))?;
    }
    if tally.refused == 0 {
        Ok(())
    } else {
        Err(Failure::Said)
    }
}

fn replay_dead(session: &Session, arguments: &Arguments, tally: &mut Tally) -> Result<(), Failure> {
    let mut filter: Query = vec![("status", "dead".into()), ("limit", "200".into())];
    if let Some(webhook) = &arguments.webhook {
        filter.push(("webhook", session.webhook_id(webhook)?));
    }
    if let Some(since) = &arguments.since {
        filter.push(("since", time(session, "since", since)?.to_string()));
    }
    let mut query = filter.clone();
    for _ in 0..MAX_PAGES {
        let page = session.api.get("/api/v1/deliveries", &query)?.value;
        for delivery in page["items"].as_array().into_iter().flatten() {
            replay(session, &text(delivery, "/id"), tally)?;
        }
        let Some(cursor) = page["nextCursor"].as_str() else {
            return Ok(());
        };
        query.clone_from(&filter);
        query.push(("cursor", cursor.to_owned()));
    }
    Ok(())
}

fn replay(session: &Session, id: &str, tally: &mut Tally) -> Result<(), Failure> {
    let path = format!("/api/v1/deliveries/{}/replay", segment(id));
    match session.api.post(&path, None) {
        Ok(answer) => {
            tally.replayed += 1;
            session.print(&answer, |delivery: &Value| {
                format!("{id} is {}", text(delivery, "/status"))
            })
        }
        // It is gone or still open: the others may be well.
        Err(failure @ Failure::Refused(_)) if failure.exit_code() == 1 => {
            tally.refused += 1;
            failure.report(session.is_json);
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}

/// A time, given as such or as how long ago.
pub fn time(session: &Session, name: &str, given: &str) -> Result<Timestamp, Failure> {
    let ago = parse_duration(given).map(|ago| session.clock.now().minus(ago));
    ago.or_else(|_| given.parse()).map_err(|_| {
        Failure::Usage(format!(
            "--{name} {given:?} is no time; write 2024-01-15T10:30:00Z, or how long ago: 90m, 2h, 3d"
        ))
    })
}
