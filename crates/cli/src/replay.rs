//! `opsknight replay`: sends deliveries again, named ones or every dead one of a list.

use clap::Args;

use clock::Clock;
use model::time::{Timestamp, parse_duration};

use super::client::Query;
use super::deliveries;
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
    /// Every dead delivery but those that were given up. For very many of one webhook, `opsknight recover` is quicker.
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
        let dead = page["items"].as_array().into_iter().flatten();
        for delivery in dead.filter(|delivery| delivery["givenUpBy"].is_null()) {
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
    match deliveries::post(session, id, "replay")? {
        true => tally.replayed += 1,
        false => tally.refused += 1,
    }
    Ok(())
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
