//! The rules of CloudEvents 1.0.2 for [`super`], from the specification (spec.md § 3), its JSON format
//! (json-format.md § 2 and 3) and its HTTP protocol binding (http-protocol-binding.md § 3): what a receiver that knows
//! nothing of the sender may expect.

use std::collections::BTreeMap;

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use url::Url;

use model::time::Timestamp;

/// Where an event's attributes were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// With its data in a JSON body.
    Structured,
    /// In headers; its data is the body.
    Binary,
}

/// The mode of a request that is a CloudEvent, told by its headers.
pub(super) fn mode(headers: &HeaderMap, content_type: &str) -> Option<Mode> {
    let content_type = content_type.to_ascii_lowercase();
    if content_type.starts_with("application/cloudevents") {
        return Some(Mode::Structured);
    }
    let is_binary = ["ce-id", "ce-source", "ce-specversion", "ce-type"]
        .iter()
        .any(|name| headers.contains_key(*name));
    is_binary.then_some(Mode::Binary)
}

/// Checks a CloudEvent in a body.
pub(super) fn check_structured(content_type: &str, body: &[u8]) -> Result<(), String> {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if essence != "application/cloudevents+json" {
        return Err(format!("the event format {essence} is not known"));
    }
    let event: Value =
        serde_json::from_slice(body).map_err(|error| format!("the event is no JSON: {error}"))?;
    check_event(&event)
}

/// Checks a CloudEvent in JSON.
pub(crate) fn check_event(event: &Value) -> Result<(), String> {
    let event = event.as_object().ok_or("the event is no JSON object")?;
    if event.contains_key("data") && event.contains_key("data_base64") {
        return Err("data and data_base64 exclude each other".into());
    }
    let attributes = attributes_of(event)?;
    check_attributes(&attributes)
}

/// The attributes of an event in JSON, as texts.
fn attributes_of(event: &Map<String, Value>) -> Result<BTreeMap<String, String>, String> {
    let mut attributes = BTreeMap::new();
    for (name, value) in event {
        let text = match value {
            _ if name == "data" || name == "data_base64" => continue,
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Bool(_) if !is_core(name) => value.to_string(),
            Value::Number(number) if !is_core(name) && number.as_i64().is_some() => value.to_string(),
            _ => {
                return Err(format!(
                    "the attribute {name} has a type that attributes cannot have"
                ));
            }
        };
        attributes.insert(name.clone(), text);
    }
    Ok(attributes)
}

fn is_core(name: &str) -> bool {
    [
        "id",
        "source",
        "specversion",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "dataschema",
    ]
    .contains(&name)
}

/// Checks a CloudEvent in headers.
pub(super) fn check_binary(headers: &HeaderMap) -> Result<(), String> {
    if headers.contains_key("ce-datacontenttype") {
        return Err("the content type stands in Content-Type, not in ce-datacontenttype".into());
    }
    let mut attributes = BTreeMap::new();
    for (name, value) in headers {
        if let Some(name) = name.as_str().strip_prefix("ce-") {
            let value = value
                .to_str()
                .map_err(|_| format!("ce-{name} holds more than printable ASCII"))?;
            attributes.insert(name.to_owned(), decoded(name, value)?);
        }
    }
    check_attributes(&attributes)
}

/// A header's value, percent-decoded once.
fn decoded(name: &str, value: &str) -> Result<String, String> {
    if !value
        .bytes()
        .all(|byte| matches!(byte, b'!'..=b'~') && byte != b'"')
    {
        return Err(format!(
            "ce-{name} holds a space, a quote or a control character that is not percent-encoded"
        ));
    }
    let is_hex =
        |pair: Option<&str>| pair.is_some_and(|pair| pair.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let all_pairs = value
        .match_indices('%')
        .all(|(at, _)| is_hex(value.get(at + 1..at + 3)));
    let text = percent_decode_str(value).decode_utf8().ok().filter(|_| all_pairs);
    text.map(|text| text.into_owned())
        .ok_or_else(|| format!("ce-{name} is not percent-encoded UTF-8"))
}

fn check_attributes(attributes: &BTreeMap<String, String>) -> Result<(), String> {
    let get = |name: &str| attributes.get(name).map(String::as_str);
    for name in ["id", "source", "specversion", "type"] {
        if get(name).unwrap_or_default().is_empty() {
            return Err(format!("the attribute {name} is missing"));
        }
    }
    if get("specversion") != Some("1.0") {
        return Err("specversion is not 1.0".into());
    }
    for (name, value) in attributes {
        let is_name = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !is_name || name == "data" {
            return Err(format!("{name} is no name of an attribute"));
        }
        if value.chars().any(char::is_control) {
            return Err(format!("{name} holds a control character"));
        }
    }
    if !get("source").is_some_and(is_uri_reference) {
        return Err("source is no URI-reference".into());
    }
    if get("subject") == Some("") {
        return Err("subject is empty".into());
    }
    if !get("time").is_none_or(is_rfc_3339) {
        return Err("time is not of RFC 3339".into());
    }
    if !get("datacontenttype").is_none_or(|value| value.contains('/')) {
        return Err("datacontenttype is no media type".into());
    }
    if get("dataschema").is_some_and(|value| Url::parse(value).is_err()) {
        return Err("dataschema is no absolute URI".into());
    }
    Ok(())
}

fn is_uri_reference(text: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'!'..=b'~') && !b"\"<>\\^`{|}".contains(&byte);
    let base = Url::parse("https://base.invalid/").ok();
    text.bytes().all(is_allowed) && base.is_some_and(|base| base.join(text).is_ok())
}

fn is_rfc_3339(text: &str) -> bool {
    let has_offset = text.ends_with('Z')
        || text
            .get(text.len().saturating_sub(6)..)
            .is_some_and(|end| end.starts_with(['+', '-']));
    text.get(10..11) == Some("T") && has_offset && text.parse::<Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use serde_json::json;

    const TYPE: &str = "application/cloudevents+json; charset=utf-8";

    fn good() -> Value {
        json!({
            "specversion": "1.0", "id": "1", "source": "/a/b", "type": "com.example.x", "subject": "s",
            "time": "2018-04-05T03:56:24Z", "datacontenttype": "application/json", "data": { "x": 1 }, "myext": 5,
        })
    }

    fn with(name: &str, value: Value) -> Result<(), String> {
        let mut event = good();
        event[name] = value;
        check_structured(TYPE, event.to_string().as_bytes())
    }

    fn binary(pairs: &[(&'static str, &'static str)]) -> Result<(), String> {
        let required = [
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/a"),
            ("ce-type", "x"),
        ];
        let all = required.iter().chain(pairs);
        let headers =
            all.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        check_binary(&HeaderMap::from_iter(headers))
    }

    #[test]
    fn the_specifications_example_passes() {
        assert_eq!(check_structured(TYPE, good().to_string().as_bytes()), Ok(()));
        assert_eq!(
            binary(&[("ce-subject", "Euro%20%E2%82%AC%20%F0%9F%98%80")]),
            Ok(())
        );
    }

    #[test]
    fn what_the_specification_forbids_is_refused() {
        assert!(with("specversion", json!("0.3")).is_err());
        assert!(with("id", json!("")).is_err());
        assert!(with("id", json!(5)).is_err());
        assert!(with("source", json!("no uri")).is_err());
        assert!(with("type", Value::Null).is_err());
        assert!(with("subject", json!("")).is_err());
        assert!(with("time", json!("2018-04-05")).is_err());
        assert!(with("my_ext", json!("x")).is_err());
        assert!(with("myext", json!({})).is_err());
        assert!(with("data_base64", json!("AA==")).is_err());
        assert!(check_structured("application/cloudevents+avro", b"").is_err());
    }

    #[test]
    fn what_the_http_binding_forbids_is_refused() {
        assert!(binary(&[("ce-datacontenttype", "application/json")]).is_err());
        assert!(binary(&[("ce-subject", "a b")]).is_err());
        assert!(binary(&[("ce-subject", "50%")]).is_err());
        assert!(binary(&[("ce-subject", "%C0%A0")]).is_err());
        assert!(check_binary(&HeaderMap::new()).is_err());
    }
}
