//! The rate limits of platforms: buckets that several webhooks may share. Pure, like the scheduler that holds them.

use std::collections::HashMap;
use std::time::Duration;

use crate::pace::Pace;
use destination::task::{Bucket, Pause};
use model::attempt::Attempt;
use model::retry::{LONGEST_WAIT, MAX_RETRY_AFTER, wait_again};
use model::time::Timestamp;

/// The most buckets that are remembered; beyond this, those that hold nothing back are forgotten.
const MAX_BUCKETS: usize = 10_000;

/// A pause that an answer asks for.
#[derive(Debug, Clone, Copy)]
pub struct Pausing<'a> {
    /// Which bucket.
    pub bucket: &'a str,
    /// For how long.
    pub wait: Duration,
    /// Why.
    pub reason: Reason,
}

impl<'a> Pausing<'a> {
    /// The pause that an attempt's answer asks for.
    pub fn asked_by(pause: &'a Pause, attempt: &Attempt) -> Self {
        let reason = match attempt.outcome.failure() {
            Some(_) => Reason::Refused {
                asked_at: attempt.started_at,
            },
            None => Reason::Foretold,
        };
        Self {
            bucket: &pause.bucket,
            wait: pause.wait,
            reason,
        }
    }
}

/// Why a bucket is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A request was taken, and its answer says that the next one would be too many.
    Foretold,
    /// A request was refused.
    Refused {
        /// When that request began.
        asked_at: Timestamp,
    },
}

/// How full each bucket is.
#[derive(Debug, Default)]
pub struct Buckets(HashMap<String, Level>);

#[derive(Debug, Default)]
struct Level {
    pace: Pace,
    paused_until: Option<Timestamp>,
    /// How long it was paused in a row, without a request that was taken in between.
    paused_for: Duration,
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

    /// Leaves a bucket alone for a while; a longer pause that it has already stays.
    pub fn pause(&mut self, pause: &Pausing<'_>, now: Timestamp) {
        let level = self.level(pause.bucket, now);
        let wait = match pause.reason {
            Reason::Foretold => pause.wait.min(MAX_RETRY_AFTER),
            Reason::Refused { asked_at } => {
                // What was asked before the last pause began is no new refusal, but part of the old one.
                if level.paused_until.is_some_and(|until| asked_at < until) {
                    wait_again(Some(pause.wait), Duration::ZERO)
                } else {
                    // What was long ago has nothing to do with this.
                    if level
                        .paused_until
                        .is_none_or(|until| now.since(until) > LONGEST_WAIT)
                    {
                        level.paused_for = Duration::ZERO;
                    }
                    let wait = wait_again(Some(pause.wait), level.paused_for);
                    level.paused_for += wait;
                    wait
                }
            }
        };
        level.paused_until = level.paused_until.max(Some(now.plus(wait)));
    }

    /// A request that counts against these buckets was taken: the next refusal is the first one again.
    pub fn taken(&mut self, buckets: &[Bucket]) {
        for bucket in buckets {
            if let Some(level) = self.0.get_mut(&bucket.key) {
                level.paused_for = Duration::ZERO;
            }
        }
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
    use model::webhook::Rate;

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
        buckets.pause(&foretold("host", 5000), at(0));
        buckets.pause(&foretold("host", 3000), at(1));
        assert_eq!(buckets.blocked_until(&both, at(1)), Some(at(5000)));
        assert_eq!(buckets.blocked_until(&both, at(5000)), None);
    }

    fn foretold(bucket: &str, millis: u64) -> Pausing<'_> {
        Pausing {
            bucket,
            wait: Duration::from_millis(millis),
            reason: Reason::Foretold,
        }
    }

    fn refused(asked_at: Timestamp) -> Pausing<'static> {
        Pausing {
            reason: Reason::Refused { asked_at },
            ..foretold("a", 0)
        }
    }

    #[test]
    fn a_bucket_that_refuses_again_and_again_pauses_ever_longer_until_it_takes_something() {
        let mut buckets = Buckets::default();
        let mut now = at(0);
        let mut waits = Vec::new();
        for _ in 0..5 {
            buckets.pause(&refused(now), now);
            let until = buckets.blocked_until(&[bucket("a", "")], now).unwrap();
            waits.push(until.since(now).as_secs());
            now = until;
        }
        assert_eq!(waits, [1, 1, 2, 4, 8]);
        buckets.taken(&[bucket("a", "")]);
        buckets.pause(&refused(now), now);
        assert_eq!(
            buckets.blocked_until(&[bucket("a", "")], now),
            Some(now.plus(Duration::from_secs(1)))
        );
    }

    #[test]
    fn refusals_of_what_was_under_way_at_the_same_time_are_one() {
        let mut buckets = Buckets::default();
        for _ in 0..8 {
            buckets.pause(&refused(at(0)), at(10));
        }
        assert_eq!(buckets.blocked_until(&[bucket("a", "")], at(10)), Some(at(1010)));
    }
}
