//! A workflow's request as Teams shows it.

use serde_json::Value;

use crate::teams::markdown;
use destination::preview::{Part, Preview};

/// What a reader of Teams sees of a body; nothing if it holds no Adaptive Card.
pub(super) fn preview(body: &[u8]) -> Option<Preview> {
    let message: Value = serde_json::from_slice(body).ok()?;
    let content = message.get("attachments")?.get(0)?.get("content")?;
    let mut shown = Preview::default();
    let entities = content.pointer("/msteams/entities").map_or(&[][..], items);
    let tags: Vec<_> = entities.iter().map(|entity| text(entity, "text")).collect();
    for element in items(content.get("body")?) {
        show_element(element, &tags, &mut shown);
    }
    let labels: Vec<_> = content
        .get("actions")
        .map_or(&[][..], items)
        .iter()
        .map(|action| text(action, "title").to_owned())
        .collect();
    if !labels.is_empty() {
        shown.parts.push(Part::Buttons(labels));
    }
    Some(shown)
}

/// One element of a card. Containers hold no containers here.
fn show_element(element: &Value, tags: &[&str], shown: &mut Preview) {
    match text(element, "type") {
        "Container" => {
            shown.accent = accent(text(element, "style"));
            for item in element.get("items").map_or(&[][..], items) {
                show_block(item, tags, shown);
            }
        }
        _ => show_block(element, tags, shown),
    }
}

fn show_block(block: &Value, tags: &[&str], shown: &mut Preview) {
    match text(block, "type") {
        "TextBlock" => shown.parts.extend(show_text(block, tags)),
        "ColumnSet" => {
            let columns = block.get("columns").map_or(&[][..], items);
            let texts = columns
                .iter()
                .filter_map(|column| column.get("items"))
                .flat_map(items);
            let words: Vec<_> = texts.map(|item| markdown::read(text(item, "text"))).collect();
            shown.parts.push(Part::Quiet(words.join(" · ")));
        }
        "FactSet" => {
            let facts = block.get("facts").map_or(&[][..], items).iter();
            let pairs = facts.map(|fact| {
                let part = |name| markdown::read(text(fact, name));
                (part("title"), part("value"))
            });
            shown.parts.push(Part::Facts(pairs.collect()));
        }
        _ => {}
    }
}

/// A block of text: mentions are what the card names as such, and nothing else that looks like one.
fn show_text(block: &Value, tags: &[&str]) -> Vec<Part> {
    let raw = text(block, "text");
    let called: Vec<_> = tags
        .iter()
        .filter(|tag| raw.contains(**tag))
        .filter_map(|tag| tag.strip_prefix("<at>")?.strip_suffix("</at>"))
        .map(|name| Part::Mention(format!("@{name}")))
        .collect();
    if !called.is_empty() {
        return called;
    }
    let text_shown = markdown::read(raw);
    vec![match text(block, "size") {
        "Large" => Part::Heading(text_shown),
        _ => Part::Text(text_shown),
    }]
}

/// The colour of a container's style.
fn accent(style: &str) -> Option<u32> {
    match style {
        "attention" => Some(0xdc_26_26),
        "warning" => Some(0xf5_9e_0b),
        "good" => Some(0x16_a3_4a),
        "accent" => Some(0x25_63_eb),
        _ => None,
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::teams::render::render;
    use crate::teams::tests::sample;
    use model::event::EventName;

    #[test]
    fn a_card_is_shown_from_top_to_bottom() {
        let mut sample =
            sample(EventName::Triggered).with_option("mention", "Ada Lovelace <ada@example.com>");
        sample.links.incident = Some("https://ops.example/incidents/1".into());
        let shown = preview(&render(&sample.task()).unwrap().body).unwrap();
        let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = vec![
            Part::Quiet("🔴 Triggered · Critical".into()),
            Part::Heading("Database connection timeout".into()),
            Part::Mention("@Ada Lovelace".into()),
            Part::Facts(vec![
                fact("Status", "Triggered"),
                fact("Service", "API Gateway"),
                fact("Assignee", "nobody"),
                fact("Since", "2024-01-15 10:30 UTC"),
            ]),
            Part::Buttons(vec!["Open incident".into()]),
        ];
        assert_eq!((shown.accent, shown.parts), (Some(0xdc_26_26), expected));
    }

    #[test]
    fn what_is_no_card_is_not_shown() {
        assert_eq!(preview(b"text"), None);
        assert_eq!(preview(br#"{"text":"hello"}"#), None);
    }
}
