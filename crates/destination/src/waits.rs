//! How long an answer asks to wait, whatever its platform calls that: one reading for every kind.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;

use model::retry::{parse_reset, parse_retry_after};
use model::time::Timestamp;

/// Headers with the time at which a limit ends, or the seconds until then.
const RESETS: [&str; 3] = ["x-ratelimit-reset-after", "x-ratelimit-reset", "ratelimit-reset"];
/// Headers with the length of a limit's interval, in seconds (Jira Data Center, Opsgenie).
const INTERVALS: [&str; 2] = ["x-ratelimit-interval-seconds", "x-ratelimit-period-in-sec"];

/// How long `Retry-After` asks to wait.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    parse_retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
}

/// How long the answer to one request too many asks to wait: by `Retry-After`, else by when the limit ends. An end that has passed says nothing, for the
/// clocks differ.
pub fn told(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let resets = || {
        let mut waits = RESETS.iter().filter_map(|name| parse_reset(text(name)?, now));
        waits.find(|wait| !wait.is_zero())
    };
    let interval = || {
        let mut waits = INTERVALS.iter();
        waits.find_map(|name| parse_retry_after(text(name)?, now))
    };
    retry_after(headers, now).or_else(resets).or_else(interval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn seconds(headers: &[(&'static str, &str)]) -> Option<u64> {
        let pair =
            |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().unwrap());
        let headers = headers.iter().map(pair).collect();
        told(&headers, NOW).map(|wait| wait.as_secs())
    }

    #[test]
    fn whatever_tells_a_wait_is_read() {
        assert_eq!(
            seconds(&[("retry-after", "7"), ("x-ratelimit-reset", "90")]),
            Some(7)
        );
        assert_eq!(seconds(&[("x-ratelimit-reset-after", "3.5")]), Some(3));
        assert_eq!(
            seconds(&[("x-ratelimit-reset", "1970-01-01T00:01:00Z")]),
            Some(60)
        );
        assert_eq!(
            seconds(&[("x-ratelimit-reset", "0"), ("x-ratelimit-interval-seconds", "30")]),
            Some(30)
        );
        assert_eq!(seconds(&[("x-ratelimit-period-in-sec", "60")]), Some(60));
        assert_eq!(seconds(&[("retry-after", "soon")]), None);
    }
}
