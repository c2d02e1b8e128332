//! Hears of events that other servers of the same database have made, and tells whoever waits here for any.

use std::time::Duration;

use tokio::task::JoinSet;

use config::{Config, Database};
use store::Store;
use store::wakeup::{Commits, Wakeup};
use supervisor::Supervisor;

/// How often it is looked: what happens elsewhere is seen here that much later.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Looks for new events.
pub struct FeedWatch {
    store: Store,
    /// Wakes streams of events.
    wakeup: Wakeup,
    /// Wakes live pages.
    commits: Commits,
}

impl FeedWatch {
    /// A watch of this store, for those who wait there.
    pub fn new(store: &Store, wakeup: &Wakeup, commits: &Commits) -> Self {
        Self {
            store: store.clone(),
            wakeup: wakeup.clone(),
            commits: commits.clone(),
        }
    }

    /// Looks from now on. A server that has its database for itself need not: it hears of everything when it happens.
    pub fn start(self, timers: &mut JoinSet<()>, config: &Config, supervisor: &Supervisor) {
        match config.database {
            Database::Sqlite => {}
            Database::Postgres(_) => {
                timers.spawn(supervisor.clone().watch("watch of the feed", self.run()));
            }
        }
    }

    /// What cannot be read now is told by the next look.
    async fn run(self) {
        let mut seen = None;
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let Ok(latest) = self.store.events.latest_sequence().await else {
                continue;
            };
            if seen.replace(latest).is_some_and(|seen| seen != latest) {
                self.wakeup.events_up_to(latest);
                self.commits.one_more();
            }
        }
    }
}
