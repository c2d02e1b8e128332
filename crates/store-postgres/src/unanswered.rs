//! What PostgreSQL has not answered yet: which statements share a round trip, and connections whose COMMIT waits for a replica
//! longer than anybody here does. A process of the server is about such a COMMIT until it is confirmed, closed connection or
//! not: it is kept in sight and counted, so that a node cannot take all connections that the server has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use deadpool_postgres::Client;
use tokio::sync::Semaphore;

use store::CommitObserver;
use store::StoreError;
use store::StoreResult;

/// How many of a node may wait.
const MAX_WAITING: usize = 4;
/// After this, the server is believed to have forgotten it.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// A statement that is on its way. What is sent while others are shares their round trip.
pub struct UnansweredStatement<'a>(&'a AtomicU32);

impl<'a> UnansweredStatement<'a> {
    /// Counts it, and tells of a round trip if it is the only one.
    pub fn new(unanswered: &'a AtomicU32, observer: &dyn CommitObserver) -> Self {
        if unanswered.fetch_add(1, Ordering::Relaxed) == 0 {
            observer.round_trip();
        }
        Self(unanswered)
    }
}

impl Drop for UnansweredStatement<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The COMMITs of a node that are not answered in time. While there are four, nothing is begun that would end with another.
pub struct UnansweredCommits {
    room: Arc<Semaphore>,
}

impl Default for UnansweredCommits {
    fn default() -> Self {
        Self {
            room: Arc::new(Semaphore::new(MAX_WAITING)),
        }
    }
}

impl UnansweredCommits {
    /// Whether a transaction may begin.
    pub fn have_room(&self) -> StoreResult<()> {
        let full = || {
            let sentence = "PostgreSQL does not confirm the commits before: is a synchronous replica away?";
            StoreError::Unavailable(sentence.into())
        };
        (self.room.available_permits() > 0).then_some(()).ok_or_else(full)
    }

    /// Keeps a connection until its COMMIT is answered, and closes it.
    pub fn keep(&self, client: Client) {
        let permit = Arc::clone(&self.room).try_acquire_owned();
        let (Ok(permit), Ok(runtime)) = (permit, tokio::runtime::Handle::try_current()) else {
            return;
        };
        let client = deadpool_postgres::Object::take(client);
        runtime.spawn(async move {
            let _permit = permit;
            // Answered behind the COMMIT, or by the end of the connection.
            let _ = tokio::time::timeout(MAX_WAIT, client.simple_query("")).await;
        });
    }
}
