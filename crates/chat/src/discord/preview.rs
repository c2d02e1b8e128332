//! A message's JSON as a reader of Discord sees it: escapes decoded, marks of style dropped, times written out, links
//! shown by their labels.

use serde_json::Value;

use destination::preview::{Part, Preview};
use model::display::TimeDisplay;
use model::time::Timestamp;

/// The message; nothing if the JSON is none.
pub fn preview(message: &Value) -> Option<Preview> {
    let message = message.as_object()?;
    let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
    let allowed = message.get("allowed_mentions");
    let mut shown = Preview::default();
    shown.parts.extend(content(text("content"), allowed));
    let embeds = message.get("embeds").and_then(Value::as_array);
    for embed in embeds.into_iter().flatten() {
        let colour = embed["color"]
            .as_u64()
            .and_then(|colour| u32::try_from(colour).ok());
        shown.accent = shown.accent.or(colour);
        shown.parts.extend(parts(embed));
    }
    Some(shown)
}

/// The text above the embeds: what calls somebody, then the rest.
fn content(content: &str, allowed: Option<&Value>) -> Vec<Part> {
    let is_call = |word: &&str| calls(word, allowed);
    let calls = content.split_whitespace().filter(is_call);
    let mut parts: Vec<Part> = calls.map(|word| Part::Mention(word.to_owned())).collect();
    let lines = content.lines().map(|line| {
        let rest = line.split(' ').filter(|word| !is_call(word));
        plain(&rest.collect::<Vec<_>>().join(" "))
    });
    let rest = lines.collect::<Vec<_>>().join("\n");
    if !rest.trim().is_empty() {
        parts.push(Part::Text(rest.trim().to_owned()));
    }
    parts
}

/// Whether a word of a message makes a sound. Without `allowed_mentions` Discord lets every mention call; a backslash
/// changes how a mention looks and not whether it calls.
fn calls(word: &str, allowed: Option<&Value>) -> bool {
    let lists = |list: &str, id: &str| {
        allowed.is_none_or(|allowed| {
            let has = |list: &str, wanted: &str| {
                let list = allowed[list].as_array();
                list.is_some_and(|list| list.iter().any(|value| value == wanted))
            };
            has("parse", list) || has(list, id)
        })
    };
    let inner = |prefix: &str| word.split_once(prefix)?.1.split_once('>').map(|(id, _)| id);
    let role = inner("<@&").is_some_and(|id| lists("roles", id));
    let user = inner("<@").is_some_and(|id| lists("users", id.trim_start_matches('!')));
    let everyone = word.contains("@everyone") || word.contains("@here");
    role || user || everyone && lists("everyone", "")
}

fn parts(embed: &Value) -> Vec<Part> {
    let text = |pointer: &str| embed.pointer(pointer).and_then(Value::as_str);
    let mut parts = Vec::new();
    parts.extend(text("/title").map(|title| Part::Heading(plain(title))));
    parts.extend(text("/description").map(|description| Part::Text(plain(description))));
    let fields = embed["fields"].as_array().map_or(&[][..], Vec::as_slice);
    let mut facts = Vec::new();
    let mut buttons = Vec::new();
    for field in fields {
        let name = field["name"].as_str().unwrap_or_default();
        let value = field["value"].as_str().unwrap_or_default();
        match labels(value) {
            Some(labels) => buttons.push(Part::Buttons(labels)),
            None => facts.push((plain(name), plain(value))),
        }
    }
    if !facts.is_empty() {
        parts.push(Part::Facts(facts));
    }
    parts.extend(buttons);
    parts.extend(text("/footer/text").map(|footer| Part::Quiet(footer.to_owned())));
    parts
}

/// The labels of a text that is nothing but links.
fn labels(text: &str) -> Option<Vec<String>> {
    let label = |part: &str| {
        let (label, rest) = link(part)?;
        rest.is_empty().then_some(label)
    };
    text.split(" · ").map(label).collect()
}

/// The label of the link that a text begins with, and what follows it.
fn link(text: &str) -> Option<(String, &str)> {
    let (label, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (url, rest) = rest.split_once(')')?;
    let is_link = url.starts_with("http") && !label.contains(['[', ']', '\\', '\n']);
    is_link.then(|| (label.to_owned(), rest))
}

/// The time that a text begins with, and what follows it.
fn time(text: &str) -> Option<(String, &str)> {
    let (inner, rest) = text.strip_prefix("<t:")?.split_once('>')?;
    let seconds = inner.split(':').next()?;
    let seconds: i64 = seconds.parse().ok()?;
    let at = Timestamp::from_millis(seconds.checked_mul(1000)?);
    Some((TimeDisplay::default().text(at), rest))
}

/// A text without its markdown.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    loop {
        let here = rest.as_str();
        let Some(character) = rest.next() else {
            return plain;
        };
        let escaped = rest.clone().next().filter(char::is_ascii_punctuation);
        if let Some((shown, after)) = link(here).or_else(|| time(here)) {
            plain.push_str(&shown);
            rest = after.chars();
        } else if let (Some(escaped), '\\') = (escaped, character) {
            plain.push(escaped);
            rest.next();
        } else if let Some(after) = here.strip_prefix("**") {
            rest = after.chars();
        } else {
            plain.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discord::escape::fit;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_reader_sees_no_escapes_and_no_markdown() {
        assert_eq!(
            plain(r"**Now** \*a\* \\ <t:1705314600:R>"),
            r"Now *a* \ 2024-01-15 10:30 UTC"
        );
        assert_eq!(plain("see [this](https://a.b/c) now"), "see this now");
        assert_eq!(plain(r"\[this\](https\://a.b)"), "[this](https://a.b)");
    }

    #[test]
    fn only_what_is_allowed_calls_anybody() {
        let message = |allowed: Value| {
            let content = "@here <@&1> <@2> hello";
            let message = json!({ "content": content, "allowed_mentions": allowed });
            preview(&message).unwrap().parts
        };
        let silent = message(json!({ "parse": [] }));
        assert_eq!(silent, [Part::Text("@here <@&1> <@2> hello".into())]);
        let role = message(json!({ "parse": [], "roles": ["1"] }));
        assert_eq!(role[0], Part::Mention("<@&1>".into()));
        let everyone = message(json!({ "parse": ["everyone"] }));
        assert_eq!(everyone[0], Part::Mention("@here".into()));
    }

    #[test]
    fn without_allowed_mentions_everything_calls() {
        let shown = preview(&json!({ "content": "@everyone look" })).unwrap();
        assert_eq!(shown.parts[0], Part::Mention("@everyone".into()));
    }

    proptest! {
        #[test]
        fn every_text_reads_back_from_its_escaped_form(text in "\\PC{0,60}|[*_~<>@\\[\\]()\\\\:a-c ]{0,40}") {
            prop_assert_eq!(plain(&fit(&text, usize::MAX)), text);
        }
    }
}
