//! Token buckets: how many requests a key or an address may send. When a table is full, the bucket that was used longest
//! ago is forgotten: refusing instead would let strangers shut everybody out.

pub mod bounded_map;
pub mod pace;

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
    buckets: Mutex<BoundedMap<K, Spent>>,
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
            buckets: Mutex::new(BoundedMap::new(capacity)),
        }
    }

    /// Takes one token.
    pub fn take(&self, key: K, now_ms: i64) -> Result<(), Refused> {
        let now_us = now_ms.saturating_mul(1000);
        let mut buckets = self.lock();
        if let Some(spent) = buckets.get(&key) {
            return match self.pace.blocked_until_us(*spent, now_us) {
                Some(until_us) => Err(Refused::for_micros(until_us - now_us)),
                None => {
                    *spent = self.pace.spend(*spent, now_us);
                    Ok(())
                }
            };
        }
        buckets.insert(key, self.pace.spend(Spent::default(), now_us));
        Ok(())
    }

    /// Gives a token back that was taken for nothing.
    pub fn give_back(&self, key: &K) {
        if let Some(spent) = self.lock().get(key) {
            *spent = self.pace.give_back(*spent);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BoundedMap<K, Spent>> {
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
