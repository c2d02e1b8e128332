//! The clocks of the two sides, which may be minutes apart: what a system says of times is read by its own, as the `Date` of its
//! answers tells it.

use std::time::Duration;

use http::HeaderMap;
use http::header::DATE;

use model::exchange::Exchange;
use model::retry::parse_retry_after;
use model::time::Timestamp;

/// How far the clocks may be apart; a date that is further away is not believed.
const MAX_SKEW: Duration = Duration::from_secs(30 * 60);
/// How far they are apart for reasons of their own: whole seconds, and the way of an answer.
const NOISE: Duration = Duration::from_secs(5);

/// What a system's clock said when it answered; ours if that was not told.
pub(crate) fn theirs(headers: &HeaderMap, now: Timestamp) -> Timestamp {
    let earliest = now.minus(MAX_SKEW);
    let text = headers.get(DATE).and_then(|date| date.to_str().ok());
    let after = text.and_then(|date| parse_retry_after(date, earliest));
    let told = after
        .filter(|after| !after.is_zero() && *after < 2 * MAX_SKEW)
        .map(|after| earliest.plus(after));
    told.filter(|told| told.since(now) > NOISE || now.since(*told) > NOISE)
        .unwrap_or(now)
}

/// A time of ours by the clock of whoever gave an answer.
pub(crate) fn by_theirs(at: Timestamp, exchange: Option<&Exchange>, now: Timestamp) -> Timestamp {
    let response = exchange.and_then(|exchange| exchange.result.as_ref().ok());
    let theirs = response.map_or(now, |response| theirs(&response.headers, now));
    // One of the two is nothing: there are no negative spans.
    at.plus(theirs.since(now)).minus(now.since(theirs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_clock_that_is_minutes_away_is_believed_and_one_that_is_days_away_is_not() {
        let now = Timestamp::from_millis(1_705_314_600_000);
        let told = |date: &'static str| {
            let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_static(date))]);
            theirs(&headers, now).as_seconds() - now.as_seconds()
        };
        assert_eq!(told("Mon, 15 Jan 2024 10:25:00 GMT"), -300);
        assert_eq!(told("Mon, 15 Jan 2024 10:42:00 GMT"), 720);
        assert_eq!(told("Mon, 15 Jan 2024 10:30:03 GMT"), 0);
        assert_eq!(told("Tue, 16 Jan 2024 10:30:00 GMT"), 0);
        assert_eq!(told("yesterday"), 0);
        assert_eq!(theirs(&HeaderMap::new(), now), now);
    }
}
