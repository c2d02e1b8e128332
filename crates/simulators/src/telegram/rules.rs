//! What the Bot API takes in a message, for [`super`]: written from its reference (core.telegram.org/bots/api,
//! 10.1: sendMessage, editMessageText, MessageEntity, InlineKeyboardMarkup) and the refusals of the open source of
//! telegram-bot-api and tdlib. Lengths are in UTF-16 units, as the reference has it for entities.

use serde_json::Value;
use url::{Host, Url};

const MAX_TEXT: usize = 4096;
const MAX_ENTITIES: usize = 100;
const MAX_CALLBACK_DATA_BYTES: usize = 64;
const MAX_BUTTONS: usize = 100;
const MAX_BUTTONS_IN_ROW: usize = 8;
const MAX_MARKUP_BYTES: usize = 10_000;
const MAX_NOTICE: usize = 200;

/// Entities that a bot may send: the reference's list without those that only Telegram's own clients make.
const ENTITY_TYPES: [&str; 20] = [
    "mention",
    "hashtag",
    "cashtag",
    "bot_command",
    "url",
    "email",
    "phone_number",
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "spoiler",
    "blockquote",
    "expandable_blockquote",
    "code",
    "pre",
    "text_link",
    "text_mention",
    "custom_emoji",
    "date_time",
];
/// What a button can do; each does exactly one of these.
const BUTTON_ACTIONS: [&str; 10] = [
    "url",
    "callback_data",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
];

/// Why a request is refused: the description without `Bad Request: `.
pub(super) type Refusal = String;

/// Checks text, entities, preview options and keyboard of a message.
pub(super) fn check_message(body: &Value) -> Result<(), Refusal> {
    let text = body.get("text").and_then(Value::as_str).unwrap_or_default();
    let units: Vec<u16> = text.encode_utf16().collect();
    if text.trim().is_empty() {
        return Err("message text is empty".into());
    }
    if units.len() > MAX_TEXT {
        return Err("message is too long".into());
    }
    if body.get("entities").is_some() && body.get("parse_mode").is_some() {
        return Err("can't parse entities: both parse_mode and entities are given".into());
    }
    if let Some(entities) = body.get("entities") {
        check_entities(entities, &units)?;
    }
    if let Some(options) = body.get("link_preview_options") {
        let disabled = options.get("is_disabled");
        if !options.is_object() || !disabled.is_none_or(Value::is_boolean) {
            return Err("can't parse link preview options JSON object".into());
        }
    }
    body.get("reply_markup").map_or(Ok(()), check_markup)
}

fn check_entities(entities: &Value, units: &[u16]) -> Result<(), Refusal> {
    let Some(entities) = entities.as_array() else {
        return Err("can't parse entities: expected an Array".into());
    };
    if entities.len() > MAX_ENTITIES {
        return Err("can't parse entities: there are more than 100".into());
    }
    let mut places = Vec::new();
    for entity in entities {
        places.push(check_entity(entity, units)?);
    }
    let crosses = |a: &(usize, usize), b: &(usize, usize)| a.0 < b.0 && b.0 < a.1 && a.1 < b.1;
    let any = places.iter().any(|a| places.iter().any(|b| crosses(a, b)));
    if any {
        return Err("can't parse entities: they overlap without one being within the other".into());
    }
    Ok(())
}

/// Where an entity begins and ends, if it may be there.
fn check_entity(entity: &Value, units: &[u16]) -> Result<(usize, usize), Refusal> {
    let bad = |what: &str| format!("can't parse entities: {what}");
    let number = |name| {
        entity
            .get(name)
            .and_then(Value::as_u64)
            .and_then(|number| usize::try_from(number).ok())
    };
    let kind = entity.get("type").and_then(Value::as_str).unwrap_or_default();
    if !ENTITY_TYPES.contains(&kind) {
        return Err(bad(&format!("unsupported type {kind:?} specified")));
    }
    let (Some(begin), Some(length)) = (number("offset"), number("length")) else {
        return Err(bad("offset and length must be Numbers"));
    };
    let end = begin.saturating_add(length);
    if length == 0 || end > units.len() {
        return Err(bad("an entity ends outside of the text"));
    }
    let splits = |at: usize| units.get(at).is_some_and(|unit| (0xdc00..0xe000).contains(unit));
    if splits(begin) || splits(end) {
        return Err(bad("an entity begins or ends within a surrogate pair"));
    }
    match kind {
        "text_link" => {
            let url = entity.get("url").and_then(Value::as_str).unwrap_or_default();
            Url::parse(url).map_err(|_| bad("a text_link needs a valid url"))?;
        }
        "date_time" => {
            let format = entity
                .get("date_time_format")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let is_time = entity.get("unix_time").is_some_and(Value::is_i64);
            if !is_time || !is_time_format(format) {
                return Err(bad(
                    "a date_time needs unix_time and a date_time_format of the form r|w?[dD]?[tT]?",
                ));
            }
        }
        _ => {}
    }
    Ok((begin, end))
}

/// `r`, or at most one of each of `w`, `d` or `D`, `t` or `T` in this order.
fn is_time_format(format: &str) -> bool {
    let rest = format.strip_prefix('w').unwrap_or(format);
    let rest = rest.strip_prefix(['d', 'D']).unwrap_or(rest);
    let rest = rest.strip_prefix(['t', 'T']).unwrap_or(rest);
    format == "r" || rest.is_empty()
}

fn check_markup(markup: &Value) -> Result<(), Refusal> {
    if markup.to_string().len() > MAX_MARKUP_BYTES {
        return Err("reply markup is too long".into());
    }
    let Some(rows) = markup.get("inline_keyboard").and_then(Value::as_array) else {
        return Err("object expected as reply markup".into());
    };
    let mut buttons = 0;
    for row in rows {
        let Some(row) = row.as_array() else {
            return Err("can't parse inline keyboard button: expected an Array of Array of Button".into());
        };
        buttons += row.len();
        if row.len() > MAX_BUTTONS_IN_ROW || buttons > MAX_BUTTONS {
            return Err("reply markup is too long".into());
        }
        row.iter().try_for_each(check_button)?;
    }
    Ok(())
}

fn check_button(button: &Value) -> Result<(), Refusal> {
    let text = button.get("text").and_then(Value::as_str).unwrap_or_default();
    if text.trim().is_empty() {
        return Err("can't parse inline keyboard button: text buttons must be non-empty".into());
    }
    let actions = BUTTON_ACTIONS.iter().filter(|name| button.get(**name).is_some());
    if actions.count() != 1 {
        return Err("text buttons are unallowed in the inline keyboard".into());
    }
    if let Some(data) = button.get("callback_data") {
        let data = data.as_str().unwrap_or_default();
        if !(1..=MAX_CALLBACK_DATA_BYTES).contains(&data.len()) {
            return Err("BUTTON_DATA_INVALID".into());
        }
    }
    if let Some(url) = button.get("url") {
        let url = url.as_str().unwrap_or_default();
        check_button_url(url)
            .map_err(|why| format!("inline keyboard button URL '{url}' is invalid: {why}"))?;
    }
    Ok(())
}

fn check_button_url(text: &str) -> Result<(), &'static str> {
    let url = Url::parse(text).map_err(|_| "URL host is empty")?;
    match (url.scheme(), url.host()) {
        ("tg", _) | ("http" | "https", Some(Host::Ipv4(_))) => Ok(()),
        ("http" | "https", Some(Host::Domain(name))) if name.contains('.') => Ok(()),
        ("http" | "https", _) => Err("Wrong HTTP URL"),
        _ => Err("Unsupported URL protocol"),
    }
}

/// The chat that a request names: a number, also as a text, or a `@name`.
pub(super) fn chat_of(body: &Value) -> Result<String, Refusal> {
    let chat = match body.get("chat_id") {
        Some(Value::Number(number)) => number.as_i64().map(|number| number.to_string()),
        Some(Value::String(text)) => Some(text.trim().to_owned()),
        _ => None,
    };
    let chat = chat.filter(|chat| !chat.is_empty()).ok_or("chat_id is empty")?;
    let number = chat.parse::<i64>().ok();
    let is_number = number.is_some_and(|number| (1..1 << 52).contains(&number.unsigned_abs()));
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let is_name = chat
        .strip_prefix('@')
        .is_some_and(|name| (4..=32).contains(&name.len()) && name.chars().all(is_word));
    if is_number || is_name {
        return Ok(chat);
    }
    Err("chat not found".into())
}

/// Checks the parameters of `answerCallbackQuery`.
pub(super) fn check_notice(body: &Value) -> Result<(), Refusal> {
    let id = body
        .get("callback_query_id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if id.is_empty() {
        return Err("query is too old and response timeout expired or query ID is invalid".into());
    }
    let text = body.get("text").and_then(Value::as_str).unwrap_or_default();
    if text.chars().count() > MAX_NOTICE {
        return Err("MESSAGE_TOO_LONG".into());
    }
    Ok(())
}

/// Checks the parameters of `setWebhook`.
pub(super) fn check_webhook(body: &Value) -> Result<(), Refusal> {
    let url = body.get("url").and_then(Value::as_str).unwrap_or_default();
    let url = Url::parse(url).map_err(|_| "bad webhook: invalid webhook URL specified")?;
    if url.scheme() != "https" {
        return Err("bad webhook: An HTTPS URL must be provided for webhook".into());
    }
    if !matches!(url.port_or_known_default(), Some(80 | 88 | 443 | 8443)) {
        return Err("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443".into());
    }
    if let Some(secret) = body.get("secret_token") {
        let secret = secret.as_str().unwrap_or_default();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(1..=256).contains(&secret.len()) || !secret.bytes().all(is_plain) {
            return Err("secret token contains unallowed characters".into());
        }
    }
    let allowed = body.get("allowed_updates");
    let are_texts = |list: &Value| {
        list.as_array()
            .is_some_and(|list| list.iter().all(Value::is_string))
    };
    if !allowed.is_none_or(are_texts) {
        return Err("can't parse allowed updates".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(body: &Value) -> Option<Refusal> {
        check_message(body).err()
    }

    fn entity(offset: usize, length: usize) -> Option<Refusal> {
        refusal(
            &json!({ "text": "a😀b", "entities": [{ "type": "bold", "offset": offset, "length": length }] }),
        )
    }

    fn button(button: &Value) -> Option<Refusal> {
        refusal(&json!({ "text": "a", "reply_markup": { "inline_keyboard": [[button]] } }))
    }

    #[test]
    fn a_text_has_1_to_4096_units() {
        assert_eq!(refusal(&json!({ "text": "😀".repeat(2048) })), None);
        assert_eq!(
            refusal(&json!({ "text": "😀".repeat(2049) })),
            Some("message is too long".into())
        );
        assert_eq!(
            refusal(&json!({ "text": " \n" })),
            Some("message text is empty".into())
        );
    }

    #[test]
    fn an_entity_lies_within_the_text_and_splits_no_pair() {
        assert_eq!(entity(1, 2), None);
        assert!(entity(2, 1).unwrap().contains("surrogate"));
        assert!(entity(0, 2).unwrap().contains("surrogate"));
        assert!(entity(3, 2).unwrap().contains("outside"));
    }

    #[test]
    fn a_button_does_one_thing_within_its_limits() {
        assert_eq!(
            button(&json!({ "text": "a", "callback_data": "x".repeat(64) })),
            None
        );
        let long = button(&json!({ "text": "a", "callback_data": "x".repeat(65) }));
        assert_eq!(long, Some("BUTTON_DATA_INVALID".into()));
        assert!(
            button(&json!({ "text": "a", "url": "http://localhost/" }))
                .unwrap()
                .contains("Wrong HTTP URL")
        );
        assert!(button(&json!({ "text": "a", "url": "https://a.b/", "callback_data": "x" })).is_some());
    }
}
