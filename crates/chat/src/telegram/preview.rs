//! A message read back from its bytes, as Telegram shows it: the names that Telegram finds in the text by itself call
//! people, whatever the entities say, except within links.

use serde_json::Value;

use crate::telegram::render::WORD_JOINER;
use destination::preview::{Part, Preview};

/// The message in the body of a request; nothing if there is none in it.
pub(super) fn preview(body: &[u8]) -> Option<Preview> {
    let body: Value = serde_json::from_slice(body).ok()?;
    shown(&body)
}

/// The same, already parsed.
pub(super) fn shown(body: &Value) -> Option<Preview> {
    let text = body.get("text")?.as_str()?;
    let mut parts = Vec::new();
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    parts.push(Part::Heading(seen(first)));
    if !rest.is_empty() {
        parts.push(Part::Text(seen(rest)));
    }
    parts.extend(called(text).map(|name| Part::Mention(name.to_owned())));
    parts.extend(rows(body).map(Part::Buttons));
    Some(Preview { accent: None, parts })
}

fn seen(text: &str) -> String {
    text.replace(WORD_JOINER, "")
}

/// The names that Telegram takes for mentions: an `@` that follows no letter, digit or underscore, then 3 to 32 of these.
fn called(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('@').filter_map(|(at, _)| {
        let before = text.get(..at)?.chars().next_back();
        let after = text.get(at + 1..)?;
        let length = after
            .bytes()
            .take_while(|byte| is_word(char::from(*byte)))
            .count();
        let is_called = !before.is_some_and(is_word) && (3..=32).contains(&length);
        text.get(at..=at + length).filter(|_| is_called)
    })
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

fn rows(body: &Value) -> impl Iterator<Item = Vec<String>> {
    let rows = body
        .pointer("/reply_markup/inline_keyboard")
        .and_then(Value::as_array);
    let label = |button: &Value| button.get("text")?.as_str().map(str::to_owned);
    let of_row = move |row: &Value| row.as_array().into_iter().flatten().filter_map(label).collect();
    rows.into_iter().flatten().map(of_row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_is_seen_with_its_buttons_and_without_what_is_not_seen() {
        let body = json!({
            "text": "🔴 a@\u{2060}all\nAssignee: x@example\n@ada_l, @bob_b",
            "reply_markup": { "inline_keyboard": [[{ "text": "Acknowledge" }], [{ "text": "Open" }]] },
        });
        let parts = vec![
            Part::Heading("🔴 a@all".into()),
            Part::Text("Assignee: x@example\n@ada_l, @bob_b".into()),
            Part::Mention("@ada_l".into()),
            Part::Mention("@bob_b".into()),
            Part::Buttons(vec!["Acknowledge".into()]),
            Part::Buttons(vec!["Open".into()]),
        ];
        assert_eq!(
            preview(body.to_string().as_bytes()),
            Some(Preview { accent: None, parts })
        );
    }

    #[test]
    fn what_is_no_message_is_not_shown() {
        assert_eq!(preview(b"{}"), None);
        assert_eq!(preview(b"no json"), None);
    }
}
