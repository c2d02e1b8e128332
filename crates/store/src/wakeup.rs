//! Tells those who wait that something new is on disk. Only a hint: whoever is woken looks in the store.

use tokio::sync::watch;

/// The latest place of the event feed that is known to be on disk.
#[derive(Debug, Clone)]
pub struct Wakeup {
    latest: watch::Sender<i64>,
}

impl Wakeup {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self {
            latest: watch::Sender::new(0),
        }
    }

    /// Events up to this place are on disk.
    pub fn events_up_to(&self, sequence: i64) {
        self.latest.send_if_modified(|latest| {
            let is_news = sequence > *latest;
            *latest = sequence.max(*latest);
            is_news
        });
    }

    /// Hears of new events from now on.
    pub fn subscribe(&self) -> watch::Receiver<i64> {
        self.latest.subscribe()
    }
}

impl Default for Wakeup {
    fn default() -> Self {
        Self::new()
    }
}

/// How many commits the store has made in this run. Only a hint, as above.
#[derive(Debug, Clone)]
pub struct Commits {
    count: watch::Sender<u64>,
}

impl Commits {
    /// None yet.
    pub fn new() -> Self {
        Self {
            count: watch::Sender::new(0),
        }
    }

    /// There is one more.
    pub fn one_more(&self) {
        self.count.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Hears of commits from now on.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }
}

impl Default for Commits {
    fn default() -> Self {
        Self::new()
    }
}
