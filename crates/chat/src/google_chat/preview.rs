//! A message as Google Chat shows it.

use serde_json::Value;

use crate::google_chat::markup::{read_html, read_text};
use destination::preview::{Part, Preview};

/// What a reader of Google Chat sees of a body; nothing if it holds neither text nor card.
pub(super) fn preview(body: &[u8]) -> Option<Preview> {
    let message: Value = serde_json::from_slice(body).ok()?;
    let card = message.pointer("/cardsV2/0/card");
    if card.is_none() && message.get("text").is_none() {
        return None;
    }
    let mut shown = Preview::default();
    let (words, called) = read_text(text(&message, "text"));
    shown
        .parts
        .extend(called.into_iter().map(|user| Part::Mention(format!("@{user}"))));
    if !words.trim().is_empty() {
        shown.parts.push(Part::Text(words.trim().to_owned()));
    }
    if let Some(card) = card {
        show_card(card, &mut shown);
    }
    Some(shown)
}

fn show_card(card: &Value, shown: &mut Preview) {
    let header = card.get("header").unwrap_or(&Value::Null);
    let lines = [text(header, "title"), text(header, "subtitle")];
    let lines = lines.iter().filter(|line| !line.is_empty());
    shown
        .parts
        .extend(lines.map(|line| Part::Quiet((*line).to_owned())));
    for section in items(card, "sections") {
        for widget in items(section, "widgets") {
            show_widget(widget, shown);
        }
    }
}

fn show_widget(widget: &Value, shown: &mut Preview) {
    if let Some(paragraph) = widget.get("textParagraph") {
        let raw = text(paragraph, "text");
        shown.accent = shown.accent.or_else(|| colour(raw));
        shown.parts.push(match raw.contains("<b>") {
            true => Part::Heading(read_html(raw)),
            false => Part::Text(read_html(raw)),
        });
    }
    if let Some(decorated) = widget.get("decoratedText") {
        let fact = (
            text(decorated, "topLabel").to_owned(),
            read_html(text(decorated, "text")),
        );
        match shown.parts.last_mut() {
            Some(Part::Facts(facts)) => facts.push(fact),
            _ => shown.parts.push(Part::Facts(vec![fact])),
        }
    }
    if let Some(buttons) = widget.get("buttonList") {
        let labels = items(buttons, "buttons")
            .iter()
            .map(|button| text(button, "text").to_owned());
        shown.parts.push(Part::Buttons(labels.collect()));
    }
}

/// The colour that a text begins with.
fn colour(text: &str) -> Option<u32> {
    let code = text.strip_prefix("<font color=\"#")?.get(..6)?;
    u32::from_str_radix(code, 16).ok()
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
    use crate::google_chat::render::render;
    use crate::google_chat::tests::sample;
    use model::event::EventName;

    #[test]
    fn a_card_is_shown_from_top_to_bottom() {
        let mut sample = sample(EventName::Triggered).with_option("mention", "all");
        sample.links.incident = Some("https://ops.example/incidents/1".into());
        let shown = preview(&render(&sample.task()).unwrap().body).unwrap();
        let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = vec![
            Part::Mention("@all".into()),
            Part::Text("🔴 Triggered: Database connection timeout".into()),
            Part::Quiet("🔴 Triggered".into()),
            Part::Quiet("Critical · OpsKnight".into()),
            Part::Heading("Database connection timeout".into()),
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
    fn what_is_no_message_is_not_shown() {
        assert_eq!(preview(b"text"), None);
        assert_eq!(preview(b"{}"), None);
    }
}
