//! A message as a reader of Discord sees it, after "Message Formatting" (reference) and "Allowed Mentions Object"
//! (resources/message): backslashes decoded, bold marks dropped, times written out, links by their labels.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::message::Message;

/// The message that these members make.
pub fn read(members: &Map<String, Value>) -> Message {
    let mut message = Message::default();
    let content = members.get("content").and_then(Value::as_str);
    let allowed = members
        .get("allowed_mentions")
        .filter(|allowed| !allowed.is_null());
    add_content(content.unwrap_or_default(), allowed, &mut message);
    for embed in members.get("embeds").map_or(&[][..], items) {
        let colour = embed["color"].as_u64();
        let colour = colour.and_then(|colour| u32::try_from(colour).ok());
        message.accent = message.accent.or(colour);
        add_embed(embed, &mut message);
    }
    message
}

/// The text above the embeds: those whom it calls, then the rest.
fn add_content(content: &str, allowed: Option<&Value>, message: &mut Message) {
    let mut lines = Vec::new();
    for line in content.lines() {
        let (calls, rest): (Vec<&str>, Vec<&str>) = line.split(' ').partition(|word| calls(word, allowed));
        calls.into_iter().for_each(|word| message.call(word.to_owned()));
        lines.push(plain(&rest.join(" ")));
    }
    message.add(lines.join("\n").trim());
}

/// Whether a word makes a sound. Without `allowed_mentions` every mention does; a backslash before one changes only how
/// it looks.
fn calls(word: &str, allowed: Option<&Value>) -> bool {
    let has =
        |allowed: &Value, list: &str, wanted: &str| items(&allowed[list]).iter().any(|one| one == wanted);
    let may = |kind: &str, id: &str| {
        allowed.is_none_or(|allowed| has(allowed, "parse", kind) || has(allowed, kind, id))
    };
    let id_after = |prefix: &str| word.split_once(prefix)?.1.split_once('>').map(|(id, _)| id);
    id_after("<@&").is_some_and(|id| may("roles", id))
        || id_after("<@").is_some_and(|id| may("users", id.trim_start_matches('!')))
        || ["@everyone", "@here"].iter().any(|name| word.contains(name)) && may("everyone", "")
}

fn add_embed(embed: &Value, message: &mut Message) {
    let text = |value: &Value| plain(value.as_str().unwrap_or_default());
    message.add(&text(&embed["title"]));
    message.add(&text(&embed["description"]));
    let mut rows = Vec::new();
    for field in items(&embed["fields"]) {
        match labels(field["value"].as_str().unwrap_or_default()) {
            Some(labels) => rows.push(labels),
            None => message.add_fact(&text(&field["name"]), &text(&field["value"])),
        }
    }
    rows.into_iter()
        .for_each(|labels| message.add_buttons(labels.into_iter()));
    message.add(embed["footer"]["text"].as_str().unwrap_or_default());
}

/// The labels of a text that is nothing but links.
fn labels(text: &str) -> Option<Vec<&str>> {
    let label = |part| link(part).and_then(|(label, rest)| rest.is_empty().then_some(label));
    text.split(" · ").map(label).collect()
}

/// The label of the link that a text begins with, and what follows it.
fn link(text: &str) -> Option<(&str, &str)> {
    let (label, rest) = text.strip_prefix('[')?.split_once("](http")?;
    let (_, rest) = rest.split_once(')')?;
    (!label.contains(['[', ']', '\\', '\n'])).then_some((label, rest))
}

/// The time that a text begins with, and what follows it.
fn time(text: &str) -> Option<(String, &str)> {
    let (inner, rest) = text.strip_prefix("<t:")?.split_once('>')?;
    let at = Timestamp::from_second(inner.split(':').next()?.parse().ok()?).ok()?;
    Some((at.strftime("%Y-%m-%d %H:%M UTC").to_string(), rest))
}

/// A text without its markdown.
fn plain(text: &str) -> String {
    let mut read = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let after = rest.strip_prefix(character).unwrap_or_default();
        let escaped = after
            .chars()
            .next()
            .filter(|next| character == '\\' && next.is_ascii_punctuation());
        if let Some((label, after)) = link(rest) {
            read.push_str(label);
            rest = after;
        } else if let Some((time, after)) = time(rest) {
            read.push_str(&time);
            rest = after;
        } else if let Some(escaped) = escaped {
            read.push(escaped);
            rest = after.strip_prefix(escaped).unwrap_or_default();
        } else if let Some(after) = rest.strip_prefix("**") {
            rest = after;
        } else {
            read.push(character);
            rest = after;
        }
    }
    read
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
    fn markdown_reads_as_discord_shows_it() {
        let content = r"**a** \*b\* <t:1705314600:R> [c](https://a.b)";
        assert_eq!(
            seen(&json!({ "content": content })).text(),
            "a *b* 2024-01-15 10:30 UTC c"
        );
        let links = json!({ "name": "Go", "value": "[a](https://a.b) · [b](https://a.b)" });
        let fact = json!({ "name": "Status", "value": "Resolved" });
        let embed = json!({ "title": "t", "color": 255, "fields": [links, fact] });
        let message = seen(&json!({ "embeds": [embed] }));
        assert_eq!(
            (message.accent, message.text().as_str()),
            (Some(255), "t\nStatus: Resolved\n[a] [b]")
        );
    }

    #[test]
    fn only_those_mentions_call_that_are_allowed() {
        let mentions = |allowed: Value| {
            let content = "@here <@&1> <@2> hello";
            seen(&json!({ "content": content, "allowed_mentions": allowed })).mentions
        };
        assert_eq!(mentions(json!({ "parse": [] })), [""; 0]);
        assert_eq!(mentions(json!({ "parse": [], "roles": ["1"] })), ["<@&1>"]);
        assert_eq!(mentions(json!({ "parse": ["everyone"] })), ["@here"]);
        assert_eq!(mentions(Value::Null), ["@here", "<@&1>", "<@2>"]);
    }
}
