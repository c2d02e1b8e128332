//! When a failed delivery is tried again.

use std::time::Duration;

use crate::time::Timestamp;

/// The most retries a webhook may ask for.
pub const MAX_RETRIES: usize = 20;
/// The longest wait between two attempts that a webhook may ask for.
pub const MAX_RETRY_DELAY: Duration = Duration::from_secs(7 * 24 * 3600);
/// The longest wait that a receiver's `Retry-After` may ask for (docs/contract.md, 2).
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// The shortest wait for a rate limit, whatever was told…
pub const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// …and the first one of which no end was told. With each further one it doubles…
pub const FIRST_WAIT: Duration = Duration::from_secs(2);
/// …up to this. A longer one that is told is kept to.
pub const LONGEST_WAIT: Duration = Duration::from_secs(300);
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

/// How long to wait for something whose end was told or not, after so much waiting in a row. What is told is a minimum: it never
/// takes the place of backing off, or a receiver that tells no time is asked for ever. One function for deliveries and buckets.
pub fn wait_again(told: Option<Duration>, waited: Duration) -> Duration {
    let first = told.map_or(FIRST_WAIT, |_| SHORTEST_WAIT);
    // As long as all waits before it: that doubles.
    let backed_off = waited.clamp(first, LONGEST_WAIT);
    told.unwrap_or_default().min(MAX_RETRY_AFTER).max(backed_off)
}

/// Reads a wait as receivers write it: seconds, whole or not, or one of HTTP's three forms of a date (RFC 9110, 5.6.7), of which
/// one in the past says zero. What cannot be read counts as absent; what is far away is cut at [`MAX_RETRY_AFTER`].
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_number {
        return told_seconds(value.parse().ok()?);
    }
    let at = date(value)?;
    Some(at.since(now).min(MAX_RETRY_AFTER))
}

/// A wait in seconds, as numbers of answers are.
pub fn told_seconds(seconds: f64) -> Option<Duration> {
    let is_wait = seconds.is_finite() && seconds >= 0.0;
    is_wait.then(|| Duration::from_secs_f64(seconds.min(MAX_RETRY_AFTER.as_secs_f64())))
}

/// Reads when a limit ends: RFC 3339, seconds of Unix time (milliseconds are told by their size), or a wait in seconds, which no
/// time of our days is as small as.
pub fn parse_reset(value: &str, now: Timestamp) -> Option<Duration> {
    /// More than this is no wait in seconds, but seconds since 1970.
    const FIRST_UNIX_SECONDS: f64 = 1e9;
    /// More than this is milliseconds since 1970.
    const FIRST_UNIX_MILLIS: f64 = 1e11;
    let value = value.trim();
    let at = match value.parse::<f64>() {
        Ok(number) if !number.is_finite() => return None,
        Ok(number) if number < FIRST_UNIX_SECONDS => return told_seconds(number),
        Ok(number) if number < FIRST_UNIX_MILLIS => Timestamp::from_millis((number * 1000.0) as i64),
        Ok(number) => Timestamp::from_millis(number as i64),
        Err(_) => value.parse().ok().or_else(|| date(value))?,
    };
    Some(at.since(now).min(MAX_RETRY_AFTER))
}

/// A date of HTTP, or of a mail, which many write instead.
fn date(value: &str) -> Option<Timestamp> {
    if let Ok(at) = httpdate::parse_http_date(value) {
        let since_epoch = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        return i64::try_from(since_epoch.as_millis())
            .ok()
            .map(Timestamp::from_millis);
    }
    let at = jiff::fmt::rfc2822::parse(value).ok()?;
    Some(Timestamp::from_millis(at.timestamp().as_millisecond()))
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
    fn a_told_wait_is_read_in_every_form_that_is_about() {
        let now = Timestamp::from_millis(784_111_775_000);
        let seconds = |value: &str| parse_retry_after(value, now).map(|wait| wait.as_secs_f64());
        let two_seconds = [
            "2",
            " 2.0 ",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 6 Nov 1994 09:49:37 +0100",
        ];
        assert_eq!(two_seconds.map(seconds), [Some(2.0); 6]);
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0.0));
        let far = ["Fri, 31 Dec 9999 23:59:59 GMT", "99999999999999999999999"];
        assert_eq!(far.map(seconds), [Some(3600.0); 2]);
        assert_eq!(["soon", "", "-1", "."].map(seconds), [None; 4]);
    }

    #[test]
    fn the_end_of_a_limit_is_read_in_every_form_that_is_about() {
        let now = Timestamp::from_millis(1_705_314_600_000);
        let seconds = |value: &str| parse_reset(value, now).map(|wait| wait.as_secs());
        let one_minute = [
            "60",
            "60.5",
            "1705314660",
            "1705314660000",
            "2024-01-15T10:31:00Z",
        ];
        assert_eq!(one_minute.map(seconds), [Some(60); 5]);
        assert_eq!(["1705314000", "2024-01-15T10:00:00Z"].map(seconds), [Some(0); 2]);
        assert_eq!(
            ["4102444800", "NaN", "never"].map(seconds),
            [Some(3600), None, None]
        );
    }

    #[test]
    fn a_told_wait_is_a_minimum_that_doubles_when_it_is_told_again() {
        let row = |told: Option<u64>| {
            let mut waited = Duration::ZERO;
            [(); 12].map(|()| {
                let wait = wait_again(told.map(Duration::from_millis), waited);
                waited += wait;
                wait.as_millis()
            })
        };
        let doubling = [
            1000, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000,
        ];
        assert_eq!(row(Some(0)), doubling);
        assert_eq!(row(Some(5000))[..4], [5000, 5000, 10_000, 20_000]);
        assert_eq!(row(Some(9_000_000)), [3_600_000; 12]);
        assert_eq!(row(None)[..4], [2000, 2000, 4000, 8000]);
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
            let _ = (parse_retry_after(&text, NOW), parse_reset(&text, NOW));
        }
    }
}
