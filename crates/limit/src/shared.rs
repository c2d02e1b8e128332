//! Limits that hold for several nodes together. Each node counts for itself and, about once a second, tells what it let
//! through and hears what all have spent: no request waits for another node. So a subject gets its rate on average, and
//! beyond it at most what each node lets through before it hears of the others: a burst and one interval's worth. What is
//! less than a tenth of a budget is told later, when it has added up.
//!
//! How they tell each other is not said here.

use std::fmt::Display;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bounded_map::BoundedMap;
use crate::pace::{Pace, Spent};
use crate::{Bucket, Limit, Limiter};

/// The most subjects of one limit that are told at a time.
pub(crate) const MAX_BUSY: usize = 1000;

/// What one subject took here since others were told the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The name of the limit.
    pub limit: &'static str,
    pub subject: String,
    pub pace: Pace,
    pub count: u32,
}

/// All limits of a node that hold for its fleet.
#[derive(Clone, Default)]
pub struct SharedLimits(Arc<Mutex<Vec<Arc<dyn Share>>>>);

impl SharedLimits {
    /// A limit that is one of them.
    pub fn limiter<K>(&self, name: &'static str, limit: Limit, capacity: usize) -> Arc<Limiter<K>>
    where
        K: Eq + Hash + Clone + Display + Send + 'static,
    {
        let limiter = Arc::new(Limiter::new(limit, capacity));
        let share = Named {
            name,
            limiter: Arc::clone(&limiter),
        };
        self.all().push(Arc::new(share));
        limiter
    }

    /// What the others should know. They must be answered with [`SharedLimits::learn`] before the next question.
    pub fn collect(&self) -> Vec<Taken> {
        self.all().iter().flat_map(|share| share.collect()).collect()
    }

    /// For each of what was collected, in that order, how long its budget takes to be full again in the whole fleet, in
    /// microseconds.
    pub fn learn(&self, waits_us: &[i64], now_ms: i64) {
        let mut waits_us = waits_us.iter().copied();
        for share in self.all().iter() {
            share.learn(&mut waits_us, now_ms);
        }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Arc<dyn Share>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

trait Share: Send + Sync {
    fn collect(&self) -> Vec<Taken>;
    fn learn(&self, waits_us: &mut dyn Iterator<Item = i64>, now_ms: i64);
}

struct Named<K> {
    name: &'static str,
    limiter: Arc<Limiter<K>>,
}

impl<K: Eq + Hash + Clone + Display + Send> Share for Named<K> {
    fn collect(&self) -> Vec<Taken> {
        let mut table = self.limiter.lock();
        table.asked = std::mem::take(&mut table.busy);
        let asked = table.asked.clone();
        let taken = |key: &K| Taken {
            limit: self.name,
            subject: key.to_string(),
            pace: self.limiter.pace,
            count: tell(&mut table.buckets, key),
        };
        asked.iter().map(taken).collect()
    }

    fn learn(&self, waits_us: &mut dyn Iterator<Item = i64>, now_ms: i64) {
        let now_us = now_ms.saturating_mul(1000);
        let mut table = self.limiter.lock();
        let asked = std::mem::take(&mut table.asked);
        for (key, wait_us) in asked.iter().zip(waits_us) {
            if let Some(bucket) = table.buckets.get(key) {
                let full_at_us = now_us.saturating_add(wait_us);
                bucket.spent = Spent::from_full_at_us(bucket.spent.full_at_us().max(full_at_us));
            }
        }
    }
}

/// Counts nothing of a bucket that has made room for another meanwhile.
fn tell<K: Eq + Hash + Clone>(buckets: &mut BoundedMap<K, Bucket>, key: &K) -> u32 {
    let Some(bucket) = buckets.get(key) else {
        return 0;
    };
    bucket.is_busy = false;
    std::mem::take(&mut bucket.untold)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit {
        per_second: 100.0,
        burst: 100.0,
    };

    #[test]
    fn what_others_have_spent_counts_here() {
        let (limits, now_ms) = (SharedLimits::default(), 5000);
        let limiter = limits.limiter("requests", LIMIT, 10);
        let other = limits.limiter("others", LIMIT, 10);
        (0..20).for_each(|_| limiter.take("key", now_ms).unwrap());
        (0..10).for_each(|_| other.take("key", now_ms).unwrap());
        let told = limits.collect();
        let counts: Vec<_> = told.iter().map(|taken| (taken.limit, taken.count)).collect();
        assert_eq!(counts, [("requests", 20), ("others", 10)]);
        assert!(limits.collect().is_empty());
        (0..20).for_each(|_| limiter.take("key", now_ms).unwrap());
        assert_eq!(limits.collect().len(), 1);
        limits.learn(&[900_000], now_ms);
        let let_through = (0..100).filter(|_| limiter.take("key", now_ms).is_ok()).count();
        assert_eq!(let_through, 10);
        assert_eq!((0..100).filter(|_| other.take("key", now_ms).is_ok()).count(), 90);
    }

    #[test]
    fn little_is_told_when_it_has_added_up() {
        let limits = SharedLimits::default();
        let limiter = limits.limiter("requests", LIMIT, 10);
        let take = |count: usize| (0..count).for_each(|_| limiter.take("key", 0).unwrap());
        take(9);
        assert!(limits.collect().is_empty());
        take(1);
        assert_eq!(limits.collect()[0].count, 10);
    }

    #[test]
    fn what_is_told_at_a_time_is_bounded_and_the_rest_follows() {
        let limits = SharedLimits::default();
        let slow = Limit {
            per_second: 0.5,
            burst: 30.0,
        };
        let limiter = limits.limiter("failures", slow, 2 * MAX_BUSY);
        let fail = || (0..MAX_BUSY + 5).for_each(|address| limiter.take(address, 0).unwrap());
        fail();
        assert_eq!(limits.collect().len(), MAX_BUSY);
        fail();
        let told = limits.collect();
        assert!(told.iter().all(|taken| taken.count == 1 || taken.count == 2));
        assert_eq!(told.len(), MAX_BUSY);
    }
}
