//! Requests as people see what they do: an issue, a change of it, a comment.

use serde_json::{Map, Value};

use crate::forge::issue::short;
use destination::preview::{Part, Preview};

/// The longest value that is shown in a row, in characters.
const MAX_VALUE: usize = 200;
/// What has a place of its own.
const PLACED: [&str; 3] = ["title", "body", "description"];

/// The request; nothing if it is none that is known.
pub(crate) fn preview(body: &[u8]) -> Option<Preview> {
    let body: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(plain);
    let heading = text("title").map(Part::Heading);
    let facts = body.iter().filter(|(name, _)| !PLACED.contains(&name.as_str()));
    let facts: Vec<_> = facts
        .map(|(name, value)| (label(name), in_a_row(value)))
        .collect();
    let facts = (!facts.is_empty()).then_some(Part::Facts(facts));
    let text = text("body").or_else(|| text("description")).map(Part::Text);
    let parts: Vec<_> = [heading, facts, text].into_iter().flatten().collect();
    (!parts.is_empty()).then_some(Preview { accent: None, parts })
}

fn label(name: &str) -> String {
    let spaced = name.replace('_', " ");
    let mut characters = spaced.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}", first.unwrap_or_default(), characters.as_str())
}

fn in_a_row(value: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line = match value {
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        other => text(other),
    };
    short(&line, MAX_VALUE)
}

/// Markdown of ours without its marks: what is hidden, escapes, and what breaks references up.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, hidden)) = rest.split_once("<!--") {
        shown.push_str(before);
        rest = hidden.split_once("-->").map_or("", |(_, after)| after);
    }
    shown.push_str(rest);
    let shown = without_addresses(&shown);
    let mut plain = String::with_capacity(shown.len());
    let mut characters = shown
        .replace("**", "")
        .chars()
        .collect::<Vec<_>>()
        .into_iter()
        .peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{2060}' => {}
            '\\' if characters.peek().is_some_and(char::is_ascii_punctuation) => {
                plain.extend(characters.next())
            }
            character => plain.push(character),
        }
    }
    let plain = plain
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    plain.replace("  \n", "\n").trim().to_owned()
}

/// The labels of our links, as they are shown.
fn without_addresses(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("](<") {
        match (before.rsplit_once('['), link.split_once(">)")) {
            (Some((before, label)), Some((_, after))) => {
                shown.extend([before, label]);
                rest = after;
            }
            (None, _) | (_, None) => break,
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_shown_without_its_marks_and_escapes() {
        let text = "**Service:** a\\_b &lt;@\u{2060}x  \nmore\n\n[Open it](<https://x/1>)\n\n<!-- opsknight:inc_1 -->";
        assert_eq!(plain(text), "Service: a_b <@x\nmore\n\nOpen it");
        assert_eq!(plain("a](<b"), "a](<b");
        let body = br#"{"title":"T","labels":["a","b"],"body":"x"}"#;
        assert_eq!(preview(body).unwrap().text(), "T\nLabels: a, b\nx");
    }
}
