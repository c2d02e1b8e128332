//! How somebody wants times to be shown: in which zone, and by which clock.

use strum::{EnumString, IntoStaticStr};

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
        let zone = Some(text).filter(|text| text.len() <= MAX_ZONE_BYTES)?;
        let zone = jiff::tz::TimeZone::get(zone).ok()?;
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
    fn a_clock_reads_back_and_nonsense_is_the_languages() {
        for clock in [ClockFormat::Language, ClockFormat::Hours24, ClockFormat::Hours12] {
            assert_eq!(ClockFormat::parse(clock.as_str()), clock);
        }
        assert_eq!(ClockFormat::parse("13"), ClockFormat::Language);
    }
}
