//! What happened over time, counted in periods: attempts by what they came to, and how long they took.

use std::time::Duration;

use crate::delivery::NextStep;
use crate::id::WebhookId;
use crate::time::Timestamp;

/// How long one period is.
pub const ACTIVITY_PERIOD: Duration = Duration::from_secs(30 * 60);
/// How long periods are kept.
pub const ACTIVITY_LIFETIME: Duration = Duration::from_secs(31 * 24 * 3600);

/// The start of the period that a time lies in.
pub fn period_of(at: Timestamp) -> Timestamp {
    let length = i64::try_from(ACTIVITY_PERIOD.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(at.as_millis() - at.as_millis().rem_euclid(length))
}

/// The buckets of a histogram: each twice as wide as the one two before it, from a tenth of a millisecond up to days.
pub const BUCKETS: usize = 64;
/// Where the first bucket ends, in microseconds.
const FIRST_BOUND_US: f64 = 100.0;

/// How often durations fell into each bucket. A percentile read from it is off by at most a fifth (below a tenth of a
/// millisecond, by at most that).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: [u32; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS] }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn add(&mut self, duration_us: u64) {
        let count = &mut self.counts[bucket_of(duration_us)];
        *count = count.saturating_add(1);
    }

    /// Counts everything that another histogram counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
    }

    /// The duration below or at which so many percent of those counted lie, in microseconds: the middle of its bucket.
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        self.bucket_of_percentile(percent).map(middle_of)
    }

    /// The durations between which a percentile lies, in microseconds: the ends of its bucket. More is not known.
    pub fn percentile_between(&self, percent: u64) -> Option<(u64, u64)> {
        let index = self.bucket_of_percentile(percent)?;
        let from = index.checked_sub(1).map_or(0, end_of);
        Some((from, end_of(index)))
    }

    fn bucket_of_percentile(&self, percent: u64) -> Option<usize> {
        let total: u64 = self.counts.iter().map(|count| u64::from(*count)).sum();
        let rank = (total * percent).div_ceil(100).max(1);
        let mut passed = 0;
        let index = self.counts.iter().position(|count| {
            passed += u64::from(*count);
            passed >= rank
        });
        index.filter(|_| total > 0)
    }

    /// The counts as the store keeps them: little-endian, trailing zeros left out.
    pub fn to_bytes(&self) -> Vec<u8> {
        let used = BUCKETS - self.counts.iter().rev().take_while(|count| **count == 0).count();
        let counts = self.counts.iter().take(used);
        counts.flat_map(|count| count.to_le_bytes()).collect()
    }

    /// The counts read back; bytes beyond the buckets are ignored.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut histogram = Self::default();
        for (count, bytes) in histogram.counts.iter_mut().zip(bytes.chunks_exact(4)) {
            *count = bytes
                .iter()
                .rev()
                .fold(0, |number, byte| number << 8 | u32::from(*byte));
        }
        histogram
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped to the buckets; precision beyond them does not matter"
)]
fn bucket_of(duration_us: u64) -> usize {
    let doublings = (duration_us.max(1) as f64 / FIRST_BOUND_US).log2();
    (doublings * 2.0).ceil().clamp(0.0, (BUCKETS - 1) as f64) as usize
}

/// The geometric middle of a bucket: as far, as a factor, from its first duration as from its last.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "between 84 and 2^31.25 times 100"
)]
fn middle_of(index: usize) -> u64 {
    (FIRST_BOUND_US * 2f64.powf((index as f64 - 0.5) / 2.0)).round() as u64
}

/// The last duration of a bucket.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "between 100 and 2^31.5 times 100"
)]
fn end_of(index: usize) -> u64 {
    (FIRST_BOUND_US * 2f64.powf(index as f64 / 2.0)).round() as u64
}

/// What one webhook's attempts came to in one period. Tests do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    pub webhook_id: WebhookId,
    /// When the period begins.
    pub period_at: Timestamp,
    /// Attempts that delivered.
    pub delivered: u64,
    /// Attempts that failed and are followed by another.
    pub retried: u64,
    /// Attempts that failed and were the last.
    pub dead: u64,
    /// How long attempts took.
    pub attempt_times: Histogram,
    /// From the making of a delivery until it was delivered.
    pub delivery_times: Histogram,
}

impl Activity {
    /// A period in which nothing happened yet.
    pub fn none(webhook_id: WebhookId, period_at: Timestamp) -> Self {
        Self {
            webhook_id,
            period_at,
            delivered: 0,
            retried: 0,
            dead: 0,
            attempt_times: Histogram::default(),
            delivery_times: Histogram::default(),
        }
    }

    /// Counts one attempt: what followed, how long it took, and how old the delivery was at its end.
    pub fn count(&mut self, next_step: NextStep, attempt_us: u64, delivery_us: u64) {
        self.attempt_times.add(attempt_us);
        match next_step {
            NextStep::Delivered => {
                self.delivered += 1;
                self.delivery_times.add(delivery_us);
            }
            NextStep::Retry { .. } | NextStep::Hold { .. } => self.retried += 1,
            NextStep::Dead => self.dead += 1,
        }
    }

    /// Adds what was counted elsewhere of the same webhook and period.
    pub fn merge(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.retried += other.retried;
        self.dead += other.dead;
        self.attempt_times.merge(&other.attempt_times);
        self.delivery_times.merge(&other.delivery_times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_period_begins_on_the_half_hour() {
        let at: Timestamp = "2026-01-05T12:59:59.999Z".parse().unwrap();
        assert_eq!(period_of(at).to_rfc3339_seconds(), "2026-01-05T12:30:00Z");
        assert_eq!(period_of(period_of(at)), period_of(at));
    }

    #[test]
    fn nothing_counted_has_no_percentile() {
        assert_eq!(Histogram::default().percentile(50), None);
    }

    #[test]
    fn the_first_duration_of_a_bucket_is_read_as_closely_as_any() {
        let mut histogram = Histogram::default();
        histogram.add(18_102);
        assert_eq!(histogram.percentile(50), Some(21_527));
    }

    proptest! {
        #[test]
        fn a_percentile_lies_between_the_ends_that_are_told(micros in 0u64..100_000_000_000) {
            let mut histogram = Histogram::default();
            histogram.add(micros);
            let (from, to) = histogram.percentile_between(50).unwrap();
            prop_assert!((from.saturating_sub(1)..=to + 1).contains(&micros), "{from} to {to} for {micros}");
        }

        #[test]
        fn a_percentile_is_within_a_fifth_of_what_was_counted(micros in 100u64..10_000_000_000) {
            let mut histogram = Histogram::default();
            histogram.add(micros);
            let read = histogram.percentile(95).unwrap();
            prop_assert!(read.abs_diff(micros) * 5 <= micros.max(500), "{read} for {micros}");
        }

        #[test]
        fn a_histogram_reads_back_from_the_store(micros in prop::collection::vec(0u64..1_000_000_000_000, 0..50)) {
            let mut histogram = Histogram::default();
            micros.iter().for_each(|micros| histogram.add(*micros));
            prop_assert_eq!(Histogram::from_bytes(&histogram.to_bytes()), histogram);
        }
    }
}
