//! How far a database has come, and what one lacks that had come further: what a high-water mark outside of it proves.

use crate::upkeep::{Finding, Loss};
use model::digest::sha256;

/// How far a database has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The place of the last event in the feed.
    pub sequence: i64,
    /// Deliveries that were ever accepted.
    pub accepted: i64,
}

impl Progress {
    /// What a database lacks that has come only this far.
    pub fn lacks(self, found: Self) -> Loss {
        let missing = |known: i64, found: i64| known.saturating_sub(found).max(0).unsigned_abs();
        Loss {
            events: missing(self.sequence, found.sequence),
            deliveries: missing(self.accepted, found.accepted),
        }
    }
}

/// The line with its own digest behind it.
pub fn sealed_line(text: &str) -> String {
    format!("{text} check {}\n", check(text))
}

/// The line, if it is what was written.
pub fn checked_line(text: &str) -> Option<&str> {
    let (text, checked) = text.trim_end().split_once(" check ")?;
    (checked == check(text)).then_some(text)
}

fn check(text: &str) -> String {
    hex_of(&sha256([text.as_bytes()])[..8])
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a loss is told.
pub fn events_lost(loss: Loss) -> Finding {
    Finding {
        code: "events_lost",
        sentence: format!(
            "the database is behind the high-water mark beside it: {} events and {} deliveries that were committed are \
             not in it",
            loss.events, loss.deliveries
        ),
        advice: "after restoring a backup, or when a replica took over that lagged, this is what it lacks; otherwise restore \
                 one, or look for what was lost in the systems that reported it; then `opsknight doctor --accept-loss`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_behind_the_mark_is_missing() {
        let at = |sequence, accepted| Progress { sequence, accepted };
        let lost = |events, deliveries| Loss { events, deliveries };
        assert_eq!(at(10, 20).lacks(at(7, 20)), lost(3, 0));
        assert_eq!(at(10, 20).lacks(at(11, 15)), lost(0, 5));
    }

    #[test]
    fn a_line_that_was_changed_by_hand_or_torn_is_none() {
        let line = sealed_line("events 12");
        assert_eq!(checked_line(&line), Some("events 12"));
        let changed = line.replace("12", "11");
        assert_eq!(
            [changed.as_str(), &line[..line.len() - 3], ""].map(checked_line),
            [None; 3]
        );
    }
}
