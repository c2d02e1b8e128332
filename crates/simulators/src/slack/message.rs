//! A message as a reader of Slack sees it, after "Formatting message text" and the Block Kit reference: entities decoded,
//! dates by their fallback, links by their labels. The text of a message with blocks is for notifications alone.

use serde_json::{Map, Value};

use crate::message::Message;

/// The message that these members make.
pub fn read(members: &Map<String, Value>) -> Message {
    let list = |name: &str| {
        members
            .get(name)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice)
    };
    let mut message = Message::default();
    if list("blocks").is_empty() {
        let text = members.get("text").and_then(Value::as_str);
        add_markup(text.unwrap_or_default(), &mut message);
    }
    list("blocks")
        .iter()
        .for_each(|block| add_block(block, &mut message));
    for attachment in list("attachments") {
        let colour = attachment["color"]
            .as_str()
            .and_then(|colour| colour.strip_prefix('#'));
        let colour = colour.and_then(|colour| u32::from_str_radix(colour, 16).ok());
        message.accent = message.accent.or(colour);
        items(&attachment["blocks"])
            .iter()
            .for_each(|block| add_block(block, &mut message));
    }
    message
}

fn add_block(block: &Value, message: &mut Message) {
    let elements = items(&block["elements"]);
    match block["type"].as_str().unwrap_or_default() {
        "header" => message.add(&plain(&block["text"])),
        "section" => {
            match block["text"]["type"].as_str() {
                Some("mrkdwn") => add_markup(text(&block["text"]), message),
                _ => message.add(&plain(&block["text"])),
            }
            for field in items(&block["fields"]) {
                message.add(&plain(field).replacen('\n', ": ", 1));
            }
        }
        "context" => {
            let texts: Vec<_> = elements.iter().map(plain).collect();
            message.add(&texts.join(" · "));
        }
        "actions" => {
            let labels: Vec<_> = elements.iter().map(|button| plain(&button["text"])).collect();
            message.add_buttons(labels.iter().map(String::as_str));
        }
        _ => {}
    }
}

/// A text with markup: those whom it calls, then the rest.
fn add_markup(text: &str, message: &mut Message) {
    let (text, calls) = markup(text);
    calls.into_iter().for_each(|name| message.call(name));
    message.add(text.trim());
}

/// The text of a text object, without those whom it calls.
fn plain(object: &Value) -> String {
    match object["type"].as_str() {
        Some("mrkdwn") => markup(text(object)).0,
        _ => decode(text(object)),
    }
}

/// A text with markup as it reads, and those whom it calls.
fn markup(text: &str) -> (String, Vec<String>) {
    let mut read = String::new();
    let mut calls = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        read.push_str(&decode(before));
        let Some((inner, after)) = after.split_once('>') else {
            return (format!("{read}<{}", decode(after)), calls);
        };
        let (target, label) = inner.split_once('|').unwrap_or((inner, ""));
        let label = decode(label);
        match target.strip_prefix(['!', '@']) {
            Some(date) if date.starts_with("date^") => read.push_str(&label),
            Some(name) if label.is_empty() => calls.push(format!("@{name}")),
            Some(_) => calls.push(label),
            None if label.is_empty() => read.push_str(&decode(target)),
            None => read.push_str(&label),
        }
        rest = after;
    }
    read.push_str(&decode(rest));
    (read, calls)
}

/// The only three entities that Slack knows.
fn decode(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

fn text(object: &Value) -> &str {
    object["text"].as_str().unwrap_or_default()
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(message: &Value) -> Message {
        read(message.as_object().unwrap())
    }

    #[test]
    fn markup_reads_as_slack_shows_it() {
        let text =
            "<!here> <@U1> see <https://a.b|this &amp; that> at <!date^1^{ago}|noon> &lt;!channel&gt; 1 < 2";
        let message = seen(&json!({ "text": text }));
        assert_eq!(
            message.parts,
            ["@here", "@U1", "see this & that at noon <!channel> 1 < 2"]
        );
        assert_eq!(message.mentions, ["@here", "@U1"]);
    }

    #[test]
    fn the_text_shows_only_without_blocks() {
        let header = json!({ "type": "header", "text": { "type": "plain_text", "text": "a &lt;b&gt;" } });
        assert_eq!(
            seen(&json!({ "text": "hidden", "blocks": [header] })).text(),
            "a <b>"
        );
        assert_eq!(seen(&json!({ "text": "seen", "blocks": [] })).text(), "seen");
    }
}
