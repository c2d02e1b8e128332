//! Hears what other servers of the same database do: tells whoever waits here of events and of progress that pages show, and
//! exchanges how much of each limit was spent.

use std::time::Duration;

use tokio::task::JoinSet;

use clock::Env;
use config::{Config, Database};
use limit::shared::SharedLimits;
use model::time::Timestamp;
use store::Store;
use store::budgets::{Budget, Taken};
use store::fleet::FleetNews;
use store::wakeup::{Commits, Wakeup};
use supervisor::Supervisor;

/// How often it is asked what is new: what happens elsewhere is seen here that much later.
const NEWS_INTERVAL: Duration = Duration::from_millis(250);
/// So many of these come before what was spent is exchanged: about a second.
const ROUNDS_PER_EXCHANGE: u32 = 4;

/// Hears of the fleet.
pub struct FleetWatch {
    store: Store,
    source: Env,
    limits: SharedLimits,
    /// Wakes streams of events.
    wakeup: Wakeup,
    /// Wakes live pages.
    commits: Commits,
}

impl FleetWatch {
    /// A watch of this store, for those who wait there.
    pub fn new(
        store: &Store,
        source: &Env,
        limits: &SharedLimits,
        wakeup: &Wakeup,
        commits: &Commits,
    ) -> Self {
        Self {
            store: store.clone(),
            source: source.clone(),
            limits: limits.clone(),
            wakeup: wakeup.clone(),
            commits: commits.clone(),
        }
    }

    /// Watches from now on. A server that has its database for itself need not: it hears of everything when it happens.
    pub fn start(self, timers: &mut JoinSet<()>, config: &Config, supervisor: &Supervisor) {
        match config.database {
            Database::Sqlite => {}
            Database::Postgres(_) => {
                timers.spawn(supervisor.clone().watch("watch of the fleet", self.run()));
            }
        }
    }

    async fn run(self) {
        let (mut seen, mut exchanged_at) = (None, self.source.now());
        loop {
            for _ in 0..ROUNDS_PER_EXCHANGE {
                tokio::time::sleep(NEWS_INTERVAL).await;
                // What cannot be read now is heard the next time.
                if let Ok(news) = self.store.fleet.news(self.source.now()).await {
                    self.tell(seen.replace(news), news);
                }
            }
            let now = self.source.now();
            let since = std::mem::replace(&mut exchanged_at, now);
            let has_others = seen.is_some_and(|news| news.other_nodes > 0);
            self.exchange(has_others, since, now).await;
        }
    }

    fn tell(&self, before: Option<FleetNews>, news: FleetNews) {
        let Some(before) = before else { return };
        if before.latest_sequence != news.latest_sequence {
            self.wakeup.events_up_to(news.latest_sequence);
        }
        if (before.latest_sequence, before.progress) != (news.latest_sequence, news.progress) {
            self.commits.one_more();
        }
    }

    /// What is not told now, since there is nobody or the store cannot be reached, was let through here alone: it is
    /// forgotten by the others, and counts here.
    async fn exchange(&self, has_others: bool, since: Timestamp, now: Timestamp) {
        let taken = self.limits.collect();
        if taken.is_empty() || !has_others {
            return;
        }
        let taken = taken.iter().map(|taken| Taken {
            budget: Budget::new(taken.limit, &taken.subject, taken.pace),
            count: taken.count,
        });
        if let Ok(waits) = self.store.budgets.add(taken.collect(), since, now).await {
            let micros = |wait: &Duration| i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
            let waits_us: Vec<_> = waits.iter().map(micros).collect();
            self.limits.learn(&waits_us, self.source.monotonic_millis());
        }
    }
}
