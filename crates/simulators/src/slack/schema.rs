//! What Slack's documents say that a message must be: the Block Kit reference (blocks, elements, text objects),
//! "Secondary attachments", "Message metadata", and the arguments and errors of chat.postMessage and chat.update. Two
//! limits are not in them: the total over all blocks, and that an attachment with blocks may have no text (bolt-js#2509
//! and #717). Lengths are counted in UTF-16 units as they are sent; the documents say characters.

use serde_json::{Map, Value};

/// What may be said of a block that is in order, or which error Slack answers and why.
type Checked = Result<(), Refusal>;

/// The longest text of a new message, and of a changed one.
pub const MAX_TEXT: usize = 40_000;
/// The longest text of a changed message.
pub const MAX_UPDATE_TEXT: usize = 4000;
/// The most that all blocks hold together.
const MAX_TOTAL: usize = 13_200;

/// Why Slack refuses a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Slack's error.
    pub error: &'static str,
    /// Where and why.
    pub detail: String,
}

fn no(error: &'static str, detail: impl Into<String>) -> Refusal {
    Refusal {
        error,
        detail: detail.into(),
    }
}

fn bad_block(detail: impl Into<String>) -> Refusal {
    no("invalid_blocks", detail)
}

/// Checks the members of a message.
pub fn check(message: &Map<String, Value>, max_text: usize) -> Checked {
    let text = match message.get("text") {
        None | Some(Value::Null) => "",
        Some(text) => text
            .as_str()
            .ok_or_else(|| no("invalid_arguments", "text is no string"))?,
    };
    if units(text) > max_text {
        return Err(no("msg_too_long", format!("text has more than {max_text}")));
    }
    let blocks = list(message, "blocks")?;
    let attachments = list(message, "attachments")?;
    if text.trim().is_empty() && blocks.is_empty() && attachments.is_empty() {
        return Err(no("no_text", "there is nothing to show"));
    }
    if attachments.len() > 100 {
        return Err(no("too_many_attachments", "more than 100 attachments"));
    }
    let mut total = check_blocks(blocks, "blocks")?;
    for (index, attachment) in attachments.iter().enumerate() {
        total += check_attachment(attachment, index)?;
    }
    if total > MAX_TOTAL {
        return Err(no(
            "msg_blocks_too_long",
            format!("all blocks together hold {total}"),
        ));
    }
    for name in [
        "unfurl_links",
        "unfurl_media",
        "link_names",
        "mrkdwn",
        "reply_broadcast",
    ] {
        if message.get(name).is_some_and(|value| !value.is_boolean()) {
            return Err(no("invalid_arguments", format!("{name} is no boolean")));
        }
    }
    message.get("metadata").map_or(Ok(()), check_metadata)
}

fn list<'a>(message: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], Refusal> {
    match message.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(no("invalid_arguments", format!("{name} is no list"))),
    }
}

fn check_metadata(metadata: &Value) -> Checked {
    let is_name = |name: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        !name.is_empty() && name.bytes().all(is_plain)
    };
    let is_simple = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    let payload = metadata["event_payload"].as_object();
    let has_payload = payload.is_some_and(|payload| payload.values().all(is_simple));
    match metadata["event_type"].as_str().is_some_and(is_name) && has_payload {
        true => Ok(()),
        false => Err(no(
            "invalid_metadata_format",
            "event_type or event_payload is wrong",
        )),
    }
}

fn check_attachment(attachment: &Value, index: usize) -> Result<usize, Refusal> {
    let path = format!("attachments/{index}");
    let wrong = |detail: &str| no("invalid_attachments", format!("{path}: {detail}"));
    let members = attachment.as_object().ok_or_else(|| wrong("no object"))?;
    if members.get("color").is_some_and(|colour| !is_colour(colour)) {
        return Err(wrong("color is none"));
    }
    let Some(blocks) = members.get("blocks") else {
        let has_text = ["text", "fallback", "title", "fields"]
            .iter()
            .any(|name| members.contains_key(*name));
        return if has_text { Ok(0) } else { Err(no("no_text", path)) };
    };
    let other = members
        .keys()
        .find(|name| !matches!(name.as_str(), "color" | "blocks" | "fallback"));
    if let Some(other) = other {
        return Err(wrong(&format!("{other} beside blocks")));
    }
    let blocks = blocks.as_array().ok_or_else(|| wrong("blocks are no list"))?;
    check_blocks(blocks, &format!("{path}/blocks"))
}

fn is_colour(colour: &Value) -> bool {
    let colour = colour.as_str().unwrap_or_default();
    let hex = colour.strip_prefix('#').unwrap_or_default();
    let is_hex = hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex || matches!(colour, "good" | "warning" | "danger")
}

/// Checks a list of blocks; how much they hold.
fn check_blocks(blocks: &[Value], path: &str) -> Result<usize, Refusal> {
    if blocks.len() > 50 {
        return Err(bad_block(format!("{path}: more than 50 blocks")));
    }
    let mut total = 0;
    for (index, block) in blocks.iter().enumerate() {
        total += check_block(block, &format!("{path}/{index}"))?;
    }
    Ok(total)
}

fn check_block(block: &Value, path: &str) -> Result<usize, Refusal> {
    let members = block
        .as_object()
        .ok_or_else(|| bad_block(format!("{path}: no object")))?;
    let kind = members.get("type").and_then(Value::as_str).unwrap_or_default();
    let own: &[&str] = match kind {
        "header" => &["text"],
        "section" => &["text", "fields", "accessory", "expand"],
        "context" | "actions" => &["elements"],
        "divider" => &[],
        _ => return Err(bad_block(format!("{path}: unsupported type {kind:?}"))),
    };
    known_only(members, own, path)?;
    let elements = members
        .get("elements")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    match kind {
        "header" => text_object(&block["text"], &["plain_text"], 150, &format!("{path}/text")),
        "section" => check_section(members, path),
        "context" => {
            count(elements, 10, path)?;
            sum(elements, path, |element, path| {
                text_object(element, &["plain_text", "mrkdwn"], 3000, path)
            })
        }
        "actions" => {
            count(elements, 25, path)?;
            unique(elements, path)?;
            sum(elements, path, check_button)
        }
        _ => Ok(0),
    }
}

fn check_section(members: &Map<String, Value>, path: &str) -> Result<usize, Refusal> {
    let (text, fields) = (members.get("text"), members.get("fields"));
    if text.is_none() && fields.is_none() {
        return Err(bad_block(format!("{path}: neither text nor fields")));
    }
    let any = ["plain_text", "mrkdwn"];
    let mut total = 0;
    if let Some(text) = text {
        total += text_object(text, &any, 3000, &format!("{path}/text"))?;
    }
    if let Some(fields) = fields {
        let fields = fields.as_array().map_or(&[][..], Vec::as_slice);
        count(fields, 10, path)?;
        total += sum(fields, path, |field, path| text_object(field, &any, 2000, path))?;
    }
    Ok(total)
}

fn check_button(button: &Value, path: &str) -> Result<usize, Refusal> {
    let members = button
        .as_object()
        .ok_or_else(|| bad_block(format!("{path}: no object")))?;
    if members.get("type").and_then(Value::as_str) != Some("button") {
        return Err(bad_block(format!("{path}: unsupported element")));
    }
    known_only(
        members,
        &["text", "action_id", "url", "value", "style", "confirm"],
        path,
    )?;
    limited(members, "action_id", 255, path)?;
    limited(members, "value", 2000, path)?;
    limited(members, "url", 3000, path)?;
    if members
        .get("style")
        .is_some_and(|style| !matches!(style.as_str(), Some("primary" | "danger")))
    {
        return Err(bad_block(format!("{path}/style")));
    }
    let url = members.get("url").and_then(Value::as_str);
    if url.is_some_and(|url| url::Url::parse(url).is_err()) {
        return Err(bad_block(format!("{path}/url: not a url")));
    }
    text_object(&button["text"], &["plain_text"], 75, &format!("{path}/text"))
}

/// Checks a text object; its length.
fn text_object(object: &Value, kinds: &[&str], max: usize, path: &str) -> Result<usize, Refusal> {
    let members = object
        .as_object()
        .ok_or_else(|| bad_block(format!("{path}: no text object")))?;
    let kind = members.get("type").and_then(Value::as_str).unwrap_or_default();
    if !kinds.contains(&kind) {
        return Err(bad_block(format!("{path}: a text of type {kind:?}")));
    }
    let own = if kind == "mrkdwn" { "verbatim" } else { "emoji" };
    if let Some(other) = members
        .keys()
        .find(|name| !["type", "text", own].contains(&name.as_str()))
    {
        return Err(bad_block(format!("{path}: unknown {other}")));
    }
    if members.get(own).is_some_and(|value| !value.is_boolean()) {
        return Err(bad_block(format!("{path}/{own}: no boolean")));
    }
    let text = members.get("text").and_then(Value::as_str).unwrap_or_default();
    let length = units(text);
    match (1..=max).contains(&length) {
        true => Ok(length),
        false => Err(bad_block(format!(
            "{path}: must have 1 to {max} characters and has {length}"
        ))),
    }
}

fn known_only(members: &Map<String, Value>, own: &[&str], path: &str) -> Checked {
    let is_known = |name: &str| name == "type" || name == "block_id" || own.contains(&name);
    match members.keys().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(other) => Err(bad_block(format!("{path}: unknown {other}"))),
    }
}

fn limited(members: &Map<String, Value>, name: &str, max: usize, path: &str) -> Checked {
    let is_in_order = members.get(name).is_none_or(|value| {
        let text = value.as_str();
        text.is_some_and(|text| (1..=max).contains(&units(text)))
    });
    match is_in_order {
        true => Ok(()),
        false => Err(bad_block(format!(
            "{path}/{name}: must have 1 to {max} characters"
        ))),
    }
}

fn count(elements: &[Value], max: usize, path: &str) -> Checked {
    match (1..=max).contains(&elements.len()) {
        true => Ok(()),
        false => Err(bad_block(format!("{path}: must have 1 to {max} items"))),
    }
}

fn unique(elements: &[Value], path: &str) -> Checked {
    let mut ids: Vec<&str> = elements
        .iter()
        .filter_map(|element| element["action_id"].as_str())
        .collect();
    let before = ids.len();
    ids.sort_unstable();
    ids.dedup();
    match ids.len() == before {
        true => Ok(()),
        false => Err(bad_block(format!("{path}: an action_id stands twice"))),
    }
}

fn sum(
    elements: &[Value],
    path: &str,
    check: impl Fn(&Value, &str) -> Result<usize, Refusal>,
) -> Result<usize, Refusal> {
    let one = |(index, element)| check(element, &format!("{path}/{index}"));
    elements.iter().enumerate().map(one).sum()
}

/// The length of a text.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(message: &Value) -> Option<&'static str> {
        check(message.as_object().unwrap(), MAX_TEXT)
            .err()
            .map(|refusal| refusal.error)
    }

    fn block_error(block: &Value) -> Option<&'static str> {
        error(&json!({ "text": "a", "blocks": [block] }))
    }

    fn text(length: usize) -> Value {
        json!({ "type": "plain_text", "text": "x".repeat(length) })
    }

    #[test]
    fn texts_are_taken_at_their_limits_and_refused_beyond() {
        let header = |length| json!({ "type": "header", "text": text(length) });
        assert_eq!(
            [150, 151].map(|length| block_error(&header(length))),
            [None, Some("invalid_blocks")]
        );
        let section = |length| json!({ "type": "section", "text": text(length) });
        assert_eq!(
            [3000, 3001].map(|length| block_error(&section(length))),
            [None, Some("invalid_blocks")]
        );
        let fields = |count| json!({ "type": "section", "fields": vec![text(1); count] });
        assert_eq!(
            [10, 11].map(|count| block_error(&fields(count))),
            [None, Some("invalid_blocks")]
        );
        assert_eq!(
            error(&json!({ "text": "x".repeat(MAX_TEXT + 1) })),
            Some("msg_too_long")
        );
    }

    #[test]
    fn all_blocks_together_have_a_limit() {
        let blocks = |last| {
            let mut blocks = vec![json!({ "type": "section", "text": text(3000) }); 4];
            blocks.push(json!({ "type": "section", "text": text(last) }));
            json!({ "text": "a", "blocks": blocks })
        };
        assert_eq!(
            [1200, 1201].map(|last| error(&blocks(last))),
            [None, Some("msg_blocks_too_long")]
        );
    }

    #[test]
    fn members_of_the_wrong_kind_are_refused() {
        let invalid = Some("invalid_blocks");
        assert_eq!(
            block_error(&json!({ "type": "header", "text": { "type": "mrkdwn", "text": "a" } })),
            invalid
        );
        assert_eq!(block_error(&json!({ "type": "section" })), invalid);
        assert_eq!(
            block_error(&json!({ "type": "section", "text": text(0) })),
            invalid
        );
        assert_eq!(
            block_error(&json!({ "type": "divider", "text": text(1) })),
            invalid
        );
        assert_eq!(block_error(&json!({ "type": "marquee" })), invalid);
        let emoji = json!({ "type": "mrkdwn", "text": "a", "emoji": false });
        assert_eq!(
            block_error(&json!({ "type": "context", "elements": [emoji] })),
            invalid
        );
        let button = json!({ "type": "button", "text": text(1), "action_id": "a" });
        assert_eq!(
            block_error(&json!({ "type": "actions", "elements": [button] })),
            None
        );
        assert_eq!(
            block_error(&json!({ "type": "actions", "elements": [button, button] })),
            invalid
        );
    }

    #[test]
    fn an_attachment_has_blocks_or_text_and_a_colour() {
        let attachment = |attachment: Value| error(&json!({ "attachments": [attachment] }));
        let blocks = json!([{ "type": "divider" }]);
        assert_eq!(attachment(json!({ "color": "#00ff00", "blocks": blocks })), None);
        assert_eq!(
            attachment(json!({ "color": "green", "blocks": blocks })),
            Some("invalid_attachments")
        );
        assert_eq!(
            attachment(json!({ "text": "a", "blocks": blocks })),
            Some("invalid_attachments")
        );
    }

    #[test]
    fn nothing_to_show_and_wrong_metadata_are_refused() {
        assert_eq!(
            error(&json!({ "text": " ", "blocks": [], "attachments": [] })),
            Some("no_text")
        );
        let metadata = |metadata: Value| error(&json!({ "text": "a", "metadata": metadata }));
        assert_eq!(
            metadata(json!({ "event_type": "a_b", "event_payload": { "c": "d" } })),
            None
        );
        assert_eq!(
            metadata(json!({ "event_type": "a b", "event_payload": {} })),
            Some("invalid_metadata_format")
        );
        assert_eq!(
            metadata(json!({ "event_type": "a" })),
            Some("invalid_metadata_format")
        );
    }
}
