//! What is found when the store is opened: what the write-ahead log held, and whether the database is behind its mark.
//! Says it in the log, and keeps what is wrong for whoever asks later.

use std::path::Path;

use rusqlite::Connection;

use store::StoreResult;
use store::upkeep::Finding;

use super::condition::Condition;
use super::database::FILE_NAME;
use super::directory::LOCK_NAME;
use super::mark::{Comparison, MarkFile};
use super::wal::{self, LogContents};
use super::watched_files::WatchedFiles;

/// What SQLite calls the write-ahead log beside the database.
pub const LOG_NAME: &str = "opsknight.db-wal";
/// What SQLite calls the index of the log.
const LOG_INDEX_NAME: &str = "opsknight.db-shm";
/// Where a log is kept of which SQLite drops something: it may overwrite it at once.
const DAMAGED_LOG_NAME: &str = "opsknight.db-wal.damaged";

/// Looks at the write-ahead log before SQLite does.
pub fn look_at_log(directory: &Path) -> LogContents {
    let path = directory.join(LOG_NAME);
    let log = wal::read(&path).unwrap_or_else(|error| {
        tracing::warn!(%error, path = %path.display(), "the write-ahead log cannot be looked at");
        LogContents::default()
    });
    if log.committed_frames > 0 {
        let (frames, commits) = (log.committed_frames, log.commits);
        tracing::info!(
            frames,
            commits,
            "the last run did not end softly: its write-ahead log is taken over"
        );
    }
    if log.is_unsound() {
        keep_log(&path, &directory.join(DAMAGED_LOG_NAME));
        tracing::warn!("{}", log_in_words(&log));
    }
    log
}

/// Never over one that is there: the first is the one that was not yet overwritten.
fn keep_log(path: &Path, to: &Path) {
    if to.exists() {
        return;
    }
    match std::fs::copy(path, to) {
        Ok(_) => tracing::warn!(copy = %to.display(), "kept a copy of the write-ahead log"),
        Err(error) => tracing::warn!(%error, "the write-ahead log could not be copied"),
    }
}

fn log_in_words(log: &LogContents) -> String {
    let LogContents {
        bytes,
        committed_frames,
        commits,
        dropped_commits,
        ..
    } = log;
    if !log.header_is_sound {
        return format!(
            "the header of the write-ahead log does not check out: SQLite ignores its {bytes} bytes"
        );
    }
    format!(
        "the write-ahead log held {commits} commits in {committed_frames} frames that check out; behind them \
         {dropped_commits} that do not, which SQLite drops"
    )
}

/// Compares the database with its mark, and begins to watch its files.
pub fn open_condition(directory: &Path, connection: &Connection, log: LogContents) -> StoreResult<Condition> {
    if log.is_unsound() {
        // What was dropped must not be found again at the next start.
        let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    let (mark, comparison) = MarkFile::open(directory, connection)?;
    match comparison {
        Comparison::Unknown if mark.mark().progress.sequence > 0 => tracing::info!(
            "there was no high-water mark beside the database: whether it is complete cannot be said this time"
        ),
        Comparison::Unknown | Comparison::Complete => {}
        Comparison::Behind(loss) => tracing::error!(
            events = loss.events,
            deliveries = loss.deliveries,
            "the database is behind the high-water mark beside it: what was committed is missing; run `opsknight doctor`"
        ),
    }
    let names = [FILE_NAME, LOG_NAME, LOG_INDEX_NAME, LOCK_NAME].map(|name| directory.join(name));
    let files = WatchedFiles::open(&names.each_ref().map(|name| name.as_path()))?;
    Ok(Condition::new(directory, files, mark, finding(&log)))
}

fn finding(log: &LogContents) -> Option<Finding> {
    log.is_damaged().then(|| Finding {
        code: "log_damaged",
        sentence: log_in_words(log),
        advice: "check the disk; a copy of the log is kept as opsknight.db-wal.damaged; compare the newest incidents with \
                 what was reported, and restore a backup if it is the better state; the next start forgets this",
    })
}
