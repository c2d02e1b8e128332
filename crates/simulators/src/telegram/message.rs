//! A message as Telegram shows it. The names that Telegram finds in a text by itself call people, whatever the entities
//! say.

use serde_json::Value;

use crate::message::Message;

/// Keeps a name from being found, and is not seen.
const WORD_JOINER: char = '\u{2060}';

/// What the parameters of a message show; nothing if they hold no text.
pub fn read(body: &Value) -> Option<Message> {
    let text = body.get("text")?.as_str()?;
    let mut message = Message::default();
    message.add(&text.replace(WORD_JOINER, ""));
    called(text).for_each(|name| message.call(name.to_owned()));
    let rows = body
        .pointer("/reply_markup/inline_keyboard")
        .map_or(&[][..], items);
    for row in rows {
        message.add_buttons(
            items(row)
                .iter()
                .filter_map(|button| button.get("text")?.as_str()),
        );
    }
    Some(message)
}

/// The names that Telegram takes for mentions: an `@` that follows no letter, digit or underscore, then 3 to 32 of these.
fn called(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.match_indices('@').filter_map(move |(at, _)| {
        let (before, after) = (text.get(..at)?, text.get(at + 1..)?);
        let length = after.find(|character| !is_word(character)).unwrap_or(after.len());
        let is_called = !before.ends_with(is_word) && (3..=32).contains(&length);
        text.get(at..=at + length).filter(|_| is_called)
    })
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_is_seen_with_its_buttons_and_without_what_is_not_seen() {
        let message = read(&json!({
            "text": "🔴 a@\u{2060}all\nAssignee: x@example\n@ada_l, @bob_b",
            "reply_markup": { "inline_keyboard": [[{ "text": "Acknowledge" }], [{ "text": "Open" }]] },
        }));
        let message = message.unwrap();
        let text = "🔴 a@all\nAssignee: x@example\n@ada_l, @bob_b";
        assert_eq!(
            message.parts,
            [text, "@ada_l", "@bob_b", "[Acknowledge]", "[Open]"]
        );
        assert_eq!(message.mentions, ["@ada_l", "@bob_b"]);
        assert_eq!(read(&json!({})), None);
    }
}
