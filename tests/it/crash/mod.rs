//! The program is killed at random moments under load, started again, and must have lost nothing.
//!
//! `./check` does it some ten times on each store. `./check --long` does it 10,000 times in short rounds, on several servers beside each
//! other, and counts what came of what was accepted (`CHECK_KILLS` sets how often). The seed is printed; `CHECK_SEED` sets it.

#![allow(clippy::print_stdout, reason = "the counts belong into the report")]

mod load;
mod receiver;
mod site;

use std::time::{Duration, Instant};

use crate::support::seed::Seeded;
use site::{Counts, Site};

/// How often a server is killed.
const KILLS: u32 = 9;
/// How long a round may last beyond the server's start.
const LONGEST_ROUND: Duration = Duration::from_millis(400);
/// How often all servers of the long test are killed.
const LONG_KILLS: u32 = 10_000;
/// How many servers that are, half of them on each store: most of the time one waits for something.
const LONG_SITES: u32 = 4;
/// How long their rounds may last: a kill finds a server as it starts, takes up what was open, or works.
const LONGEST_SHORT_ROUND: Duration = Duration::from_millis(120);

/// Every so many rounds a client makes a critical incident, which platforms hear of: by rounds, not by events, since a server on a
/// PostgreSQL accepts for seconds until its lease lets it send, and a platform takes few requests a second.
const CRITICAL_EVERY: u32 = 5;
/// The same in the long test.
const LONG_CRITICAL_EVERY: u32 = 10;

fn long_kills() -> Option<u32> {
    std::env::var_os("CHECK_LONG")?;
    let given = std::env::var("CHECK_KILLS").ok();
    Some(given.map_or(LONG_KILLS, |text| text.parse().expect("a number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_accepted_is_lost_when_the_program_is_killed_under_load() {
    let mut random = Seeded::from_environment("crash");
    let (sites, kills, longest, critical_every) = match long_kills() {
        Some(kills) => (
            LONG_SITES,
            kills.div_ceil(LONG_SITES),
            LONGEST_SHORT_ROUND,
            LONG_CRITICAL_EVERY,
        ),
        None => (2, KILLS, LONGEST_ROUND, CRITICAL_EVERY),
    };
    let began = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for number in 0..sites {
        let database = (number % 2 == 1).then(crate::fleet::new_database_url);
        let mut site = Site::new(database, Seeded::new(random.next_u64())).await;
        running.spawn(async move {
            site.live(kills, longest, critical_every).await;
            (site.store(), site.verify().await)
        });
    }
    let mut totals = [("SQLite", Counts::default()), ("PostgreSQL", Counts::default())];
    while let Some(ended) = running.join_next().await {
        let (store, counts) = ended.unwrap();
        for (_, total) in totals.iter_mut().filter(|(name, _)| *name == store) {
            total.add(&counts);
        }
    }
    let took = began.elapsed().as_secs_f64();
    let (title, lines) = (Counts::TITLE, totals.map(|(store, counts)| counts.line(store)));
    println!("{title}\n{}\nin {took:.0} s", lines.join("\n"));
}
