//! How the latest commits went, whichever database they went to. Says trouble in the log once and then counts: a full disk
//! must not fill what is left with its own complaints.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::StoreError;

/// How often trouble that goes on is said again.
const SAY_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// How long a commit that reached the disk proves that the next one will.
const COMMIT_HOLDS: Duration = Duration::from_secs(5);
/// After so long without a failure, commits that succeed end the trouble; a probe that succeeds ends it at once.
const FAILURE_HOLDS: Duration = Duration::from_secs(10);

/// How the latest commits went.
#[derive(Debug, Default)]
pub struct CommitHealth {
    commits: Mutex<Commits>,
}

#[derive(Debug, Default)]
struct Commits {
    failing: Option<FailingCommits>,
    succeeded_at: Option<Instant>,
    said_at: Option<Instant>,
    /// Failures since the log was last told.
    unsaid: u64,
}

/// Changes that do not reach the disk.
#[derive(Debug, Clone)]
pub struct FailingCommits {
    /// Why the last one did not.
    pub sentence: String,
    /// How many so far.
    pub count: u64,
    last_at: Instant,
}

impl CommitHealth {
    /// A change is on disk.
    pub fn committed(&self, now: Instant) {
        let ended = self.lock().succeeded(now);
        say_recovery(ended);
    }

    /// A change did not reach the disk.
    pub fn failed(&self, error: &StoreError, now: Instant) {
        let more = self.lock().failed(error, now);
        match more {
            None => {}
            Some(0) => tracing::error!(
                %error,
                "a change could not be committed and was undone; further ones are counted and told once a minute"
            ),
            Some(more) => tracing::error!(%error, more, "changes still cannot be committed"),
        }
    }

    /// A query failed for a reason of the store's own.
    pub fn cannot_read(&self, error: &StoreError, now: Instant) {
        let more = self.lock().due_to_say(now);
        if let Some(more) = more {
            tracing::error!(%error, more, "the store cannot be read");
        }
    }

    /// Whether changes are known to reach the disk, so that it need not be tried.
    pub fn is_known_to_commit(&self, now: Instant) -> bool {
        let commits = self.lock();
        let is_fresh = |at: Instant| now.saturating_duration_since(at) < COMMIT_HOLDS;
        commits.failing.is_none() && commits.succeeded_at.is_some_and(is_fresh)
    }

    /// A probe that was begun then reached the disk. What failed since still fails.
    pub fn recovered(&self, begun_at: Instant) {
        let ended = {
            let mut commits = self.lock();
            commits.succeeded_at = Some(begun_at);
            commits.failing.take_if(|failing| failing.last_at <= begun_at)
        };
        say_recovery(ended);
    }

    /// What does not reach the disk, if that is so.
    pub fn failing(&self) -> Option<FailingCommits> {
        self.lock().failing.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Commits> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Commits {
    fn succeeded(&mut self, now: Instant) -> Option<FailingCommits> {
        self.succeeded_at = Some(now);
        self.failing
            .take_if(|failing| now.saturating_duration_since(failing.last_at) >= FAILURE_HOLDS)
    }

    /// Notes a failure; says how many others were not told if it is time to say so.
    fn failed(&mut self, error: &StoreError, now: Instant) -> Option<u64> {
        let count = self.failing.as_ref().map_or(0, |failing| failing.count) + 1;
        if !matches!(error, StoreError::FilesReplaced(_)) {
            self.failing = Some(FailingCommits {
                sentence: error.to_string(),
                count,
                last_at: now,
            });
        }
        self.due_to_say(now)
    }

    fn due_to_say(&mut self, now: Instant) -> Option<u64> {
        let is_due = self
            .said_at
            .is_none_or(|at| now.saturating_duration_since(at) >= SAY_AGAIN_AFTER);
        if !is_due {
            self.unsaid += 1;
            return None;
        }
        self.said_at = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

fn say_recovery(ended: Option<FailingCommits>) {
    if let Some(failing) = ended {
        tracing::info!(failed = failing.count, "changes can be committed again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> StoreError {
        StoreError::Unavailable("database or disk is full".into())
    }

    #[test]
    fn trouble_is_said_once_and_then_counted_for_a_minute() {
        let (mut commits, start) = (Commits::default(), Instant::now());
        let said =
            [0, 1, 59, 60, 61].map(|seconds| commits.failed(&full(), start + Duration::from_secs(seconds)));
        assert_eq!(said, [Some(0), None, None, Some(2), None]);
        assert_eq!(commits.failing.map(|failing| failing.count), Some(5));
    }

    #[test]
    fn small_commits_between_failures_do_not_end_the_trouble() {
        let (mut commits, start) = (Commits::default(), Instant::now());
        commits.failed(&full(), start);
        assert!(commits.succeeded(start + Duration::from_secs(9)).is_none());
        assert!(commits.succeeded(start + Duration::from_secs(10)).is_some());
    }
}
