//! What Discord's documents say that a message must be: "Execute Webhook" and "Edit Webhook Message"
//! (resources/webhook), "Embed Object", "Embed Limits" and "Allowed Mentions Object" (resources/message). Unknown
//! members are ignored, as Discord does. Lengths are counted in UTF-16 units of the trimmed text; the documents say
//! characters.

use serde_json::{Map, Value, json};

/// Why Discord refuses a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The error code of the JSON.
    pub code: u64,
    /// Its sentence.
    pub message: &'static str,
    /// The member at fault, its parts separated by dots; empty if it is the whole.
    path: String,
    reason: String,
}

impl Refusal {
    fn form(path: &str, reason: impl Into<String>) -> Self {
        Self {
            code: 50_035,
            message: "Invalid Form Body",
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    /// One sentence for the terminal.
    pub fn sentence(&self) -> String {
        match self.path.is_empty() {
            true => format!("refused: {}", self.message),
            false => format!("refused: {}: {}", self.path, self.reason),
        }
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        let mut body = json!({ "message": self.message, "code": self.code });
        if !self.path.is_empty() {
            let error = json!({ "_errors": [{ "code": "BASE_TYPE_BAD", "message": self.reason }] });
            let nest = |inner: Value, part: &str| json!({ part: inner });
            body["errors"] = self.path.rsplit('.').fold(error, nest);
        }
        body
    }
}

/// The members of a message that came as JSON.
pub fn read(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let invalid = |_| Refusal {
        code: 50_109,
        message: "The request body contains invalid JSON.",
        path: String::new(),
        reason: String::new(),
    };
    match serde_json::from_slice(body).map_err(invalid)? {
        Value::Object(members) => Ok(members),
        _ => Err(Refusal::form(
            "body",
            "Only dictionaries may be used in a DictType",
        )),
    }
}

/// Checks the members that a request names; whether the message has any content is asked of the message as a whole.
pub fn check(members: &Map<String, Value>) -> Result<(), Refusal> {
    text(members, "content", "content", 0, 2000)?;
    text(members, "username", "username", 1, 80)?;
    if let Some(name) = members.get("username").and_then(Value::as_str) {
        let lower = name.to_lowercase();
        let word = ["clyde", "discord", "```", "@", "#", ":"];
        if word.into_iter().any(|word| lower.contains(word)) || matches!(lower.as_str(), "everyone" | "here")
        {
            return Err(Refusal::form("username", "Username cannot contain this"));
        }
    }
    if let Some(mentions) = present(members, "allowed_mentions") {
        allowed_mentions(mentions)?;
    }
    let Some(embeds) = present(members, "embeds") else {
        return Ok(());
    };
    let embeds = embeds
        .as_array()
        .filter(|embeds| embeds.len() <= 10)
        .ok_or_else(|| Refusal::form("embeds", "Must be a list of at most 10"))?;
    let mut total = 0;
    for (index, one) in embeds.iter().enumerate() {
        total += embed(one, &format!("embeds.{index}"))?;
    }
    match total <= 6000 {
        true => Ok(()),
        false => Err(Refusal::form("embeds", "Embed size exceeds maximum size of 6000")),
    }
}

/// Checks that a message has anything to show.
pub fn check_content(message: &Map<String, Value>) -> Result<(), Refusal> {
    let content = message.get("content").and_then(Value::as_str).unwrap_or_default();
    let embeds = message.get("embeds").and_then(Value::as_array);
    if !content.trim().is_empty() || embeds.is_some_and(|embeds| !embeds.is_empty()) {
        return Ok(());
    }
    Err(Refusal {
        code: 50_006,
        message: "Cannot send an empty message",
        path: String::new(),
        reason: String::new(),
    })
}

/// A member that is there and not null.
fn present<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}

/// Checks a text if it is there; its length.
fn text(
    members: &Map<String, Value>,
    name: &str,
    path: &str,
    min: usize,
    max: usize,
) -> Result<usize, Refusal> {
    let Some(value) = present(members, name) else {
        return Ok(0);
    };
    let Some(text) = value.as_str() else {
        return Err(Refusal::form(path, "Could not interpret as string"));
    };
    let length = units(text.trim());
    match (length < min, length > max) {
        (true, _) => Err(Refusal::form(path, "This field is required")),
        (_, true) => Err(Refusal::form(path, format!("Must be {max} or fewer in length"))),
        (false, false) => Ok(length),
    }
}

/// Checks a web address if it is there.
fn address(members: &Map<String, Value>, path: &str) -> Result<(), Refusal> {
    text(members, "url", path, 1, 2048)?;
    let Some(url) = present(members, "url").and_then(Value::as_str) else {
        return Ok(());
    };
    let is_web = url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    match is_web {
        true => Ok(()),
        false => Err(Refusal::form(path, "Not a well formed URL")),
    }
}

/// Checks an embed; what it counts towards the total.
fn embed(embed: &Value, path: &str) -> Result<usize, Refusal> {
    let Some(members) = embed.as_object() else {
        return Err(Refusal::form(path, "Only dictionaries may be used in a DictType"));
    };
    let at = |name: &str| format!("{path}.{name}");
    let mut total = text(members, "title", &at("title"), 1, 256)?;
    total += text(members, "description", &at("description"), 1, 4096)?;
    address(members, &at("url"))?;
    if let Some(colour) = present(members, "color")
        && colour.as_u64().is_none_or(|colour| colour > 16_777_215)
    {
        return Err(Refusal::form(&at("color"), "Must be between 0 and 16777215"));
    }
    if let Some(time) = present(members, "timestamp") {
        let is_time = time
            .as_str()
            .is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok());
        if !is_time {
            return Err(Refusal::form(
                &at("timestamp"),
                "Could not parse as ISO8601 timestamp",
            ));
        }
    }
    if let Some(footer) = present(members, "footer") {
        let footer = object(footer, &at("footer"))?;
        total += required(footer, "text", &at("footer.text"), 2048)?;
    }
    if let Some(author) = present(members, "author") {
        let author = object(author, &at("author"))?;
        total += required(author, "name", &at("author.name"), 256)?;
    }
    if let Some(fields) = present(members, "fields") {
        total += fields_length(fields, &at("fields"))?;
    }
    match total > 0 || members.contains_key("image") {
        true => Ok(total),
        false => Err(Refusal::form(path, "Embeds must not be empty")),
    }
}

fn fields_length(fields: &Value, path: &str) -> Result<usize, Refusal> {
    let fields = fields
        .as_array()
        .filter(|fields| fields.len() <= 25)
        .ok_or_else(|| Refusal::form(path, "Must be a list of at most 25"))?;
    let mut total = 0;
    for (index, field) in fields.iter().enumerate() {
        let path = format!("{path}.{index}");
        let members = object(field, &path)?;
        total += required(members, "name", &format!("{path}.name"), 256)?;
        total += required(members, "value", &format!("{path}.value"), 1024)?;
        if members.get("inline").is_some_and(|inline| !inline.is_boolean()) {
            return Err(Refusal::form(
                &format!("{path}.inline"),
                "Must be either true or false",
            ));
        }
    }
    Ok(total)
}

fn object<'a>(value: &'a Value, path: &str) -> Result<&'a Map<String, Value>, Refusal> {
    let wrong = || Refusal::form(path, "Only dictionaries may be used in a DictType");
    value.as_object().ok_or_else(wrong)
}

fn required(members: &Map<String, Value>, name: &str, path: &str, max: usize) -> Result<usize, Refusal> {
    match present(members, name) {
        Some(_) => text(members, name, path, 1, max),
        None => Err(Refusal::form(path, "This field is required")),
    }
}

/// A kind of mention may be allowed altogether or by a list, but not both.
fn allowed_mentions(mentions: &Value) -> Result<(), Refusal> {
    let path = "allowed_mentions";
    let members = object(mentions, path)?;
    let wrong_parse = |reason: &str| Refusal::form("allowed_mentions.parse", reason);
    let parse = match present(members, "parse") {
        Some(Value::Array(parse)) => parse.as_slice(),
        Some(_) => return Err(wrong_parse("Only iterables may be used in a ListType")),
        None => &[],
    };
    let kinds: Vec<&str> = parse.iter().filter_map(Value::as_str).collect();
    let known = ["roles", "users", "everyone"];
    if kinds.len() < parse.len() || kinds.iter().any(|kind| !known.contains(kind)) {
        return Err(wrong_parse("Value must be one of roles, users, everyone"));
    }
    if present(members, "replied_user").is_some_and(|value| !value.is_boolean()) {
        return Err(Refusal::form(
            "allowed_mentions.replied_user",
            "Must be either true or false",
        ));
    }
    for list in ["roles", "users"] {
        let path = format!("{path}.{list}");
        let Some(ids) = present(members, list) else {
            continue;
        };
        let is_id = |id: &Value| id.as_str().is_some_and(|id| id.parse::<u64>().is_ok());
        let ids = ids.as_array().filter(|ids| ids.iter().all(is_id));
        let ids = ids.ok_or_else(|| Refusal::form(&path, "Value is not a list of snowflakes"))?;
        if ids.len() > 100 {
            return Err(Refusal::form(&path, "Must be 100 or fewer in length"));
        }
        if !ids.is_empty() && kinds.contains(&list) {
            return Err(Refusal::form(
                &path,
                "parse names this kind too: they are mutually exclusive",
            ));
        }
    }
    Ok(())
}

/// The length of a text.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(message: &Value) -> Result<(), Refusal> {
        let members = read(message.to_string().as_bytes())?;
        check(&members)?;
        check_content(&members)
    }

    fn path(message: &Value) -> String {
        verdict(message).unwrap_err().path
    }

    #[test]
    fn texts_are_taken_at_their_limits_and_refused_beyond() {
        let title = |length| json!({ "embeds": [{ "title": "x".repeat(length) }] });
        assert_eq!(verdict(&title(256)), Ok(()));
        assert_eq!(path(&title(257)), "embeds.0.title");
        let content = |length| json!({ "content": "x".repeat(length) });
        assert_eq!(verdict(&content(2000)), Ok(()));
        assert_eq!(path(&content(2001)), "content");
        let value =
            |length| json!({ "embeds": [{ "fields": [{ "name": "a", "value": "x".repeat(length) }] }] });
        assert_eq!(verdict(&value(1024)), Ok(()));
        assert_eq!(path(&value(1025)), "embeds.0.fields.0.value");
    }

    #[test]
    fn all_embeds_together_have_at_most_6000() {
        let one = |length| json!({ "description": "x".repeat(length) });
        let embeds = |last| json!({ "embeds": [one(4000), one(last)] });
        assert_eq!(verdict(&embeds(2000)), Ok(()));
        assert_eq!(path(&embeds(2001)), "embeds");
    }

    #[test]
    fn nothing_to_show_is_refused() {
        assert_eq!(verdict(&json!({})).unwrap_err().code, 50_006);
        assert_eq!(verdict(&json!({ "content": " " })).unwrap_err().code, 50_006);
        assert_eq!(path(&json!({ "embeds": [{}] })), "embeds.0");
        assert_eq!(read(b"{").unwrap_err().code, 50_109);
    }

    #[test]
    fn wrong_types_are_named_by_their_place() {
        let field = |value: Value| json!({ "embeds": [{ "fields": [{ "name": "a", "value": value }] }] });
        assert_eq!(path(&field(json!(5))), "embeds.0.fields.0.value");
        assert_eq!(path(&field(json!(""))), "embeds.0.fields.0.value");
        assert_eq!(
            path(&json!({ "embeds": [{ "title": "a", "color": 16_777_216 }] })),
            "embeds.0.color"
        );
        assert_eq!(
            path(&json!({ "embeds": [{ "title": "a", "url": "javascript:1" }] })),
            "embeds.0.url"
        );
        assert_eq!(
            path(&json!({ "embeds": [{ "title": "a", "timestamp": "now" }] })),
            "embeds.0.timestamp"
        );
    }

    #[test]
    fn a_kind_of_mention_is_allowed_in_one_way_only() {
        let mentions = |allowed: Value| json!({ "content": "a", "allowed_mentions": allowed });
        assert_eq!(
            verdict(&mentions(json!({ "parse": ["everyone"], "users": ["1"] }))),
            Ok(())
        );
        assert_eq!(
            path(&mentions(json!({ "parse": ["users"], "users": ["1"] }))),
            "allowed_mentions.users"
        );
        let shapes = [
            json!(["all"]),
            json!("everyone"),
            json!({ "users": true }),
            json!([1]),
            json!(false),
        ];
        let paths = shapes.map(|parse| path(&mentions(json!({ "parse": parse }))));
        assert_eq!(paths, [const { "allowed_mentions.parse" }; 5]);
        assert_eq!(
            path(&mentions(json!({ "roles": ["x"] }))),
            "allowed_mentions.roles"
        );
    }

    #[test]
    fn an_error_is_nested_as_discord_nests_it() {
        let refusal = verdict(&json!({ "embeds": [{ "title": 5 }] })).unwrap_err();
        let body = refusal.body();
        assert_eq!(body["code"], 50_035);
        assert!(
            body.pointer("/errors/embeds/0/title/_errors/0/message").is_some(),
            "{body}"
        );
    }
}
