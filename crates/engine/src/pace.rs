//! The rate of one webhook: a request every so often, with a second's worth of burst.

use std::time::Duration;

use destination::joint::AlonePace;
use limit::pace::Spent;
use model::time::Timestamp;
use model::webhook::{Rate, RateUnit};

/// How much of a rate may be spent at once.
const BURST: Duration = Duration::from_secs(1);

/// Counts requests against a rate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pace {
    pace: Option<limit::pace::Pace>,
    spent: Spent,
}

impl Pace {
    /// Sets the rate; what was spent stays spent.
    pub fn set_rate(&mut self, rate: Option<Rate>) {
        self.pace = rate.map(pace_of);
    }

    /// The same for a time between two requests, and so many at once after a rest.
    pub fn set_burst(&mut self, pace: Option<AlonePace>) {
        self.pace = pace.map(|pace| {
            let burst = pace.interval.saturating_mul(pace.burst);
            limit::pace::Pace::new(in_micros(pace.interval), in_micros(burst))
        });
    }

    /// Whether after a request now another one may follow at once; never without a pace.
    pub fn has_another(&self, now: Timestamp) -> bool {
        let mut after = self.clone();
        after.spend(now);
        self.pace.is_some() && after.blocked_until(now).is_none()
    }

    /// Forgets what was spent: the clock was set back, and its old times mean nothing now.
    pub fn forget_spent(&mut self) {
        self.spent = Spent::default();
    }

    /// When the next request may start: nothing if it may start now.
    pub fn blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        let until_us = self.pace?.blocked_until_us(self.spent, micros(now))?;
        Some(Timestamp::from_millis((until_us + 999).div_euclid(1000)))
    }

    /// Counts one request.
    pub fn spend(&mut self, now: Timestamp) {
        if let Some(pace) = self.pace {
            self.spent = pace.spend(self.spent, micros(now));
        }
    }
}

fn micros(at: Timestamp) -> i64 {
    at.as_millis().saturating_mul(1000)
}

fn in_micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// At least one request, at most what the rate gives in [`BURST`].
fn pace_of(rate: Rate) -> limit::pace::Pace {
    let burst = match rate.per {
        RateUnit::Second => BURST,
        RateUnit::Minute => rate.interval(),
    };
    limit::pace::Pace::new(in_micros(rate.interval()), in_micros(burst))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_more_than_the_rate_and_one_burst_pass(count in 1u32..500, steps in prop::collection::vec(0i64..300, 1..400)) {
            let rate = Rate { count, per: RateUnit::Second };
            let mut pace = Pace::default();
            pace.set_rate(Some(rate));
            let mut millis = 1_000_000;
            let mut passed: i64 = 0;
            for step in &steps {
                millis += step;
                let now = Timestamp::from_millis(millis);
                if pace.blocked_until(now).is_none() {
                    pace.spend(now);
                    passed += 1;
                }
            }
            let elapsed = millis - 1_000_000;
            prop_assert!(passed <= i64::from(count) + i64::from(count) * elapsed / 1000 + 1);
        }

        #[test]
        fn waiting_until_the_named_time_always_suffices(count in 1u32..100_000, per_minute: bool, spends in 1usize..50) {
            let per = if per_minute { RateUnit::Minute } else { RateUnit::Second };
            let mut pace = Pace::default();
            pace.set_rate(Some(Rate { count, per }));
            let mut now = Timestamp::from_millis(5_000_000);
            for _ in 0..spends {
                now = pace.blocked_until(now).unwrap_or(now);
                prop_assert_eq!(pace.blocked_until(now), None);
                pace.spend(now);
            }
        }
    }
}
