//! The high-water mark: a small file of this node's own that says how far it has seen the database come, and on which
//! timeline. A replica that takes over without having confirmed each commit, or a copy that is restored, is behind it.
//!
//! Written over after each commit that made an event, into a file that stays open; on disk within a second. Deliveries are
//! counted by the ledger, which is looked at once a second.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use store::high_water_mark::{Progress, checked_line, sealed_line};
use store::{StoreError, StoreResult};

/// The mark's file in the data directory.
const MARK_NAME: &str = "postgres.mark";
/// A mark is never longer.
const MAX_BYTES: u64 = 512;
/// What each mark begins with.
const HEAD: &str = "opsknight-postgres-mark 1";

/// How far the database had come, and on which timeline that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub timeline: String,
    pub progress: Progress,
}

impl Mark {
    /// Every mark of a timeline has the same length, so that it is written over the one before it.
    fn to_text(&self) -> String {
        let Progress { sequence, accepted } = self.progress;
        let timeline = &self.timeline;
        sealed_line(&format!(
            "{HEAD} events {sequence:020} deliveries {accepted:020} timeline {timeline}"
        ))
    }

    fn parse(text: &str) -> Option<Self> {
        let words: Vec<_> = checked_line(text)?
            .strip_prefix(HEAD)?
            .split_whitespace()
            .collect();
        let ["events", sequence, "deliveries", accepted, "timeline", timeline] = words[..] else {
            return None;
        };
        Some(Self {
            timeline: timeline.to_owned(),
            progress: Progress {
                sequence: sequence.parse().ok()?,
                accepted: accepted.parse().ok()?,
            },
        })
    }
}

/// What this node knows, and where it keeps it.
pub struct MarkFile {
    file: Option<File>,
    mark: Option<Mark>,
    is_synced: bool,
}

impl MarkFile {
    /// The mark of a folder; one that cannot be read is none. Without a folder it is kept in memory only.
    pub fn open(directory: Option<&Path>) -> StoreResult<Self> {
        let Some(directory) = directory else {
            return Ok(Self {
                file: None,
                mark: None,
                is_synced: true,
            });
        };
        let path = directory.join(MARK_NAME);
        let unusable =
            |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        std::fs::create_dir_all(directory).map_err(unusable)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o600).open(&path).map_err(unusable)?;
        let mut text = String::new();
        let mark = match (&file).take(MAX_BYTES).read_to_string(&mut text) {
            Ok(_) => Mark::parse(&text),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => None,
            Err(error) => return Err(unusable(error)),
        };
        Ok(Self {
            file: Some(file),
            mark,
            is_synced: true,
        })
    }

    /// What it says.
    pub fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    /// Begins anew on a timeline that the old mark was compared with.
    pub fn replace(&mut self, mark: Mark) {
        if self.mark.as_ref() != Some(&mark) {
            self.mark = Some(mark);
            if let Some(file) = &self.file {
                // Another timeline's name may be shorter.
                let _ = file.set_len(0);
            }
            self.write();
        }
    }

    /// Notes that the database has come so far, on the timeline of the mark.
    pub fn advance(&mut self, seen: Progress) {
        let Some(mark) = &mut self.mark else { return };
        let before = mark.progress;
        mark.progress = Progress {
            sequence: before.sequence.max(seen.sequence),
            accepted: before.accepted.max(seen.accepted),
        };
        if mark.progress != before {
            self.write();
        }
    }

    /// What has to be on disk, if it is not yet.
    pub fn unsynced(&mut self) -> Option<File> {
        if std::mem::replace(&mut self.is_synced, true) {
            return None;
        }
        self.file.as_ref().and_then(|file| file.try_clone().ok())
    }

    /// A mark that cannot be written stays behind, which proves less but never something false.
    fn write(&mut self) {
        self.is_synced = false;
        if let (Some(file), Some(mark)) = (&self.file, &self.mark)
            && let Err(error) = file.write_all_at(mark.to_text().as_bytes(), 0)
        {
            tracing::debug!(%error, "the high-water mark could not be written");
        }
    }
}

impl Drop for MarkFile {
    fn drop(&mut self) {
        if let Some(file) = self.unsynced() {
            let _ = file.sync_data();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Mark {
        Mark {
            timeline: "7424242-00000002".into(),
            progress: Progress {
                sequence: 12,
                accepted: 34,
            },
        }
    }

    #[test]
    fn a_mark_is_read_back_as_it_was_written() {
        assert_eq!(Mark::parse(&sample().to_text()), Some(sample()));
    }

    #[test]
    fn a_mark_outlasts_the_node_and_only_goes_forward() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = MarkFile::open(Some(folder.path())).unwrap();
        assert_eq!(file.mark(), None);
        file.replace(sample());
        file.advance(Progress {
            sequence: 11,
            accepted: 50,
        });
        drop(file);
        let file = MarkFile::open(Some(folder.path())).unwrap();
        let kept = file.mark().unwrap().progress;
        assert_eq!((kept.sequence, kept.accepted), (12, 50));
    }
}
