//! The rate of one webhook: a request every so often, with a second's worth of burst.

use std::time::Duration;

use model::time::Timestamp;
use model::webhook::{Rate, RateUnit};

/// How much of a rate may be spent at once.
const BURST: Duration = Duration::from_secs(1);

/// Counts requests against a rate (the generic cell rate algorithm: one time stands for the whole bucket).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pace {
    rate: Option<Rate>,
    /// In microseconds since the epoch: when the bucket is full again.
    full_at_us: i64,
}

impl Pace {
    /// Sets the rate; what was spent stays spent.
    pub fn set_rate(&mut self, rate: Option<Rate>) {
        self.rate = rate;
    }

    /// Forgets what was spent: the clock was set back, and its old times mean nothing now.
    pub fn forget_spent(&mut self) {
        self.full_at_us = 0;
    }

    /// When the next request may start: nothing if it may start now.
    pub fn blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        let rate = self.rate?;
        let allowed_us = self.full_at_us - burst_us(rate) + interval_us(rate);
        let now_us = now.as_millis().saturating_mul(1000);
        (allowed_us > now_us).then(|| Timestamp::from_millis((allowed_us + 999).div_euclid(1000)))
    }

    /// Counts one request.
    pub fn spend(&mut self, now: Timestamp) {
        if let Some(rate) = self.rate {
            let now_us = now.as_millis().saturating_mul(1000);
            self.full_at_us = self.full_at_us.max(now_us) + interval_us(rate);
        }
    }
}

fn interval_us(rate: Rate) -> i64 {
    i64::try_from(rate.interval().as_micros()).unwrap_or(i64::MAX / 4)
}

/// At least one request, at most what the rate gives in [`BURST`].
fn burst_us(rate: Rate) -> i64 {
    let burst = match rate.per {
        RateUnit::Second => BURST,
        RateUnit::Minute => rate.interval(),
    };
    i64::try_from(burst.as_micros())
        .unwrap_or(i64::MAX / 4)
        .max(interval_us(rate))
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
