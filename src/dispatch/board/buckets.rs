//! The rate limits of platforms: buckets that several webhooks may share. Pure, like the board that holds them.

use std::collections::HashMap;

use crate::adapters::task::Bucket;
use crate::dispatch::pace::Pace;
use crate::model::time::Timestamp;

/// The most buckets that are remembered; beyond this, those that hold nothing back are forgotten.
const MAX_BUCKETS: usize = 10_000;

/// How full each bucket is.
#[derive(Debug, Default)]
pub struct Buckets(HashMap<String, Level>);

#[derive(Debug, Default)]
struct Level {
    pace: Pace,
    paused_until: Option<Timestamp>,
}

impl Level {
    fn blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        let paused = self.paused_until.filter(|until| *until > now);
        paused.max(self.pace.blocked_until(now))
    }
}

impl Buckets {
    /// Until when these buckets hold a request back: the latest of them; nothing if it may start now.
    pub fn blocked_until(&self, buckets: &[Bucket], now: Timestamp) -> Option<Timestamp> {
        let levels = buckets.iter().filter_map(|bucket| self.0.get(&bucket.key));
        levels.filter_map(|level| level.blocked_until(now)).max()
    }

    /// Counts one request against these buckets.
    pub fn spend(&mut self, buckets: &[Bucket], now: Timestamp) {
        for bucket in buckets.iter().filter(|bucket| bucket.rate.is_some()) {
            let level = self.level(&bucket.key, now);
            level.pace.set_rate(bucket.rate);
            level.pace.spend(now);
        }
    }

    /// Leaves a bucket alone until a time; a longer pause that it has already stays.
    pub fn pause(&mut self, bucket: &str, until: Timestamp, now: Timestamp) {
        let level = self.level(bucket, now);
        level.paused_until = level.paused_until.max(Some(until));
    }

    /// The clock was set back: old times mean nothing now.
    pub fn forget_spent(&mut self) {
        self.0.clear();
    }

    fn level(&mut self, key: &str, now: Timestamp) -> &mut Level {
        if self.0.len() >= MAX_BUCKETS && !self.0.contains_key(key) {
            self.0.retain(|_, level| level.blocked_until(now).is_some());
        }
        self.0.entry(key.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::webhook::Rate;

    fn bucket(key: &str, rate: &str) -> Bucket {
        Bucket {
            key: key.into(),
            rate: Rate::parse(rate),
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn whoever_shares_a_bucket_waits_for_it_and_nobody_else() {
        let mut buckets = Buckets::default();
        let (shared, other) = ([bucket("a", "1/s")], [bucket("b", "1/s")]);
        buckets.spend(&shared, at(0));
        assert_eq!(buckets.blocked_until(&shared, at(1)), Some(at(1000)));
        assert_eq!(buckets.blocked_until(&other, at(1)), None);
        assert_eq!(buckets.blocked_until(&shared, at(1000)), None);
    }

    #[test]
    fn the_longest_wait_of_several_buckets_counts() {
        let mut buckets = Buckets::default();
        let both = [bucket("a", "1/s"), bucket("host", "")];
        buckets.spend(&both, at(0));
        buckets.pause("host", at(5000), at(1));
        buckets.pause("host", at(3000), at(1));
        assert_eq!(buckets.blocked_until(&both, at(1)), Some(at(5000)));
        assert_eq!(buckets.blocked_until(&both, at(5000)), None);
    }
}
