//! What incidents of alert sources say: pure texts, of bounded length.

use std::fmt::Write;
use std::time::Duration;

use crate::source_plan::StormState;
use model::digest::sha256;
use model::id::SourceId;
use model::signal::{MAX_ALERT_KEY_BYTES, MAX_DESCRIPTION_LENGTH, Signal};
use model::source::StormControl;
use model::time::format_duration;

/// The dedup key of an alert's incident: that of the alert, for its source alone.
pub fn dedup_key(source_id: SourceId, key: &str) -> String {
    let text = format!("{source_id}/{key}");
    match text.len() <= MAX_ALERT_KEY_BYTES {
        true => text,
        false => format!("{source_id}/sha256:{}", hex::encode(sha256([key.as_bytes()]))),
    }
}

/// The title of the incident that a storm's alerts are counted into.
pub fn storm_title(source_name: &str) -> String {
    format!("Alert storm from {source_name}")
}

/// What an alert's incident says beside its title: the sender's text, its details, its links.
pub fn describe_alert(signal: &Signal) -> Option<String> {
    let mut text = signal.description.clone().unwrap_or_default();
    let has_more = !signal.details.is_empty() || !signal.links.is_empty();
    if !text.is_empty() && has_more {
        text.push_str("\n\n");
    }
    for (name, value) in &signal.details {
        let _ = writeln!(text, "{name}: {value}");
    }
    for link in &signal.links {
        let _ = match link.text.is_empty() {
            true => writeln!(text, "{}", link.url),
            false => writeln!(text, "{}: {}", link.text, link.url),
        };
    }
    bounded(text)
}

/// What a storm's incident says: why it is one, how many alerts there are, and the first of them.
pub fn describe_storm(storm: &StormState, control: StormControl) -> String {
    let mut text = format!(
        "{} alerts. More than {} began within {}, so they are counted here instead of opening an incident each. This incident \
         is resolved when none of them fires any more.\n\n",
        storm.count,
        control.max_alerts,
        format_duration(control.window)
    );
    let mut listed = 0;
    for title in &storm.titles {
        // Room for the last line.
        if text.chars().count() + title.chars().count() > MAX_DESCRIPTION_LENGTH - 100 {
            break;
        }
        let _ = writeln!(text, "- {title}");
        listed += 1;
    }
    if storm.count > listed {
        let _ = writeln!(text, "and {} more", storm.count - listed);
    }
    text.truncate(text.trim_end().len());
    text
}

/// What an incident's timeline says of an alert that changes too often.
pub fn flapping_note(title: &str, changes: u32, window: Duration) -> String {
    let window = format_duration(window);
    format!(
        "\"{title}\" is flapping: it changed {changes} times within {window}; the incident stays open until it is quiet for as long"
    )
}

fn bounded(mut text: String) -> Option<String> {
    text.truncate(text.trim_end().len());
    if text.chars().nth(MAX_DESCRIPTION_LENGTH).is_some() {
        text = text.chars().take(MAX_DESCRIPTION_LENGTH - 1).collect();
        text.push('…');
    }
    (!text.is_empty()).then_some(text)
}
