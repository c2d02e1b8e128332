//! Token buckets: how many requests a key or an address may send. When a table is full, the bucket that was used longest
//! ago is forgotten: refusing instead would let strangers shut everybody out.

pub mod bounded_map;
pub mod pace;
pub mod shared;
pub mod shares;

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bounded_map::BoundedMap;
use crate::pace::{Pace, Spent};

/// How many requests are let through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// On average, per second.
    pub per_second: f64,
    /// At once, after a rest.
    pub burst: f64,
}

impl From<Limit> for Pace {
    fn from(limit: Limit) -> Self {
        let interval_us = (1e6 / limit.per_second).ceil();
        // By the whole interval, or a burst would be one short whenever the interval was rounded up.
        let burst_us = limit.burst * interval_us;
        // Saturates: a float beyond the integer becomes its greatest value.
        #[expect(clippy::cast_possible_truncation)]
        Self::new(interval_us as i64, burst_us as i64)
    }
}

/// A bucket for each key or address.
pub struct Limiter<K> {
    pace: Pace,
    table: Mutex<Table<K>>,
}

struct Table<K> {
    buckets: BoundedMap<K, Bucket>,
    /// Who took so much that other nodes should know.
    busy: Vec<K>,
    /// Of whom other nodes are asked now.
    asked: Vec<K>,
}

/// What somebody has spent, and how much of it no other node knows.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    spent: Spent,
    untold: u32,
    is_busy: bool,
}

/// The caller must wait for so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// How long.
    pub wait_seconds: u32,
}

impl Refused {
    fn for_micros(micros: i64) -> Self {
        let seconds = micros.saturating_add(999_999) / 1_000_000;
        Self {
            wait_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
        }
    }
}

impl<K: Eq + Hash + Clone> Limiter<K> {
    /// Buckets of this limit, for at most `capacity` keys at a time.
    pub fn new(limit: Limit, capacity: usize) -> Self {
        Self {
            pace: limit.into(),
            table: Mutex::new(Table {
                buckets: BoundedMap::new(capacity),
                busy: Vec::new(),
                asked: Vec::new(),
            }),
        }
    }

    /// Takes one token.
    pub fn take(&self, key: K, now_ms: i64) -> Result<(), Refused> {
        let now_us = now_ms.saturating_mul(1000);
        let mut table = self.lock();
        let table = &mut *table;
        if table.buckets.peek(&key).is_none() {
            table.buckets.insert(key.clone(), Bucket::default());
        }
        let Some(bucket) = table.buckets.get(&key) else {
            return Ok(());
        };
        if let Some(until_us) = self.pace.blocked_until_us(bucket.spent, now_us) {
            return Err(Refused::for_micros(until_us - now_us));
        }
        bucket.spent = self.pace.spend(bucket.spent, now_us);
        bucket.untold = bucket.untold.saturating_add(1);
        if !bucket.is_busy && bucket.untold >= self.pace.tenth() && table.busy.len() < shared::MAX_BUSY {
            bucket.is_busy = true;
            table.busy.push(key);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Table<K>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit {
        per_second: 1.0,
        burst: 2.0,
    };

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let limiter = Limiter::new(LIMIT, 10);
        let results = [0, 0, 0, 1000, 1000].map(|now_ms| limiter.take("a", now_ms).is_ok());
        assert_eq!(results, [true, true, false, true, false]);
        assert_eq!(limiter.take("b", 1000), Ok(()));
    }

    #[test]
    fn a_burst_is_whole_at_every_rate() {
        for (per_minute, burst) in [(7.0, 7.0), (10.0, 200.0), (1800.0, 60.0), (2580.0, 43.0)] {
            let per_second = per_minute / 60.0;
            let limiter = Limiter::new(Limit { per_second, burst }, 1);
            let passed = (0..300).filter(|_| limiter.take("a", 0).is_ok()).count();
            assert_eq!(passed.to_string(), burst.to_string(), "{per_minute} per minute");
        }
    }

    #[test]
    fn a_full_table_forgets_what_was_used_longest_ago_and_refuses_nobody_for_it() {
        let limiter = Limiter::new(LIMIT, 2);
        let takes = ["a", "a", "b", "b", "c"].map(|key| limiter.take(key, 0).is_ok());
        assert_eq!(takes, [true; 5]);
        assert_eq!(limiter.take("b", 0), Err(Refused { wait_seconds: 1 }));
        assert_eq!(limiter.take("a", 0), Ok(()));
    }

    #[test]
    fn time_going_back_gives_nothing() {
        let limiter = Limiter::new(LIMIT, 1);
        let takes = [1000, 1000, 0].map(|now_ms| limiter.take("a", now_ms).is_ok());
        assert_eq!(takes, [true, true, false]);
    }
}
