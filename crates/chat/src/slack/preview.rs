//! A message's JSON as a reader of Slack sees it: entities decoded, times written out, links shown by their labels. The
//! text of a message with blocks is for notifications only and is not shown.

use serde_json::Value;

use crate::slack::escape::unescape;
use destination::preview::{Part, Preview};

/// The message; nothing if the JSON is none.
pub fn preview(message: &Value) -> Option<Preview> {
    message.as_object()?;
    let list = |name: &str| message[name].as_array().map_or(&[][..], Vec::as_slice);
    let mut shown = Preview::default();
    if list("blocks").is_empty() {
        let text = message["text"].as_str().unwrap_or_default();
        shown.parts.extend(text_parts(text));
    }
    shown.parts.extend(list("blocks").iter().flat_map(block));
    for attachment in list("attachments") {
        let colour = attachment["color"]
            .as_str()
            .and_then(|colour| colour.strip_prefix('#'));
        let colour = colour.and_then(|colour| u32::from_str_radix(colour, 16).ok());
        shown.accent = shown.accent.or(colour);
        let blocks = attachment["blocks"].as_array().into_iter().flatten();
        shown.parts.extend(blocks.flat_map(block));
    }
    Some(shown)
}

fn block(block: &Value) -> Vec<Part> {
    let elements = || block["elements"].as_array().into_iter().flatten();
    match block["type"].as_str() {
        Some("header") => vec![Part::Heading(object_text(&block["text"]))],
        Some("section") => section(block),
        Some("context") => {
            let texts: Vec<_> = elements().map(object_text).collect();
            vec![Part::Quiet(texts.join(" · "))]
        }
        Some("actions") => vec![Part::Buttons(
            elements().map(|element| object_text(&element["text"])).collect(),
        )],
        _ => Vec::new(),
    }
}

fn section(block: &Value) -> Vec<Part> {
    let text = &block["text"];
    let content = text["text"].as_str().unwrap_or_default();
    let mut parts = match text["type"].as_str() {
        Some("mrkdwn") => text_parts(content),
        Some(_) => vec![Part::Text(unescape(content))],
        None => Vec::new(),
    };
    let fields = block["fields"].as_array().into_iter().flatten();
    let facts: Vec<_> = fields.map(|field| fact(&object_text(field))).collect();
    if !facts.is_empty() {
        parts.push(Part::Facts(facts));
    }
    parts
}

/// A field's first word and the rest.
fn fact(text: &str) -> (String, String) {
    let (name, value) = text
        .split_once('\n')
        .or_else(|| text.split_once(": "))
        .unwrap_or(("", text));
    (name.to_owned(), value.to_owned())
}

/// The text of a text object.
fn object_text(object: &Value) -> String {
    let text = object["text"].as_str().unwrap_or_default();
    match object["type"].as_str() {
        Some("mrkdwn") => marked(text).0,
        _ => unescape(text),
    }
}

/// A text with markup: those whom it calls, then the rest.
fn text_parts(text: &str) -> Vec<Part> {
    let (text, calls) = marked(text);
    let text = text.trim();
    let mut parts: Vec<Part> = calls.into_iter().map(Part::Mention).collect();
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
    parts
}

/// A text with markup as it reads, without those whom it calls, and those.
fn marked(text: &str) -> (String, Vec<String>) {
    let mut read = String::with_capacity(text.len());
    let mut calls = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        read.push_str(&unescape(before));
        let Some((inner, after)) = after.split_once('>') else {
            read.push('<');
            rest = after;
            continue;
        };
        let (target, label) = match inner.split_once('|') {
            Some((target, label)) => (target, Some(unescape(label))),
            None => (inner, None),
        };
        match (target.strip_prefix("!date^"), target.strip_prefix(['!', '@'])) {
            (Some(_), _) => read.push_str(&label.unwrap_or_default()),
            (None, Some(name)) => calls.push(label.unwrap_or_else(|| format!("@{name}"))),
            (None, None) => read.push_str(&label.unwrap_or_else(|| unescape(target))),
        }
        rest = after
            .strip_prefix(' ')
            .filter(|_| read.is_empty())
            .unwrap_or(after);
    }
    read.push_str(&unescape(rest));
    (read, calls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slack::escape::escape;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn markup_reads_as_slack_shows_it() {
        let text = "<!here> <@U1> see <https://a.b|this &amp; that> at <!date^1^{ago}|noon> &lt;!channel&gt;";
        let (text, calls) = marked(text);
        assert_eq!(text, "see this & that at noon <!channel>");
        assert_eq!(calls, ["@here", "@U1"]);
        assert_eq!(marked("1 < 2").0, "1 < 2");
    }

    #[test]
    fn the_text_shows_only_without_blocks() {
        let header = json!({ "type": "header", "text": { "type": "plain_text", "text": "a &lt;b&gt;" } });
        let with = preview(&json!({ "text": "hidden", "blocks": [header] })).unwrap();
        assert_eq!(with.parts, [Part::Heading("a <b>".into())]);
        let without = preview(&json!({ "text": "<!channel> seen", "blocks": [] })).unwrap();
        assert_eq!(
            without.parts,
            [Part::Mention("@channel".into()), Part::Text("seen".into())]
        );
    }

    proptest! {
        #[test]
        fn every_text_reads_back_from_its_escaped_form(text in "\\PC{0,60}|[<>&!@|a;mplt ]{0,40}") {
            let (read, calls) = marked(&escape(&text));
            prop_assert_eq!(read, text);
            prop_assert!(calls.is_empty());
        }
    }
}
