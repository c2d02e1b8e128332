//! How values look on pages: times, durations, counts, badges, addresses. Each gives either plain text, which the
//! template escapes, or finished HTML ([`Safe`]) that is made here out of nothing a user typed.

use std::time::Duration;

use askama::filters::Safe;

use model::delivery::DeliveryState;
use model::incident::{IncidentStatus, Severity};
use model::time::Timestamp;
use store::deliveries::COUNTED_AT_MOST;

/// Finished HTML.
pub type Markup = Safe<String>;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A time, relative to now, with the exact one on hover; a script shows it in the viewer's zone and keeps it fresh.
pub fn when(at: Timestamp, now: Timestamp) -> Markup {
    let iso = at.to_string();
    let exact = exact(at);
    let relative = relative(at, now);
    Safe(format!(
        "<time datetime=\"{iso}\" title=\"{exact}\">{relative}</time>"
    ))
}

/// A time that may be absent: a dash then.
pub fn when_or_dash(at: Option<Timestamp>, now: Timestamp) -> Markup {
    at.map_or_else(
        || Safe("<span class=\"quiet\">–</span>".to_owned()),
        |at| when(at, now),
    )
}

/// A time to the second, for timelines and attempts; a script shows it in the viewer's zone.
pub fn when_exactly(at: Timestamp) -> Markup {
    let iso = at.to_string();
    let exact = exact(at);
    Safe(format!("<time datetime=\"{iso}\" data-exact>{exact}</time>"))
}

/// `2026-01-05 12:00:00 UTC`.
pub fn exact(at: Timestamp) -> String {
    at.to_rfc3339_seconds().replace('T', " ").replace('Z', " UTC")
}

/// How long something has lasted that began then, to stand after *for*; a script keeps it fresh.
pub fn lasting(since: Timestamp, now: Timestamp) -> Markup {
    let (iso, exact, amount) = (since.to_string(), exact(since), amount(now.since(since)));
    Safe(format!(
        "<time datetime=\"{iso}\" title=\"{exact}\" data-lasting>{amount}</time>"
    ))
}

/// `3 min`, `2 h`: a duration in one unit, rounded down.
fn amount(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY => format!("{} h", seconds / HOUR),
        _ => format!("{} d", seconds / DAY),
    }
}

/// `3 min ago`, `in 2 h`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    const NOW: Duration = Duration::from_secs(5);
    let is_past = at <= now;
    let distance = if is_past { now.since(at) } else { at.since(now) };
    if distance < NOW {
        return "now".to_owned();
    }
    let amount = amount(distance);
    if is_past {
        format!("{amount} ago")
    } else {
        format!("in {amount}")
    }
}

/// A short duration: `340 µs`, `12 ms`, `1.4 s`, `3 min`.
pub fn micros(micros: u64) -> String {
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..1_000_000 => tenths(micros, 1000, "ms"),
        1_000_000..60_000_000 => tenths(micros, 1_000_000, "s"),
        _ => long(Duration::from_micros(micros)),
    }
}

/// A number of units with one decimal if it is below ten.
fn tenths(value: u64, unit: u64, name: &str) -> String {
    if value < 10 * unit {
        let tenths = (value * 10 + unit / 2) / unit;
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    } else {
        format!("{} {name}", (value + unit / 2) / unit)
    }
}

/// Two durations between which another lies, with no more digits than are known: `18–26 ms`, `4.9–7 min`.
pub fn micros_between((from, to): (u64, u64)) -> String {
    const SECOND: u64 = 1_000_000;
    let (unit, name) = match to {
        0..1000 => (1, "µs"),
        1000..1_000_000 => (1000, "ms"),
        1_000_000..60_000_000 => (SECOND, "s"),
        60_000_000..3_600_000_000 => (60 * SECOND, "min"),
        3_600_000_000..86_400_000_000 => (3600 * SECOND, "h"),
        _ => (86_400 * SECOND, "d"),
    };
    format!("{}–{} {name}", two_digits(from, unit), two_digits(to, unit))
}

/// A number of units, rounded to two digits.
fn two_digits(value: u64, unit: u64) -> String {
    let tenths = (value.saturating_mul(10) + unit / 2) / unit;
    match tenths {
        0..100 if tenths.is_multiple_of(10) => format!("{}", tenths / 10),
        0..100 => format!("{}.{}", tenths / 10, tenths % 10),
        100..1000 => format!("{}", (tenths + 5) / 10),
        _ => format!("{}", (tenths + 50) / 100 * 10),
    }
}

/// A long duration in its largest two units: `2 d 3 h`.
pub fn long(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let pair = |big: u64, big_name: &str, small: u64, small_name: &str| {
        let (whole, rest) = (seconds / big, seconds % big / small);
        if rest == 0 {
            format!("{whole} {big_name}")
        } else {
            format!("{whole} {big_name} {rest} {small_name}")
        }
    };
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => pair(MINUTE, "min", 1, "s"),
        HOUR..DAY => pair(HOUR, "h", MINUTE, "min"),
        _ => pair(DAY, "d", HOUR, "h"),
    }
}

/// The longest title in a list, in characters: what is beyond is not seen there anyway.
const MAX_LISTED_TITLE: usize = 120;

/// A title for a list, cut where it gets long.
pub fn listed(title: &str) -> String {
    match title.char_indices().nth(MAX_LISTED_TITLE) {
        Some((end, _)) => format!("{}…", title[..end].trim_end()),
        None => title.to_owned(),
    }
}

/// A count with thin spaces between thousands.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// The same for what is counted up to [`COUNTED_AT_MOST`] only: beyond that it is so many or more.
pub fn counted(number: u64) -> String {
    let most = u64::from(COUNTED_AT_MOST);
    match number < most {
        true => count(number),
        false => format!("{}+", count(most)),
    }
}

/// Bytes in the unit that suits them.
pub fn bytes(bytes: u64) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    const GIB: u64 = 1024 * MIB;
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..MIB => tenths(bytes, KIB, "KiB"),
        MIB..GIB => tenths(bytes, MIB, "MiB"),
        _ => tenths(bytes, GIB, "GiB"),
    }
}

/// A sentence as it stands at the start of a line.
pub fn sentence_case(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

/// A share in percent, rounded down below 100: nothing that failed looks like perfection.
pub fn percent(part: u64, whole: u64) -> Option<String> {
    if whole == 0 {
        return None;
    }
    let tenths = part.saturating_mul(1000) / whole;
    Some(if tenths == 1000 {
        "100 %".to_owned()
    } else {
        format!("{}.{} %", tenths / 10, tenths % 10)
    })
}

/// A badge. `tone` is a class of the style: `success`, `warning`, `info`, `error`, `neutral`, or a severity's; `text` is a word of ours.
pub fn badge(tone: &'static str, text: &'static str) -> Markup {
    Safe(format!("<span class=\"badge {tone}\">{text}</span>"))
}

/// The badge of an incident's status: told by its word and shape, since colour tells the severity.
pub fn status_badge(status: IncidentStatus) -> Markup {
    let class = status.as_str();
    let text = match status {
        IncidentStatus::Triggered => "Triggered",
        IncidentStatus::Acknowledged => "Acknowledged",
        IncidentStatus::Resolved => "Resolved",
    };
    Safe(format!("<span class=\"badge status-{class}\">{text}</span>"))
}

/// The badge of a severity.
pub fn severity_badge(severity: Severity) -> Markup {
    match severity {
        Severity::Critical => badge("severity-critical", "Critical"),
        Severity::Error => badge("severity-error", "Error"),
        Severity::Warning => badge("warning", "Warning"),
        Severity::Info => badge("info", "Info"),
    }
}

/// The badge of a delivery's state. One that is scheduled after a failed attempt is being retried.
pub fn state_badge(state: DeliveryState, attempts_made: u32) -> Markup {
    match state {
        DeliveryState::Scheduled if attempts_made > 0 => badge("warning", "Retrying"),
        DeliveryState::Scheduled => badge("info", "Scheduled"),
        DeliveryState::Queued => badge("neutral", "Queued"),
        DeliveryState::Claimed => badge("info", "Sending"),
        DeliveryState::Held => badge("neutral", "Held"),
        DeliveryState::Delivered => badge("success", "Delivered"),
        DeliveryState::Dead => badge("error", "Dead"),
        DeliveryState::Superseded => badge("neutral", "Superseded"),
        DeliveryState::Expired => badge("neutral", "Expired"),
    }
}

/// JSON with line breaks, if it is JSON.
pub fn pretty_json(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let is_structure = value.is_object() || value.is_array();
    is_structure.then(|| serde_json::to_string_pretty(&value).unwrap_or_default())
}

/// A body as text; what is no text as hexadecimal digits.
pub fn body_text(body: &[u8]) -> String {
    const BYTES_PER_LINE: usize = 32;
    let cannot_be_seen = |char: char| char.is_control() && !matches!(char, '\t' | '\n' | '\r');
    if let Ok(text) = std::str::from_utf8(body)
        && !text.contains(cannot_be_seen)
    {
        return text.to_owned();
    }
    let lines: Vec<_> = body.chunks(BYTES_PER_LINE).map(hex::encode).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn times_are_relative_in_both_directions() {
        let now = at(10 * DAY);
        let texts = [0, 59, 3600, 2 * DAY].map(|ago| relative(at(10 * DAY - ago), now));
        assert_eq!(texts, ["now", "59 s ago", "1 h ago", "2 d ago"]);
        assert_eq!(relative(at(10 * DAY + 300), now), "in 5 min");
    }

    #[test]
    fn durations_choose_their_unit() {
        let texts = [340, 1_240, 12_400, 1_449_000, 200_000_000].map(micros);
        assert_eq!(texts, ["340 µs", "1.2 ms", "12 ms", "1.4 s", "3 min 20 s"]);
    }

    #[test]
    fn a_single_failure_is_never_a_hundred_percent() {
        assert_eq!(percent(9_999, 10_000).as_deref(), Some("99.9 %"));
        assert_eq!((percent(3, 3).as_deref(), percent(0, 0)), (Some("100 %"), None));
    }

    #[test]
    fn counts_and_bytes_are_readable() {
        assert_eq!(
            (count(999).as_str(), count(1_234_567).as_str()),
            ("999", "1\u{202f}234\u{202f}567")
        );
        assert_eq!([512, 1536, 50 << 20].map(bytes), ["512 B", "1.5 KiB", "50 MiB"]);
    }

    #[test]
    fn what_is_known_roughly_is_shown_roughly() {
        let shown = [
            (0, 100),
            (18_102, 25_600),
            (362_039, 512_000),
            (296_585_000, 419_430_400),
        ];
        assert_eq!(
            shown.map(micros_between),
            ["0–100 µs", "18–26 ms", "360–510 ms", "4.9–7 min"]
        );
    }

    #[test]
    fn long_titles_are_cut_between_characters() {
        assert_eq!(listed(&"ü".repeat(120)), "ü".repeat(120));
        assert_eq!(listed(&"ü".repeat(121)), format!("{}…", "ü".repeat(120)));
    }

    #[test]
    fn bodies_show_as_they_are_or_as_digits() {
        assert_eq!(pretty_json(b"{\"a\":1}").as_deref(), Some("{\n  \"a\": 1\n}"));
        assert_eq!((pretty_json(b"ok"), pretty_json(b"3")), (None, None));
        assert_eq!(body_text(&[0xff, 0x00]), "ff00");
        assert_eq!(
            (body_text(b"\0").as_str(), body_text(b"a\n\t").as_str()),
            ("00", "a\n\t")
        );
    }
}
