//! What is counted of incidents: openings, escalations, and how long it took until somebody acknowledged and resolved.
//! Everything but an escalation counts where the incident was opened, so that a late change moves what was counted then.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::ServiceId;
use crate::incident::Severity;
use crate::time::Timestamp;

const DAY_MILLIS: i64 = 24 * 3600 * 1000;
const QUARTER_MILLIS: i64 = 15 * 60 * 1000;
/// The quarters of an hour in a day. Every zone's hours and days begin at one of them.
pub const QUARTERS: u8 = 96;
/// How long a quarter is.
pub const QUARTER: Duration = Duration::from_secs(15 * 60);

/// The start of the day (UTC) that a time lies in.
pub fn day_of(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() - at.as_millis().rem_euclid(DAY_MILLIS))
}

/// The start of the next day (UTC).
pub fn day_after(day_at: Timestamp) -> Timestamp {
    Timestamp::from_millis(day_at.as_millis().saturating_add(DAY_MILLIS))
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// An incident was opened, which has this severity now.
    Opened(Severity),
    /// A step of an escalation policy fired, or somebody escalated by hand.
    Escalated,
    /// It was acknowledged so long after it was opened.
    Acknowledged(Duration),
    /// It was resolved so long after it was opened.
    Resolved(Duration),
}

impl Measure {
    /// Its name, as the store keeps it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened(severity) => severity.as_str(),
            Self::Escalated => "escalated",
            Self::Acknowledged(_) => "acknowledged",
            Self::Resolved(_) => "resolved",
        }
    }

    /// How long it took; nothing for what takes no time.
    pub fn took(self) -> Duration {
        match self {
            Self::Opened(_) | Self::Escalated => Duration::ZERO,
            Self::Acknowledged(took) | Self::Resolved(took) => took,
        }
    }

    /// The measure read back.
    pub fn parse(name: &str, took: Duration) -> Option<Self> {
        match name {
            "escalated" => Some(Self::Escalated),
            "acknowledged" => Some(Self::Acknowledged(took)),
            "resolved" => Some(Self::Resolved(took)),
            _ => Severity::parse(name).map(Self::Opened),
        }
    }
}

/// One more, or one less, of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsightChange {
    /// When the incident was opened, or the escalation happened.
    pub at: Timestamp,
    pub service_id: ServiceId,
    pub measure: Measure,
    /// So many more, or fewer of what does not hold any more.
    pub count: i64,
}

impl InsightChange {
    /// Where it is counted in its day.
    pub fn cell(&self) -> Cell {
        let quarter = self.at.as_millis().rem_euclid(DAY_MILLIS) / QUARTER_MILLIS;
        let (kind, bin) = match self.measure {
            Measure::Opened(severity) => (0, severity_bin(severity)),
            Measure::Escalated => (1, 0),
            Measure::Acknowledged(took) => (2, bin_of(took)),
            Measure::Resolved(took) => (3, bin_of(took)),
        };
        [u8::try_from(quarter).unwrap_or(u8::MAX), kind, bin]
    }
}

/// What was counted of one service on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsightDay {
    /// When the day begins (UTC).
    pub day_at: Timestamp,
    pub service_id: ServiceId,
    pub counts: DayCounts,
}

/// What is counted together: durations of one bin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    Opened(Severity),
    Escalated,
    /// The bin of how long it took: see [`Durations`].
    Acknowledged(u8),
    Resolved(u8),
}

/// Quarter of its day, kind and bin: what is counted together.
pub type Cell = [u8; 3];
/// A cell and its count, as the store keeps them.
const CELL_BYTES: usize = 7;

/// The counts of a day, by quarters of an hour. Only what is not zero is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DayCounts(BTreeMap<Cell, i64>);

impl DayCounts {
    /// Counts a change that belongs to this day.
    pub fn add(&mut self, change: &InsightChange) {
        let cell = change.cell();
        let count = self.0.entry(cell).or_default();
        *count += change.count;
        if *count == 0 {
            self.0.remove(&cell);
        }
    }

    /// Everything that was counted: the quarter, what, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (u8, Counted, i64)> {
        self.0.iter().filter_map(|([quarter, kind, bin], count)| {
            let counted = match kind {
                0 => Counted::Opened(*Severity::ALL.get(usize::from(*bin))?),
                1 => Counted::Escalated,
                2 => Counted::Acknowledged(*bin),
                3 => Counted::Resolved(*bin),
                _ => return None,
            };
            Some((*quarter, counted, *count))
        })
    }

    /// The counts as the store keeps them: quarter, kind, bin and a 32-bit count, little-endian, for each cell.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * CELL_BYTES);
        for (cell, count) in &self.0 {
            let bounded = (*count).clamp(i64::from(i32::MIN), i64::from(i32::MAX));
            bytes.extend_from_slice(cell);
            bytes.extend_from_slice(&i32::try_from(bounded).unwrap_or_default().to_le_bytes());
        }
        bytes
    }

    /// The counts read back; an incomplete cell at the end is ignored.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let cell = |bytes: &[u8]| match *bytes {
            [quarter, kind, bin, a, b, c, d] => {
                Some(([quarter, kind, bin], i64::from(i32::from_le_bytes([a, b, c, d]))))
            }
            _ => None,
        };
        Self(bytes.chunks_exact(CELL_BYTES).filter_map(cell).collect())
    }
}

fn severity_bin(severity: Severity) -> u8 {
    let place = Severity::ALL.iter().position(|of| *of == severity);
    place
        .and_then(|place| u8::try_from(place).ok())
        .unwrap_or(u8::MAX)
}

/// Bins to a doubling: each is wider than the one before it by an eleventh.
const BINS_PER_DOUBLING: f64 = 8.0;
/// As many as a byte can name: from a second to more than a century.
const BINS: usize = 256;

/// How often durations fell into each bin. A percentile read from it is off by at most a twentieth (below a second, by at
/// most that).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Durations {
    /// Empty until something is counted.
    counts: Vec<u64>,
}

impl Durations {
    /// Counts durations of a bin.
    pub fn add(&mut self, bin: u8, count: i64) {
        self.counts.resize(BINS, 0);
        let counted = &mut self.counts[usize::from(bin)];
        *counted = counted.saturating_add_signed(count);
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The duration below or at which so many percent lie: the middle of its bin.
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let total = self.total();
        let rank = (total * percent).div_ceil(100).max(1);
        let mut passed = 0;
        let bin = self.counts.iter().position(|count| {
            passed += count;
            passed >= rank
        })?;
        Some(middle_of(bin))
    }
}

/// The bin of a duration.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the bins"
)]
pub fn bin_of(took: Duration) -> u8 {
    let doublings = took.as_secs_f64().max(1.0).log2();
    (doublings * BINS_PER_DOUBLING).ceil().clamp(0.0, 255.0) as u8
}

/// As far, as a factor, from the bin's first duration as from its last.
#[expect(clippy::cast_precision_loss, reason = "below 256")]
fn middle_of(bin: usize) -> Duration {
    Duration::from_secs_f64(((bin as f64 - 0.5) / BINS_PER_DOUBLING).exp2())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change(at: &str, measure: Measure, count: i64) -> InsightChange {
        InsightChange {
            at: at.parse().unwrap(),
            service_id: ServiceId::from_bytes([1; 16]),
            measure,
            count,
        }
    }

    #[test]
    fn what_is_taken_back_leaves_nothing() {
        let mut counts = DayCounts::default();
        let took = Duration::from_secs(90);
        for (measure, count) in [
            (Measure::Opened(Severity::Error), 1),
            (Measure::Resolved(took), 1),
            (Measure::Resolved(took), -1),
        ] {
            counts.add(&change("2026-01-05T12:59:59Z", measure, count));
        }
        let left: Vec<_> = counts.iter().collect();
        assert_eq!(left, [(51, Counted::Opened(Severity::Error), 1)]);
    }

    #[test]
    fn a_measure_reads_back_from_its_name() {
        let took = Duration::from_secs(5);
        for measure in [
            Measure::Opened(Severity::Info),
            Measure::Escalated,
            Measure::Acknowledged(took),
            Measure::Resolved(took),
        ] {
            assert_eq!(Measure::parse(measure.as_str(), measure.took()), Some(measure));
        }
    }

    proptest! {
        #[test]
        fn a_percentile_is_within_a_twentieth_of_what_was_counted(millis in 1000u64..100_000_000_000) {
            let mut durations = Durations::default();
            durations.add(bin_of(Duration::from_millis(millis)), 1);
            let read = durations.percentile(90).unwrap().as_secs_f64() * 1000.0;
            let real = Duration::from_millis(millis).as_secs_f64() * 1000.0;
            prop_assert!((read - real).abs() <= real / 20.0, "{read} for {real}");
        }

        #[test]
        fn a_day_reads_back_from_the_store(
            changes in prop::collection::vec((0i64..86_400_000, 0u64..10_000_000, -3i64..4), 0..50)
        ) {
            let mut counts = DayCounts::default();
            for (millis, took, count) in changes {
                counts.add(&InsightChange {
                    at: Timestamp::from_millis(millis),
                    service_id: ServiceId::from_bytes([1; 16]),
                    measure: Measure::Acknowledged(Duration::from_millis(took)),
                    count,
                });
            }
            prop_assert_eq!(DayCounts::from_bytes(&counts.to_bytes()), counts);
        }
    }
}
