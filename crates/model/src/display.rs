//! How somebody wants times to be shown: in which zone, and by which clock.

use jiff::tz::TimeZone;
use strum::{EnumString, IntoStaticStr};

use crate::time::Timestamp;

/// The longest name of a time zone, in bytes.
const MAX_ZONE_BYTES: usize = 64;

/// By which clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ClockFormat {
    /// As the browser's language has it.
    #[default]
    Language,
    /// 13:00.
    Hours24,
    /// 1:00 pm.
    Hours12,
}

impl ClockFormat {
    /// The format as forms and the store write it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The format read back; the language's for anything else.
    pub fn parse(text: &str) -> Self {
        text.parse().unwrap_or_default()
    }
}

/// The name of a time zone that is known: `Europe/Berlin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneName(String);

impl ZoneName {
    /// A zone by its name, whatever its case; nothing if none is called so.
    pub fn parse(text: &str) -> Option<Self> {
        let zone = Some(text).filter(|text| (1..=MAX_ZONE_BYTES).contains(&text.len()))?;
        let zone = TimeZone::get(zone).ok()?;
        zone.iana_name().map(|name| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How somebody wants times to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimeDisplay {
    /// The browser's own if there is none.
    pub zone: Option<ZoneName>,
    pub clock: ClockFormat,
}

impl TimeDisplay {
    /// A time in a message, to the minute: `2024-01-15 10:30 UTC`, or `2024-01-15 11:30 am CET`. Without a zone in UTC, and by the clock
    /// of 24 hours unless 12 are asked for.
    pub fn text(&self, at: Timestamp) -> String {
        let zone = self
            .zone
            .as_ref()
            .and_then(|zone| TimeZone::get(zone.as_str()).ok());
        let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
        let format = match self.clock {
            ClockFormat::Language | ClockFormat::Hours24 => "%Y-%m-%d %H:%M %Z",
            ClockFormat::Hours12 => "%Y-%m-%d %-I:%M %P %Z",
        };
        let zoned = at.to_zoned(zone.unwrap_or(TimeZone::UTC));
        jiff::fmt::strtime::format(format, &zoned).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_known_by_its_name_whatever_the_case() {
        let name = |text: &str| ZoneName::parse(text).map(|zone| zone.as_str().to_owned());
        assert_eq!(name("europe/berlin").as_deref(), Some("Europe/Berlin"));
        assert_eq!(name("UTC").as_deref(), Some("UTC"));
        assert_eq!(
            ["", "Mars/Olympus", "../etc/passwd", "+02:00"].map(name),
            [const { None }; 4]
        );
        assert_eq!(name(&"x".repeat(65)), None);
    }

    #[test]
    fn a_time_of_a_message_is_in_its_zone_and_by_its_clock() {
        let at: Timestamp = "2024-07-15T22:30:59Z".parse().unwrap();
        let text = |zone: &str, clock| {
            let zone = ZoneName::parse(zone);
            TimeDisplay { zone, clock }.text(at)
        };
        assert_eq!(TimeDisplay::default().text(at), "2024-07-15 22:30 UTC");
        assert_eq!(
            text("Europe/Berlin", ClockFormat::Hours24),
            "2024-07-16 00:30 CEST"
        );
        assert_eq!(
            text("America/New_York", ClockFormat::Hours12),
            "2024-07-15 6:30 pm EDT"
        );
        let noon = "2024-07-15T12:00:00Z".parse().unwrap();
        let utc = TimeDisplay {
            zone: None,
            clock: ClockFormat::Hours12,
        };
        assert_eq!(utc.text(noon), "2024-07-15 12:00 pm UTC");
    }

    #[test]
    fn a_clock_reads_back_and_nonsense_is_the_languages() {
        for clock in [ClockFormat::Language, ClockFormat::Hours24, ClockFormat::Hours12] {
            assert_eq!(ClockFormat::parse(clock.as_str()), clock);
        }
        assert_eq!(ClockFormat::parse("13"), ClockFormat::Language);
    }
}
