//! The generic cell rate algorithm: one time stands for the whole bucket. Pure; time comes in as microseconds since whatever
//! the caller counts from.

/// How fast: one every so often, and how much a rest allows at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    interval_us: i64,
    burst_us: i64,
}

/// What was spent of a bucket: when it is full again, in microseconds. The default is a full one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    full_at_us: i64,
}

impl Spent {
    /// As a row keeps it.
    pub fn from_full_at_us(full_at_us: i64) -> Self {
        Self { full_at_us }
    }

    /// When it is full again.
    pub fn full_at_us(self) -> i64 {
        self.full_at_us
    }
}

/// The slowest pace, so that sums of times stay within their type.
const MAX_US: i64 = i64::MAX / 4;

impl Pace {
    /// One every `interval_us`; after a rest what comes in `burst_us`, but at least one.
    pub fn new(interval_us: i64, burst_us: i64) -> Self {
        let interval_us = interval_us.clamp(0, MAX_US);
        Self {
            interval_us,
            burst_us: burst_us.clamp(interval_us, MAX_US),
        }
    }

    /// When the next one may start; nothing if it may now.
    pub fn blocked_until_us(self, spent: Spent, now_us: i64) -> Option<i64> {
        let allowed_us = spent.full_at_us - self.burst_us + self.interval_us;
        (allowed_us > now_us).then_some(allowed_us)
    }

    /// What is spent after one more.
    pub fn spend(self, spent: Spent, now_us: i64) -> Spent {
        let full_at_us = spent.full_at_us.max(now_us).saturating_add(self.interval_us);
        Spent {
            full_at_us: full_at_us.min(MAX_US),
        }
    }

    /// What is spent after so many that were taken since a time, whether they were allowed or not.
    pub fn add(self, spent: Spent, count: u32, since_us: i64) -> Spent {
        let taken_us = self.interval_us.saturating_mul(i64::from(count));
        let full_at_us = spent.full_at_us.max(since_us).saturating_add(taken_us);
        Spent {
            full_at_us: full_at_us.min(MAX_US),
        }
    }

    /// What is spent, but never more than so many bursts: a row that another clock wrote cannot stop anybody for ever.
    pub fn within(self, spent: Spent, bursts: u32, now_us: i64) -> Spent {
        let latest_us = now_us.saturating_add(self.burst_us.saturating_mul(i64::from(bursts)));
        Spent {
            full_at_us: spent.full_at_us.min(latest_us),
        }
    }

    /// How many of it are worth telling others: a tenth of what comes in a second, or of a burst if that is less.
    pub(crate) fn tenth(self) -> u32 {
        const SECOND_US: i64 = 1_000_000;
        let tenth_us = self.burst_us.min(SECOND_US) / 10;
        u32::try_from(tenth_us / self.interval_us.max(1))
            .unwrap_or(u32::MAX)
            .max(1)
    }

    /// What is spent after one was given back.
    pub fn give_back(self, spent: Spent) -> Spent {
        Spent {
            full_at_us: spent.full_at_us.saturating_sub(self.interval_us),
        }
    }
}
