//! What the store knows of its own trouble: whether changes reach the disk, whether the files are still its own, whether
//! the database is behind its high-water mark. The writer notes it; readiness, the doctor and the metrics ask for it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use store::StoreError;
use store::StoreResult;
use store::commit_health::{CommitHealth, FailingCommits};
use store::high_water_mark::{Progress, events_lost};
use store::upkeep::{DiskSpace, Finding, Loss};

use super::mark::MarkFile;
use super::watched_files::WatchedFiles;

/// What the store knows of its own trouble.
pub struct Condition {
    directory: PathBuf,
    files: WatchedFiles,
    mark: Mutex<MarkFile>,
    /// What was wrong with the write-ahead log when the store was opened.
    log: Option<Finding>,
    commits: CommitHealth,
}

impl Condition {
    /// The condition of a store that was opened just now.
    pub fn new(directory: &Path, files: WatchedFiles, mark: MarkFile, log: Option<Finding>) -> Self {
        Self {
            directory: directory.to_owned(),
            files,
            mark: Mutex::new(mark),
            log,
            commits: CommitHealth::default(),
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
        self.commits.committed(now);
    }

    /// How the latest commits went.
    pub fn commits(&self) -> &CommitHealth {
        &self.commits
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
        let commits = self.commits.failing().map(|failing| self.commits_fail(&failing));
        let files = self.files.check().err().map(|error| files_replaced(&error));
        let loss = Some(self.loss())
            .filter(|loss| !loss.is_nothing())
            .map(events_lost);
        [commits, files, self.log.clone(), loss]
            .into_iter()
            .flatten()
            .collect()
    }

    fn commits_fail(&self, failing: &FailingCommits) -> Finding {
        let FailingCommits { sentence, count, .. } = failing;
        let disk = disk_space(&self.directory).map_or(String::new(), |disk| format!("; {disk}"));
        Finding {
            code: "commits_fail",
            sentence: format!("changes are refused ({count} so far): {sentence}{disk}"),
            advice: "free space on that disk, or raise max_database_size if that is the limit; it goes on by itself then",
        }
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
