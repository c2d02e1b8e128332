//! The high-water mark: a small file beside the database that says how far the database had come. The ledger lies in the
//! database and is lost with it; this is not.
//!
//! Written after each commit that made an event or a delivery, before the answer, into a file that stays open, without
//! waiting for the disk. So it is never ahead of what was committed; it may be behind after a loss of power. A database
//! that is behind its mark has therefore lost something; one that is not has kept every event and delivery that the mark
//! knows of. It knows nothing of attempts and settings.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rusqlite::Connection;

use store::StoreResult;
use store::high_water_mark::{Progress, checked_line, sealed_line};
use store::upkeep::Loss;

use super::statements::{execute, read_one};

/// The mark's file in the data directory.
pub const MARK_NAME: &str = "opsknight.mark";
/// A mark is never longer.
const MAX_BYTES: u64 = 512;
/// What each mark begins with.
const HEAD: &str = "opsknight-mark 1";

/// How far the database behind a connection has come.
pub fn read_progress(connection: &Connection) -> StoreResult<Progress> {
    let found = read_one(
        connection,
        "SELECT coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = 'events'), 0),
             coalesce((SELECT sum(accepted) FROM ledger), 0)",
        (),
        |row| {
            Ok(Progress {
                sequence: row.get(0)?,
                accepted: row.get(1)?,
            })
        },
    )?;
    Ok(found.unwrap_or_default())
}

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// How far the database had come.
    pub progress: Progress,
    /// What was found missing at a start and nobody has accepted yet.
    pub loss: Loss,
}

impl Mark {
    /// Every mark has the same length, so that it is written over the one before it.
    fn to_text(self) -> String {
        let Self { progress, loss } = self;
        let text = format!(
            "{HEAD} events {:020} deliveries {:020} lost-events {:020} lost-deliveries {:020}",
            progress.sequence, progress.accepted, loss.events, loss.deliveries
        );
        sealed_line(&text)
    }

    fn parse(text: &str) -> Option<Self> {
        let words: Vec<_> = checked_line(text)?
            .strip_prefix(HEAD)?
            .split_whitespace()
            .collect();
        let [
            "events",
            events,
            "deliveries",
            deliveries,
            "lost-events",
            lost_events,
            "lost-deliveries",
            lost_deliveries,
        ] = words[..]
        else {
            return None;
        };
        let progress = Progress {
            sequence: events.parse().ok()?,
            accepted: deliveries.parse().ok()?,
        };
        let loss = Loss {
            events: lost_events.parse().ok()?,
            deliveries: lost_deliveries.parse().ok()?,
        };
        Some(Self { progress, loss })
    }
}

/// The open file, and what was last written to it.
pub struct MarkFile {
    file: File,
    mark: Mark,
}

/// What a mark says about the database beside it.
#[derive(Debug, PartialEq, Eq)]
pub enum Comparison {
    /// There was none, or it cannot be read: nothing can be said.
    Unknown,
    /// Whatever the mark knows of is there.
    Complete,
    /// Something is missing, since just now.
    Behind(Loss),
}

impl MarkFile {
    /// Opens the mark of a folder and compares it with the database. Numbers of events that were lost are not used a second
    /// time: whoever follows the feed has seen them.
    pub fn open(directory: &Path, connection: &Connection) -> StoreResult<(Self, Comparison)> {
        let path = directory.join(MARK_NAME);
        let unusable =
            |error: std::io::Error| store::StoreError::Unavailable(format!("{}: {error}", path.display()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o600).open(&path).map_err(unusable)?;
        let mut text = String::new();
        let known = match (&file).take(MAX_BYTES).read_to_string(&mut text) {
            Ok(_) => Mark::parse(&text),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => None,
            Err(error) => return Err(unusable(error)),
        };
        let mut found = read_progress(connection)?;
        let known_loss = known.map(|mark| mark.loss).unwrap_or_default();
        let new_loss = known.map(|mark| mark.progress.lacks(found)).unwrap_or_default();
        if let Some(mark) = known.filter(|_| new_loss.events > 0) {
            skip_to(connection, mark.progress.sequence)?;
            found.sequence = mark.progress.sequence;
        }
        let mut opened = Self {
            file,
            mark: Mark {
                progress: found,
                loss: known_loss.and(new_loss),
            },
        };
        opened.write();
        let comparison = match known {
            None => Comparison::Unknown,
            Some(_) if new_loss.is_nothing() => Comparison::Complete,
            Some(_) => Comparison::Behind(new_loss),
        };
        Ok((opened, comparison))
    }

    /// What it says.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Notes a commit: the place of its last event, if it made one, and how many deliveries it accepted.
    pub fn advance(&mut self, sequence: Option<i64>, accepted: i64) {
        if sequence.is_none() && accepted == 0 {
            return;
        }
        let progress = &mut self.mark.progress;
        progress.sequence = progress.sequence.max(sequence.unwrap_or(0));
        progress.accepted += accepted;
        self.write();
    }

    /// What was missing is accepted.
    pub fn forget_loss(&mut self) {
        self.mark.loss = Loss::default();
        self.write();
    }

    /// A mark that cannot be written stays behind, which proves less but never something false.
    fn write(&mut self) {
        if let Err(error) = self.file.write_all_at(self.mark.to_text().as_bytes(), 0) {
            tracing::debug!(%error, "the high-water mark could not be written");
        }
    }
}

fn skip_to(connection: &Connection, sequence: i64) -> StoreResult<()> {
    let skipped = execute(
        connection,
        "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'events'",
        [sequence],
    )?;
    if skipped == 0 {
        execute(
            connection,
            "INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?1)",
            [sequence],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Mark {
        Mark {
            progress: Progress {
                sequence: 12,
                accepted: 34,
            },
            loss: Loss {
                events: 5,
                deliveries: 6,
            },
        }
    }

    #[test]
    fn a_mark_is_read_back_as_it_was_written() {
        assert_eq!(Mark::parse(&sample().to_text()), Some(sample()));
        assert_eq!(sample().to_text().len(), Mark::default().to_text().len());
    }

    #[test]
    fn a_mark_that_was_changed_by_hand_or_torn_is_none() {
        let text = sample().to_text();
        let changed = text.replace("00012 ", "00011 ");
        assert_eq!([changed.as_str(), &text[..80], ""].map(Mark::parse), [None; 3]);
    }
}
