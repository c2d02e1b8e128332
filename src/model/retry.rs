//! When a failed delivery is tried again.

use std::time::Duration;

use crate::model::time::Timestamp;

/// The most retries a webhook may ask for.
pub const MAX_RETRIES: usize = 20;
/// The longest wait between two attempts that a webhook may ask for.
pub const MAX_RETRY_DELAY: Duration = Duration::from_secs(7 * 24 * 3600);
/// The longest wait that a receiver's `Retry-After` may ask for (CONTRACT.md § 2).
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// The share of a delay that may be added to it, so that a thousand retries do not arrive in one second.
pub const MAX_ADDED_SHARE: f64 = 0.10;

/// The waits before each retry. Its length is the number of retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule(Vec<Duration>);

/// Why a schedule was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRetrySchedule {
    /// More than [`MAX_RETRIES`].
    #[error("at most {MAX_RETRIES} retries")]
    TooMany,
    /// A wait over [`MAX_RETRY_DELAY`].
    #[error("no wait may be longer than 7d")]
    TooLong,
}

impl RetrySchedule {
    /// A schedule of these waits.
    pub fn new(delays: Vec<Duration>) -> Result<Self, InvalidRetrySchedule> {
        if delays.len() > MAX_RETRIES {
            return Err(InvalidRetrySchedule::TooMany);
        }
        if delays.iter().any(|delay| *delay > MAX_RETRY_DELAY) {
            return Err(InvalidRetrySchedule::TooLong);
        }
        Ok(Self(delays))
    }

    /// No retries at all.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// The waits.
    pub fn delays(&self) -> &[Duration] {
        &self.0
    }

    /// When the next attempt is, after so many attempts of this schedule have failed; nothing after the last retry.
    /// `share` in 0..1 chooses how much of the permitted 10 % is added.
    pub fn next_attempt_at(
        &self,
        attempts_made: u32,
        retry_after: Option<Duration>,
        now: Timestamp,
        share: f64,
    ) -> Option<Timestamp> {
        let index = usize::try_from(attempts_made).ok()?.checked_sub(1)?;
        let delay = *self.0.get(index)?;
        let spread = 1.0 + MAX_ADDED_SHARE * share.clamp(0.0, 1.0);
        let asked_for = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        let wait = delay
            .mul_f64(spread)
            .max(asked_for.mul_f64(spread).min(MAX_RETRY_AFTER));
        Some(now.plus(wait))
    }
}

/// 1 min, 5 min, 15 min: the user's document.
impl Default for RetrySchedule {
    fn default() -> Self {
        Self([60, 300, 900].map(Duration::from_secs).to_vec())
    }
}

/// Reads `Retry-After` in both its forms, whole seconds or an HTTP date. What cannot be read counts as absent.
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs));
    }
    let at = jiff::fmt::rfc2822::parse(value)
        .ok()?
        .timestamp()
        .as_millisecond();
    Some(Timestamp::from_millis(at).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::EPOCH;

    #[test]
    fn the_default_waits_are_one_five_and_fifteen_minutes_and_then_nothing() {
        let schedule = RetrySchedule::default();
        let seconds = |made| {
            schedule
                .next_attempt_at(made, None, NOW, 0.0)
                .map(Timestamp::as_seconds)
        };
        assert_eq!([1, 2, 3, 4].map(seconds), [Some(60), Some(300), Some(900), None]);
    }

    #[test]
    fn retry_after_lengthens_a_wait_up_to_an_hour_and_never_shortens_it() {
        let schedule = RetrySchedule::default();
        let seconds = |asked| {
            schedule
                .next_attempt_at(2, Some(Duration::from_secs(asked)), NOW, 0.0)
                .map(Timestamp::as_seconds)
        };
        assert_eq!(
            [10, 400, 999_999].map(seconds),
            [Some(300), Some(400), Some(3600)]
        );
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = Timestamp::from_millis(1_705_314_600_000);
        assert_eq!(parse_retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(
            parse_retry_after("Mon, 15 Jan 2024 10:32:00 GMT", now),
            Some(Duration::from_secs(120))
        );
        assert_eq!(
            parse_retry_after("Mon, 15 Jan 2024 10:00:00 GMT", now),
            Some(Duration::ZERO)
        );
        assert_eq!(parse_retry_after("soon", now), None);
        assert_eq!(
            parse_retry_after("99999999999999999999999", now),
            Some(MAX_RETRY_AFTER)
        );
    }

    proptest! {
        #[test]
        fn the_wait_grows_by_at_most_a_tenth_and_never_shrinks(seconds in 0u64..600_000, share in 0.0f64..1.0) {
            let delay = Duration::from_secs(seconds);
            let schedule = RetrySchedule::new(vec![delay]).unwrap();
            let at = schedule.next_attempt_at(1, None, NOW, share).unwrap();
            prop_assert!(at >= NOW.plus(delay));
            prop_assert!(at <= NOW.plus(delay.mul_f64(1.1)));
        }

        #[test]
        fn no_retry_after_makes_the_parser_panic(text in ".*") {
            let _ = parse_retry_after(&text, NOW);
        }
    }
}
