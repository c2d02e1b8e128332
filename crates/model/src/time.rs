//! Points in time: milliseconds since the Unix epoch, UTC. The only reader of the real time is `clock.rs`.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The last millisecond of the year 9999: what RFC 3339 can write.
const LATEST_MILLIS: i64 = 253_402_300_799_999;

/// A point in time, in milliseconds since the Unix epoch (UTC), between the years 1970 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A text that is no RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a time in the form 2024-01-15T10:30:00Z")]
pub struct InvalidTimestamp;

impl Timestamp {
    /// The start of Unix time.
    pub const EPOCH: Self = Self(0);

    /// A time out of milliseconds since the epoch; what lies outside 1970–9999 is brought to the nearest bound.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LATEST_MILLIS))
    }

    /// Milliseconds since the epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch.
    pub fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This time later by a duration.
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// This time earlier by a duration.
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in whole seconds, as events show it: `2024-01-15T10:30:00Z`.
    pub fn to_rfc3339_seconds(self) -> String {
        let text = self.to_digits();
        format!("{}Z", &text.as_str()[..SECONDS_LENGTH])
    }

    /// RFC 3339 with milliseconds. By hand: several are written for each delivery, and a library would read its pattern anew for
    /// each.
    fn to_digits(self) -> Digits {
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        let time = jiff::tz::Offset::UTC.to_datetime(time);
        let mut text = Digits(*b"0000-00-00T00:00:00.000Z");
        text.write(0..4, time.year());
        text.write(5..7, time.month().into());
        text.write(8..10, time.day().into());
        text.write(11..13, time.hour().into());
        text.write(14..16, time.minute().into());
        text.write(17..19, time.second().into());
        text.write(20..23, time.millisecond());
        text
    }
}

/// How much of a time stands before its milliseconds.
const SECONDS_LENGTH: usize = 19;

/// A time as [`Timestamp`] shows it.
struct Digits([u8; 24]);

impl Digits {
    fn write(&mut self, place: Range<usize>, number: i16) {
        let mut rest = number;
        for digit in self.0[place].iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
    }

    fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// RFC 3339 with milliseconds, as the API shows it: `2024-01-15T10:30:00.123Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_digits().as_str())
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let parsed: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        let millis = parsed.as_millisecond();
        (0..=LATEST_MILLIS)
            .contains(&millis)
            .then_some(Self(millis))
            .ok_or(InvalidTimestamp)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.to_digits().as_str())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a duration such as \"10s\", \"5m\", \"1h\" or \"250ms\"")]
pub struct InvalidDuration;

/// Reads `10s`, `5m`, `1h`, `2d` or `250ms`: a whole number and one unit.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| InvalidDuration)?;
    let unit_millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(InvalidDuration),
    };
    number
        .checked_mul(unit_millis)
        .map(Duration::from_millis)
        .ok_or(InvalidDuration)
}

/// Writes a duration in the largest unit that keeps it whole: the inverse of [`parse_duration`].
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let unit = units
        .into_iter()
        .find(|(_, size)| millis > 0 && millis.is_multiple_of(*size));
    unit.map_or_else(
        || format!("{millis}ms"),
        |(name, size)| format!("{}{name}", millis / size),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn events_show_whole_seconds_and_the_api_shows_milliseconds() {
        let at = Timestamp::from_millis(1_705_314_600_123);
        assert_eq!(at.to_rfc3339_seconds(), "2024-01-15T10:30:00Z");
        assert_eq!(at.to_string(), "2024-01-15T10:30:00.123Z");
    }

    proptest! {
        #[test]
        fn a_time_reads_back_as_it_was_printed(millis in 0..=LATEST_MILLIS) {
            let at = Timestamp::from_millis(millis);
            prop_assert_eq!(at.to_string().parse::<Timestamp>(), Ok(at));
        }

        #[test]
        fn a_duration_reads_back_as_it_was_printed(millis in 0u64..100_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in ".*") {
            let _ = text.parse::<Timestamp>();
            let _ = parse_duration(&text);
        }
    }
}
