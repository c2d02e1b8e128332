//! The schema of a message as the Chat API's discovery document gives it, as far as an incoming webhook may use it.
//! Google refuses members that it does not know and values of the wrong type.

use serde_json::{Map, Value};
use url::Url;

/// The largest message, in bytes.
const MAX_MESSAGE_BYTES: usize = 32_000;
/// The longest key of a thread, in characters.
const MAX_THREAD_KEY_LENGTH: usize = 4000;
/// The most widgets that a card shows; Google drops the others without a word.
const MAX_WIDGETS: usize = 100;

type Checked = Result<(), String>;

/// A message that Google takes, or else why not.
pub(super) fn read(body: &[u8]) -> Result<Value, String> {
    if body.len() > MAX_MESSAGE_BYTES {
        return Err(format!(
            "Message exceeds the maximum size of {MAX_MESSAGE_BYTES} bytes."
        ));
    }
    let message: Value =
        serde_json::from_slice(body).map_err(|_| "Invalid JSON payload received.".to_owned())?;
    let members = object(
        &message,
        "message",
        &["text", "fallbackText", "cardsV2", "thread"],
    )?;
    optional_text(members, "text", "message")?;
    optional_text(members, "fallbackText", "message")?;
    if let Some(thread) = members.get("thread") {
        let key = text(
            object(thread, "thread", &["threadKey", "name"])?,
            "threadKey",
            "thread",
        )?;
        if key.chars().count() > MAX_THREAD_KEY_LENGTH {
            return Err("Invalid value at 'message.thread.thread_key': too long.".into());
        }
    }
    let cards = optional_list(members, "cardsV2", "message")?;
    cards.iter().try_for_each(card_with_id)?;
    let has_text = members
        .get("text")
        .and_then(Value::as_str)
        .is_some_and(|text| !text.trim().is_empty());
    if !has_text && cards.is_empty() {
        return Err("Message cannot be empty.".into());
    }
    Ok(message)
}

fn card_with_id(value: &Value) -> Checked {
    let members = object(value, "cards_v2", &["cardId", "card"])?;
    optional_text(members, "cardId", "cards_v2")?;
    let card = members.get("card").ok_or_else(|| missing("cards_v2", "card"))?;
    let members = object(
        card,
        "card",
        &["header", "sections", "name", "sectionDividerStyle"],
    )?;
    if let Some(header) = members.get("header") {
        let header = object(
            header,
            "header",
            &["title", "subtitle", "imageUrl", "imageType", "imageAltText"],
        )?;
        text(header, "title", "header")?;
        optional_text(header, "subtitle", "header")?;
    }
    let sections = list(members, "sections", "card")?;
    let mut widgets = 0;
    for section in sections {
        let known = ["header", "widgets", "collapsible", "uncollapsibleWidgetsCount"];
        let section = object(section, "section", &known)?;
        let list = list(section, "widgets", "section")?;
        list.iter().try_for_each(widget)?;
        widgets += list.len();
    }
    match widgets {
        0 => Err("Card must have at least one widget.".into()),
        1..=MAX_WIDGETS => Ok(()),
        _ => Err(format!("widgets beyond {MAX_WIDGETS} would not be shown")),
    }
}

fn widget(value: &Value) -> Checked {
    let known = [
        "textParagraph",
        "decoratedText",
        "buttonList",
        "divider",
        "horizontalAlignment",
    ];
    let members = object(value, "widget", &known)?;
    let datas: Vec<_> = members
        .iter()
        .filter(|(name, _)| *name != "horizontalAlignment")
        .collect();
    let [(name, data)] = datas.as_slice() else {
        return Err("Widget must have exactly one of its data fields.".into());
    };
    match name.as_str() {
        "textParagraph" => html(
            object(data, "text_paragraph", &["text", "maxLines"])?,
            "text_paragraph",
        ),
        "decoratedText" => decorated_text(data),
        "buttonList" => {
            let buttons = list(
                object(data, "button_list", &["buttons"])?,
                "buttons",
                "button_list",
            )?;
            buttons.iter().try_for_each(button)
        }
        _ => object(data, "divider", &[]).map(drop),
    }
}

fn decorated_text(data: &Value) -> Checked {
    let known = [
        "startIcon",
        "topLabel",
        "text",
        "wrapText",
        "bottomLabel",
        "onClick",
        "button",
        "endIcon",
    ];
    let members = object(data, "decorated_text", &known)?;
    optional_text(members, "topLabel", "decorated_text")?;
    if !matches!(members.get("wrapText"), None | Some(Value::Bool(_))) {
        return Err("Invalid value at 'decorated_text.wrap_text' (TYPE_BOOL)".into());
    }
    if let Some(icon) = members.get("startIcon") {
        let icon = object(
            icon,
            "icon",
            &["knownIcon", "iconUrl", "materialIcon", "altText", "imageType"],
        )?;
        if let Some(material) = icon.get("materialIcon") {
            let material = object(material, "material_icon", &["name", "fill", "weight", "grade"])?;
            text(material, "name", "material_icon")?;
        }
    }
    html(members, "decorated_text")
}

/// A text with tags: each `<` that is no escape must open or close a tag that Google knows.
fn html(members: &Map<String, Value>, place: &str) -> Checked {
    const KNOWN: &[&str] = &[
        "<b>", "</b>", "<i>", "</i>", "<u>", "</u>", "<s>", "</s>", "</font>", "</a>", "<br>",
    ];
    let text = text(members, "text", place)?;
    let is_known = |rest: &str| {
        KNOWN.iter().any(|tag| rest.starts_with(tag))
            || rest.starts_with("<font color=\"#")
            || rest.starts_with("<a href=\"https://")
    };
    let unknown = text
        .match_indices('<')
        .find(|(index, _)| !is_known(text.get(*index..).unwrap_or_default()));
    match unknown {
        None => Ok(()),
        Some((index, _)) => Err(format!(
            "a tag at byte {index} of '{place}.text' would be shown as it is"
        )),
    }
}

fn button(value: &Value) -> Checked {
    let members = object(
        value,
        "button",
        &["text", "icon", "color", "onClick", "disabled", "altText", "type"],
    )?;
    text(members, "text", "button")?;
    let click = members
        .get("onClick")
        .ok_or_else(|| missing("button", "on_click"))?;
    let click = object(click, "on_click", &["openLink"])?;
    let link = click
        .get("openLink")
        .ok_or_else(|| missing("on_click", "open_link"))?;
    let url = text(
        object(link, "open_link", &["url", "openAs", "onClose"])?,
        "url",
        "open_link",
    )?;
    Url::parse(url)
        .map(drop)
        .map_err(|_| "Invalid value at 'open_link.url'".into())
}

/// The members of an object that has no others than these.
fn object<'a>(value: &'a Value, place: &str, known: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let members = value
        .as_object()
        .ok_or_else(|| format!("Invalid value at '{place}' (TYPE_MESSAGE)"))?;
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(members),
        Some(name) => Err(format!(
            "Invalid JSON payload received. Unknown name \"{name}\" at '{place}': Cannot find field."
        )),
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str, place: &str) -> Result<&'a str, String> {
    match members.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(Value::String(_)) | None => Err(missing(place, name)),
        Some(_) => Err(format!("Invalid value at '{place}.{name}' (TYPE_STRING)")),
    }
}

fn optional_text(members: &Map<String, Value>, name: &str, place: &str) -> Checked {
    match members.get(name) {
        None | Some(Value::String(_)) => Ok(()),
        Some(_) => Err(format!("Invalid value at '{place}.{name}' (TYPE_STRING)")),
    }
}

fn list<'a>(members: &'a Map<String, Value>, name: &str, place: &str) -> Result<&'a [Value], String> {
    let list = members.get(name).ok_or_else(|| missing(place, name))?.as_array();
    list.map(Vec::as_slice)
        .ok_or_else(|| format!("Invalid value at '{place}.{name}' (repeated)"))
}

fn optional_list<'a>(
    members: &'a Map<String, Value>,
    name: &str,
    place: &str,
) -> Result<&'a [Value], String> {
    match members.get(name) {
        None => Ok(&[]),
        Some(_) => list(members, name, place),
    }
}

fn missing(place: &str, name: &str) -> String {
    format!("Missing required field '{name}' at '{place}'.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(message: &Value) -> Checked {
        read(message.to_string().as_bytes()).map(drop)
    }

    fn with_widgets(widgets: &Value) -> Checked {
        check(&json!({ "cardsV2": [{ "card": { "sections": [{ "widgets": widgets }] } }] }))
    }

    #[test]
    fn a_message_needs_a_text_or_a_card() {
        assert_eq!(check(&json!({ "text": "hello" })), Ok(()));
        assert!(check(&json!({ "text": " " })).is_err());
        assert!(check(&json!({ "fallbackText": "hello" })).is_err());
        assert!(read(b"text=hello").is_err());
    }

    #[test]
    fn members_that_google_does_not_know_are_refused() {
        assert!(check(&json!({ "text": "hello", "colour": "red" })).is_err());
        assert!(check(&json!({ "text": 1 })).is_err());
        assert!(with_widgets(&json!([{ "keyValue": { "content": "a" } }])).is_err());
        assert!(with_widgets(&json!([{ "textParagraph": { "text": "a" }, "divider": {} }])).is_err());
        assert!(with_widgets(&json!([{ "decoratedText": { "text": "a", "wrapText": "yes" } }])).is_err());
    }

    #[test]
    fn a_message_may_have_32000_bytes_and_no_more() {
        let body = |length: usize| json!({ "text": "x".repeat(length) }).to_string();
        let room = MAX_MESSAGE_BYTES - body(0).len();
        assert!(read(body(room).as_bytes()).is_ok());
        assert!(read(body(room + 1).as_bytes()).is_err());
    }

    #[test]
    fn a_card_shows_a_hundred_widgets_and_no_more() {
        let widgets = |count| Value::from(vec![json!({ "divider": {} }); count]);
        assert_eq!(with_widgets(&widgets(100)), Ok(()));
        assert!(with_widgets(&widgets(101)).is_err());
        assert!(with_widgets(&widgets(0)).is_err());
    }

    #[test]
    fn only_links_work_for_a_webhook() {
        let button = |click: Value| {
            with_widgets(&json!([{ "buttonList": { "buttons": [{ "text": "Go", "onClick": click }] } }]))
        };
        assert_eq!(
            button(json!({ "openLink": { "url": "https://ops.example/" } })),
            Ok(())
        );
        assert!(button(json!({ "openLink": { "url": "nowhere" } })).is_err());
        assert!(button(json!({ "action": { "function": "ack" } })).is_err());
    }

    #[test]
    fn tags_that_google_does_not_know_are_found() {
        let paragraph = |text: &str| with_widgets(&json!([{ "textParagraph": { "text": text } }]));
        assert_eq!(
            paragraph("<font color=\"#dc2626\"><b>a &lt; b</b></font>"),
            Ok(())
        );
        assert!(paragraph("<users/all>").is_err());
        assert!(paragraph("a < b").is_err());
        assert!(paragraph("").is_err());
    }
}
