//! Token buckets: how many requests a key or an address may send. When a table is full, the bucket that was used longest
//! ago is forgotten: refusing instead would let strangers shut everybody out.

pub mod bounded_map;

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bounded_map::BoundedMap;

/// How many requests are let through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// On average, per second.
    pub per_second: f64,
    /// At once, after a rest.
    pub burst: f64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at_ms: i64,
}

impl Bucket {
    fn full(limit: Limit, now_ms: i64) -> Self {
        Self {
            tokens: limit.burst,
            at_ms: now_ms,
        }
    }

    fn refill(&mut self, limit: Limit, now_ms: i64) {
        let passed_ms = u32::try_from(now_ms.saturating_sub(self.at_ms).max(0)).unwrap_or(u32::MAX);
        self.tokens = (self.tokens + f64::from(passed_ms) / 1000.0 * limit.per_second).min(limit.burst);
        self.at_ms = now_ms.max(self.at_ms);
    }

    fn take(&mut self, limit: Limit) -> Result<(), Refused> {
        if self.tokens < 1.0 {
            return Err(Refused {
                wait_seconds: self.wait_seconds(limit),
            });
        }
        self.tokens -= 1.0;
        Ok(())
    }

    /// Whole seconds until there is a token.
    fn wait_seconds(&self, limit: Limit) -> u32 {
        let seconds = ((1.0 - self.tokens) / limit.per_second).ceil();
        // Saturates: a float beyond u32 becomes its greatest value, and one below zero becomes zero.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let seconds = seconds as u32;
        seconds.max(1)
    }
}

/// A bucket for each key or address.
pub struct Limiter<K> {
    limit: Limit,
    buckets: Mutex<BoundedMap<K, Bucket>>,
}

/// The caller must wait for so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// How long.
    pub wait_seconds: u32,
}

impl<K: Eq + Hash + Clone> Limiter<K> {
    /// Buckets of this limit, for at most `capacity` keys at a time.
    pub fn new(limit: Limit, capacity: usize) -> Self {
        Self {
            limit,
            buckets: Mutex::new(BoundedMap::new(capacity)),
        }
    }

    /// Takes one token.
    pub fn take(&self, key: K, now_ms: i64) -> Result<(), Refused> {
        let mut buckets = self.lock();
        if let Some(bucket) = buckets.get(&key) {
            bucket.refill(self.limit, now_ms);
            return bucket.take(self.limit);
        }
        let mut bucket = Bucket::full(self.limit, now_ms);
        let taken = bucket.take(self.limit);
        buckets.insert(key, bucket);
        taken
    }

    /// Gives a token back that was taken for nothing.
    pub fn give_back(&self, key: &K) {
        if let Some(bucket) = self.lock().get(key) {
            bucket.tokens = (bucket.tokens + 1.0).min(self.limit.burst);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BoundedMap<K, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_full_table_forgets_what_was_used_longest_ago_and_refuses_nobody_for_it() {
        let limiter = Limiter::new(LIMIT, 2);
        let takes = ["a", "a", "b", "b", "c"].map(|key| limiter.take(key, 0).is_ok());
        assert_eq!(takes, [true; 5]);
        assert_eq!(limiter.take("b", 0), Err(Refused { wait_seconds: 1 }));
        assert_eq!(limiter.take("a", 0), Ok(()));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let limiter = Limiter::new(LIMIT, 10);
        let takes = [(); 3].map(|()| {
            let taken = limiter.take("a", 0).is_ok();
            limiter.give_back(&"a");
            taken
        });
        assert_eq!(takes, [true; 3]);
    }

    #[test]
    fn time_going_back_gives_nothing() {
        let limiter = Limiter::new(LIMIT, 1);
        let takes = [1000, 1000, 0].map(|now_ms| limiter.take("a", now_ms).is_ok());
        assert_eq!(takes, [true, true, false]);
    }
}
