//! A card as a reader of Teams sees it on a desktop, after the schema of Adaptive Cards and its page on text features. It
//! reads more eagerly than Teams: every mark of Markdown that is not disarmed takes effect.

use serde_json::Value;

use crate::message::Message;

/// What a card shows.
pub fn read(card: &Value) -> Message {
    let mut message = Message::default();
    let entities = card.pointer("/msteams/entities").map_or(&[][..], list);
    let tags: Vec<_> = entities.iter().map(|entity| text(entity, "text")).collect();
    for element in items(card, "body") {
        add(element, &tags, &mut message);
    }
    message.add_buttons(items(card, "actions").iter().map(|action| text(action, "title")));
    message
}

fn add(element: &Value, tags: &[&str], message: &mut Message) {
    match text(element, "type") {
        "Container" => {
            message.accent = message.accent.or(colour(text(element, "style")));
            items(element, "items")
                .iter()
                .for_each(|item| add(item, tags, message));
        }
        "ColumnSet" => {
            let texts = items(element, "columns")
                .iter()
                .flat_map(|column| items(column, "items"));
            let texts: Vec<_> = texts.map(|block| markdown(text(block, "text"))).collect();
            message.add(&texts.join(" · "));
        }
        "FactSet" => {
            for fact in items(element, "facts") {
                message.add_fact(&markdown(text(fact, "title")), &markdown(text(fact, "value")));
            }
        }
        _ => add_text(text(element, "text"), tags, message),
    }
}

/// A block of text. Mentions are what the card names as such, and nothing else that looks like one.
fn add_text(text: &str, tags: &[&str], message: &mut Message) {
    let called = tags.iter().filter(|tag| text.contains(**tag));
    let names = called.filter_map(|tag| tag.strip_prefix("<at>")?.strip_suffix("</at>"));
    let names: Vec<_> = names.map(|name| format!("@{name}")).collect();
    if names.is_empty() {
        message.add(&markdown(text));
    }
    names.into_iter().for_each(|name| message.call(name));
}

fn colour(style: &str) -> Option<u32> {
    match style {
        "attention" => Some(0xdc_26_26),
        "warning" => Some(0xf5_9e_0b),
        "good" => Some(0x16_a3_4a),
        "accent" => Some(0x25_63_eb),
        _ => None,
    }
}

/// A text without its Markdown; a list's, heading's or quote's mark becomes a bullet, an entity a question mark.
fn markdown(text: &str) -> String {
    let mut read = String::with_capacity(text.len());
    let mut rest = text;
    if let Some(after) = after_block_mark(text) {
        read.push('•');
        rest = after;
    }
    while let Some(character) = rest.chars().next() {
        let before = text.strip_suffix(rest).unwrap_or_default();
        rest = rest.strip_prefix(character).unwrap_or_default();
        let next = rest.chars().next();
        match character {
            '\\' if next.is_some_and(|next| next.is_ascii_punctuation()) => {
                read.extend(next);
                rest = rest.get(1..).unwrap_or_default();
            }
            '{' => match function(rest) {
                Some((time, after)) => {
                    read.push_str(&time);
                    rest = after;
                }
                None => read.push('{'),
            },
            '&' if is_entity(rest) => read.push('?'),
            '*' | '`' | '[' | ']' => {}
            '_' if !is_within_word(before, rest) => {}
            '~' if next == Some('~') => rest = rest.get(1..).unwrap_or_default(),
            _ => read.push(character),
        }
    }
    read
}

/// What follows the mark that makes a line a list, a heading or a quote.
fn after_block_mark(text: &str) -> Option<&str> {
    let after_digits = text.trim_start_matches(|character: char| character.is_ascii_digit());
    match after_digits.len() == text.len() {
        true => text.strip_prefix(['-', '+', '#', '>', '=']),
        false => after_digits.strip_prefix(['.', ')']),
    }
}

/// Whether what follows an ampersand makes it an entity.
fn is_entity(rest: &str) -> bool {
    let name = rest.split_once(';').map_or("", |(name, _)| name);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'#';
    !name.is_empty() && name.bytes().all(is_plain)
}

/// Whether an underscore stands between letters or digits, where it marks nothing.
fn is_within_word(before: &str, after: &str) -> bool {
    let left = before.trim_end_matches('_').chars().next_back();
    let right = after.trim_start_matches('_').chars().next();
    let is_of_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    is_of_word(left) && is_of_word(right)
}

/// What `{{DATE(…)}}` or `{{TIME(…)}}` shows, given what follows its first brace, and what follows it all.
fn function(rest: &str) -> Option<(String, &str)> {
    let (call, after) = rest.strip_prefix('{')?.split_once(")}}")?;
    let (name, arguments) = call.split_once('(')?;
    let at = arguments.split(',').next()?;
    match name {
        "DATE" => Some((at.get(..10)?.to_owned(), after)),
        "TIME" => Some((format!("{} UTC", at.get(11..16)?), after)),
        _ => None,
    }
}

fn items<'a>(holder: &'a Value, name: &str) -> &'a [Value] {
    holder.get(name).map_or(&[], list)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(holder: &'a Value, name: &str) -> &'a str {
    holder.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mark_takes_effect_unless_it_is_disarmed() {
        assert_eq!(
            markdown("- **a** _b_ [x](http://evil) &lt;"),
            "• a b x(http://evil) ?lt;"
        );
        assert_eq!(
            markdown(r"\- \*a\* snake_case \_b\_ R&D 1. ~ \~~"),
            "- *a* snake_case _b_ R&D 1. ~ ~~"
        );
        assert_eq!(markdown("12. a"), "• a");
        assert_eq!(
            markdown("{{DATE(2024-01-15T10:30:00Z, SHORT)}} {{TIME(2024-01-15T10:30:00Z)}} {{x}}"),
            "2024-01-15 10:30 UTC {{x}}"
        );
    }

    #[test]
    fn only_those_are_called_whom_the_card_names() {
        let block = |text: &str| json!({ "type": "TextBlock", "text": text });
        let entity = json!({ "type": "mention", "text": "<at>Ada</at>" });
        let body = [block("<at>Ada</at>"), block("<at>Bob</at>")];
        let message = read(&json!({ "body": body, "msteams": { "entities": [entity] } }));
        assert_eq!(message.parts, ["@Ada", "<at>Bob</at>"]);
        assert_eq!(message.mentions, ["@Ada"]);
    }
}
