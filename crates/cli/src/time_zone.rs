//! In which time zone times are printed for people: the one that was asked for, this machine's on a terminal, and otherwise as the
//! API writes them, since programs may read what goes into a pipe.

use std::io::{self, IsTerminal};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::failure::Failure;

/// How a time is printed.
const FORMAT: &str = "%Y-%m-%d %H:%M:%S %Z";
/// The shortest and the longest time that the API writes, in bytes.
const SHORTEST: usize = "2026-01-05T12:00:00Z".len();
const LONGEST: usize = "2026-01-05T12:00:00.000Z".len();

/// The zone of times; nothing if they are printed as they come.
pub fn zone(asked: Option<&str>) -> Result<Option<TimeZone>, Failure> {
    match asked {
        Some("local") => Ok(Some(TimeZone::system())),
        Some(name) => TimeZone::get(name).map(Some).map_err(|_| {
            let sentence = format!("--tz {name}: no such time zone; write Europe/Berlin, UTC or local");
            Failure::Usage(sentence)
        }),
        None if io::stdout().is_terminal() => Ok(Some(TimeZone::system())),
        None => Ok(None),
    }
}

/// The same value with its times in this zone.
pub fn in_zone(value: &Value, zone: &TimeZone) -> Value {
    match value {
        Value::String(text) => text_in_zone(text, zone).map_or_else(|| value.clone(), Value::String),
        Value::Array(items) => items.iter().map(|item| in_zone(item, zone)).collect(),
        Value::Object(members) => {
            let members = members.iter();
            members
                .map(|(name, member)| (name.clone(), in_zone(member, zone)))
                .collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A text in which the API writes a time and nothing else.
fn text_in_zone(text: &str, zone: &TimeZone) -> Option<String> {
    let is_time =
        (SHORTEST..=LONGEST).contains(&text.len()) && text.ends_with('Z') && text.as_bytes()[10] == b'T';
    let at: Timestamp = is_time.then(|| text.parse().ok()).flatten()?;
    Some(at.to_zoned(zone.clone()).strftime(FORMAT).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_moved_into_the_zone_and_nothing_else_is_touched() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let value = json!({"at": "2026-07-01T22:30:00.123Z", "items": [{"createdAt": "2026-01-05T12:00:00Z"}],
            "title": "since 2026-01-05T12:00:00Z", "name": "AAAAAAAAAATAAAAAAAAZ", "n": 5, "cursor": null});
        let moved = json!({"at": "2026-07-02 00:30:00 CEST", "items": [{"createdAt": "2026-01-05 13:00:00 CET"}],
            "title": "since 2026-01-05T12:00:00Z", "name": "AAAAAAAAAATAAAAAAAAZ", "n": 5, "cursor": null});
        assert_eq!(in_zone(&value, &zone), moved);
    }
}
