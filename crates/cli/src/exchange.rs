//! What an attempt sent and what came back, line by line, in the manner of `listen`.

use serde_json::Value;

use super::colour::{Colour, paint};
use super::output::{printable, text};

/// One attempt: what came of it, the request behind `>`, the answer behind `<`. `event_body` is what was sent if the attempt has
/// no body of its own.
pub fn in_words(attempt: &Value, event_body: &str) -> String {
    let mut lines = vec![outcome(attempt)];
    lines.extend(notes(attempt));
    lines.extend(request(attempt, event_body));
    lines.extend(answer(attempt));
    lines.join("\n")
}

fn outcome(attempt: &Value) -> String {
    let [number, at, outcome, total] =
        ["/number", "/startedAt", "/outcome", "/timings/totalMs"].map(|place| text(attempt, place));
    let code = text(attempt, "/failure/code");
    let (colour, came_to) = match code.as_str() {
        "" => (Colour::Good, outcome),
        code => (Colour::Bad, format!("{outcome}: {code}")),
    };
    format!(
        "{}  {at}  {}  {total} ms{}",
        paint(Colour::Strong, &format!("attempt {number}")),
        paint(colour, &came_to),
        paint(Colour::Faint, &phases(attempt))
    )
}

/// Where the time went, and to which address.
fn phases(attempt: &Value) -> String {
    let phase = |(name, place): (&str, &str)| match text(attempt, place).as_str() {
        "" => None,
        millis => Some(format!("{name} {millis}")),
    };
    let phases = [
        ("dns", "/timings/dnsMs"),
        ("connect", "/timings/connectMs"),
        ("tls", "/timings/tlsMs"),
        ("first byte", "/timings/firstByteMs"),
        ("to", "/remoteAddress"),
    ];
    let phases: Vec<String> = phases.into_iter().filter_map(phase).collect();
    match phases.as_slice() {
        [] => String::new(),
        phases => format!(" ({})", phases.join(", ")),
    }
}

/// What the kind found out, and why it failed and what to do.
fn notes(attempt: &Value) -> Vec<String> {
    let places = ["/note", "/failure/detail", "/failure/advice"];
    let said = places.map(|place| text(attempt, place));
    let said = said.into_iter().filter(|sentence| !sentence.is_empty());
    said.map(|sentence| format!("  {sentence}")).collect()
}

fn request(attempt: &Value, event_body: &str) -> Vec<String> {
    let body = attempt["request"]["body"].as_str().unwrap_or(event_body);
    let line = text(attempt, "/request/line");
    if line.is_empty() {
        return Vec::new();
    }
    behind(">", &line, &attempt["request"]["headers"], body)
}

fn answer(attempt: &Value) -> Vec<String> {
    let response = &attempt["response"];
    if response.is_null() {
        return Vec::new();
    }
    let body = match response["bodyIsBase64"] == true {
        true => "(no text)",
        false => response["body"].as_str().unwrap_or_default(),
    };
    let mut lines = behind("<", &text(attempt, "/status"), &response["headers"], body);
    if response["bodyIsTruncated"] == true {
        lines.push(format!("  {}", paint(Colour::Faint, "< (cut off here)")));
    }
    lines
}

/// Head and body, each line behind a mark.
fn behind(mark: &str, first: &str, headers: &Value, body: &str) -> Vec<String> {
    let mark = format!("  {}", paint(Colour::Faint, mark));
    let header = |header: &Value| format!("{mark} {}: {}", text(header, "/name"), text(header, "/value"));
    let mut lines = vec![format!("{mark} {}", paint(Colour::Strong, first))];
    lines.extend(headers.as_array().into_iter().flatten().map(header));
    if !body.is_empty() {
        lines.push(mark.clone());
        lines.extend(body_lines(body).iter().map(|line| format!("{mark} {line}")));
    }
    lines
}

/// A body for people: JSON is laid out, anything else is as it came.
pub fn body_lines(body: &str) -> Vec<String> {
    let json: Option<Value> = serde_json::from_str(body).ok();
    let pretty = json.and_then(|body| serde_json::to_string_pretty(&body).ok());
    let shown = printable(&pretty.unwrap_or_else(|| body.to_owned()));
    shown.lines().map(str::to_owned).collect()
}
