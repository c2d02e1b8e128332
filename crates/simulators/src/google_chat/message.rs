//! A message as a reader of Google Chat sees it, after the pages on formatting text and card text. It reads the text of a
//! message more eagerly than Google does: every mark goes, wherever it stands.

use serde_json::Value;

use crate::message::Message;

/// The tags that cards know.
const TAGS: &[&str] = &[
    "b", "i", "u", "s", "strike", "font", "a", "br", "code", "pre", "ul", "ol", "li", "time",
];

/// What a message shows.
pub fn read(sent: &Value) -> Message {
    let mut message = Message::default();
    let (words, called) = markup(text(sent, "text"));
    called.iter().for_each(|user| message.call(format!("@{user}")));
    message.add(words.trim());
    for card in items(sent, "cardsV2").iter().filter_map(|card| card.get("card")) {
        let header = card.get("header").unwrap_or(&Value::Null);
        message.add(text(header, "title"));
        message.add(text(header, "subtitle"));
        let widgets = items(card, "sections")
            .iter()
            .flat_map(|section| items(section, "widgets"));
        widgets.for_each(|widget| add_widget(widget, &mut message));
    }
    message
}

fn add_widget(widget: &Value, message: &mut Message) {
    if let Some(paragraph) = widget.get("textParagraph") {
        let raw = text(paragraph, "text");
        message.accent = message.accent.or(colour(raw));
        message.add(&html(raw));
    }
    if let Some(decorated) = widget.get("decoratedText") {
        message.add_fact(text(decorated, "topLabel"), &html(text(decorated, "text")));
    }
    if let Some(buttons) = widget.get("buttonList") {
        message.add_buttons(
            items(buttons, "buttons")
                .iter()
                .map(|button| text(button, "text")),
        );
    }
}

/// The colour that a text begins with.
fn colour(text: &str) -> Option<u32> {
    let code = text.strip_prefix("<font color=\"#")?.get(..6)?;
    u32::from_str_radix(code, 16).ok()
}

/// A message's text without its marks, and the users whom it calls.
fn markup(text: &str) -> (String, Vec<String>) {
    let marks = ['*', '_', '~', '`'];
    let mut read = String::new();
    let mut called = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        read.push_str(&before.replace(marks, ""));
        let Some((inner, after)) = after.split_once('>') else {
            read.push('<');
            rest = after;
            continue;
        };
        match (inner.strip_prefix("users/"), inner.split_once('|')) {
            (Some(user), _) => called.push(user.to_owned()),
            (None, Some((_, label))) => read.push_str(label),
            (None, None) => read.push_str(inner),
        }
        rest = after;
    }
    read.push_str(&rest.replace(marks, ""));
    (read, called)
}

/// A card's text: known tags go, unknown ones stay, entities become what they stand for.
fn html(text: &str) -> String {
    let mut read = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        read.push_str(&entities(before));
        let name = |tag: &str| {
            tag.trim_matches('/')
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_lowercase()
        };
        match after.split_once('>').map(|(tag, after)| (name(tag), after)) {
            Some((tag, after)) if TAGS.contains(&tag.as_str()) => {
                read.extend((tag == "br").then_some('\n'));
                rest = after;
            }
            Some(_) | None => {
                read.push('<');
                rest = after;
            }
        }
    }
    read.push_str(&entities(rest));
    read
}

fn entities(text: &str) -> String {
    const ENTITIES: [(&str, &str); 5] = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        // Last, so that what it makes is not read again.
        ("&amp;", "&"),
    ];
    let replace = |text: String, (name, character): (&str, &str)| text.replace(name, character);
    ENTITIES.into_iter().fold(text.to_owned(), replace)
}

fn items<'a>(holder: &'a Value, name: &str) -> &'a [Value] {
    holder
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text<'a>(holder: &'a Value, name: &str) -> &'a str {
    holder.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_loses_its_marks_and_tells_whom_it_calls() {
        let message = read(&json!({ "text": "<users/all> *a* _b_ <https://a.b|link> 1 < 2" }));
        assert_eq!(message.parts, ["@all", "a b link 1 < 2"]);
        assert_eq!(message.mentions, ["@all"]);
    }

    #[test]
    fn a_card_shows_tags_of_people_as_text() {
        assert_eq!(
            html("<font color=\"#dc2626\"><b>a</b></font><br>&lt;b&gt; &amp;lt; <users/all>"),
            "a\n<b> &lt; <users/all>"
        );
    }
}
