//! What the store knows of its own trouble: whether changes reach the disk, whether the files are still its own, whether
//! the database is behind its high-water mark. The writer notes it; readiness, the doctor and the metrics ask for it.
//!
//! Says trouble in the log once and then counts: a full disk must not fill what is left with its own complaints.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use store::StoreError;
use store::StoreResult;
use store::upkeep::{DiskSpace, Finding, Loss};

use super::mark::{MarkFile, Progress};
use super::watched_files::WatchedFiles;

/// How often trouble that goes on is said again.
const SAY_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// How long a commit that reached the disk proves that the next one will.
const COMMIT_HOLDS: Duration = Duration::from_secs(5);
/// After so long without a failure, commits that succeed end the trouble; a probe that succeeds ends it at once.
const FAILURE_HOLDS: Duration = Duration::from_secs(10);

/// What the store knows of its own trouble.
pub struct Condition {
    directory: PathBuf,
    files: WatchedFiles,
    mark: Mutex<MarkFile>,
    /// What was wrong with the write-ahead log when the store was opened.
    log: Option<Finding>,
    commits: Mutex<Commits>,
}

/// How the latest commits went.
#[derive(Debug, Default)]
struct Commits {
    failing: Option<Failing>,
    succeeded_at: Option<Instant>,
    said_at: Option<Instant>,
    /// Failures since the log was last told.
    unsaid: u64,
}

#[derive(Debug)]
struct Failing {
    sentence: String,
    count: u64,
    last_at: Instant,
}

impl Condition {
    /// The condition of a store that was opened just now.
    pub fn new(directory: &Path, files: WatchedFiles, mark: MarkFile, log: Option<Finding>) -> Self {
        Self {
            directory: directory.to_owned(),
            files,
            mark: Mutex::new(mark),
            log,
            commits: Mutex::default(),
        }
    }

    /// Fails if the files are no longer those under their names.
    pub fn check_files(&self) -> StoreResult<()> {
        self.files.check()
    }

    /// A commit is on disk: moves the mark, before anybody is told.
    pub fn committed(&self, sequence: Option<i64>, accepted: i64, now: Instant) {
        lock(&self.mark).advance(sequence, accepted);
        // The timers commit every few seconds, mostly nothing at all, which fits on every disk.
        if sequence.is_none() {
            return;
        }
        let ended = lock(&self.commits).succeeded(now);
        say_recovery(ended);
    }

    /// A change did not reach the disk.
    pub fn failed(&self, error: &StoreError, now: Instant) {
        let more = lock(&self.commits).failed(error, now);
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
        let more = lock(&self.commits).due_to_say(now);
        if let Some(more) = more {
            tracing::error!(%error, more, "the store cannot be read");
        }
    }

    /// Whether changes are known to reach the disk, so that it need not be tried.
    pub fn is_known_to_commit(&self, now: Instant) -> bool {
        let commits = lock(&self.commits);
        let is_fresh = |at: Instant| now.saturating_duration_since(at) < COMMIT_HOLDS;
        commits.failing.is_none() && commits.succeeded_at.is_some_and(is_fresh)
    }

    /// A probe that was begun then reached the disk. What failed since still fails.
    pub fn recovered(&self, begun_at: Instant) {
        let ended = {
            let mut commits = lock(&self.commits);
            commits.succeeded_at = Some(begun_at);
            commits.failing.take_if(|failing| failing.last_at <= begun_at)
        };
        say_recovery(ended);
    }

    /// How far the database has come, as the mark knows.
    pub fn progress(&self) -> Progress {
        lock(&self.mark).mark().progress
    }

    /// What was missing at a start and nobody has accepted yet.
    pub fn loss(&self) -> Loss {
        lock(&self.mark).mark().loss
    }

    /// What was missing is accepted.
    pub fn forget_loss(&self) {
        lock(&self.mark).forget_loss();
    }

    /// Everything that is wrong, as far as it is known without looking through the database.
    pub fn troubles(&self) -> Vec<Finding> {
        let commits = lock(&self.commits)
            .failing
            .as_ref()
            .map(|failing| self.commits_fail(failing));
        let files = self.files.check().err().map(|error| files_replaced(&error));
        let loss = Some(self.loss())
            .filter(|loss| !loss.is_nothing())
            .map(events_lost);
        [commits, files, self.log.clone(), loss]
            .into_iter()
            .flatten()
            .collect()
    }

    fn commits_fail(&self, failing: &Failing) -> Finding {
        let Failing { sentence, count, .. } = failing;
        let disk = disk_space(&self.directory).map_or(String::new(), |disk| format!("; {disk}"));
        Finding {
            code: "commits_fail",
            sentence: format!("changes are refused ({count} so far): {sentence}{disk}"),
            advice: "free space on that disk, or raise max_database_size if that is the limit; it goes on by itself then",
        }
    }
}

impl Commits {
    fn succeeded(&mut self, now: Instant) -> Option<Failing> {
        self.succeeded_at = Some(now);
        self.failing
            .take_if(|failing| now.saturating_duration_since(failing.last_at) >= FAILURE_HOLDS)
    }

    /// Notes a failure; says how many others were not told if it is time to say so.
    fn failed(&mut self, error: &StoreError, now: Instant) -> Option<u64> {
        let count = self.failing.as_ref().map_or(0, |failing| failing.count) + 1;
        if !matches!(error, StoreError::FilesReplaced(_)) {
            self.failing = Some(Failing {
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

fn say_recovery(ended: Option<Failing>) {
    if let Some(failing) = ended {
        tracing::info!(failed = failing.count, "changes can be committed again");
    }
}

fn files_replaced(error: &StoreError) -> Finding {
    Finding {
        code: "files_replaced",
        sentence: error.to_string(),
        advice: "run `opsknight backup rescue.db`: it copies what the server still holds open; then stop the server, and \
                 put that copy, or the files that were moved, in place of the database",
    }
}

fn events_lost(loss: Loss) -> Finding {
    Finding {
        code: "events_lost",
        sentence: format!(
            "the database is behind the high-water mark beside it: {} events and {} deliveries that were committed are \
             not in it",
            loss.events, loss.deliveries
        ),
        advice: "after restoring a backup this is what the backup lacks; otherwise restore one, or look for what was \
                 lost in the systems that reported it; then `opsknight doctor --accept-loss`",
    }
}

/// How much room there is where a folder lies; nothing if the system does not say.
pub fn disk_space(directory: &Path) -> Option<DiskSpace> {
    use std::os::unix::fs::MetadataExt;
    let directory = directory.canonicalize().ok()?;
    let space = rustix::fs::statvfs(&directory).ok()?;
    let device = |path: &Path| path.metadata().map(|found| found.dev()).ok();
    let own = device(&directory);
    let mounted_at = directory
        .ancestors()
        .take_while(|path| device(path) == own)
        .last()?;
    Some(DiskSpace {
        mounted_at: mounted_at.to_owned(),
        free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
        total_bytes: space.f_blocks.saturating_mul(space.f_frsize),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
