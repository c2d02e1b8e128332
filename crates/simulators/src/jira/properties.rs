//! Properties of issues: any JSON under a key. A property is replaced whole.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use crate::jira::answer::{Answer, Refusal};
use crate::jira::request::Asked;
use crate::jira::world::World;

/// The most bytes of a key.
const MAX_KEY_BYTES: usize = 255;
/// The most bytes of a value.
const MAX_VALUE_BYTES: usize = 32_768;

/// Properties that come along with something else: `[{"key": …, "value": …}]`.
pub fn read_list(list: Option<&Value>) -> Result<BTreeMap<String, Value>, Refusal> {
    let list = match list {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Refusal::invalid_payload()),
    };
    let read = |property: &Value| {
        let key = property
            .get("key")
            .and_then(Value::as_str)
            .ok_or_else(Refusal::invalid_payload)?;
        let value = property.get("value").ok_or_else(Refusal::invalid_payload)?;
        check(key, value)?;
        Ok((key.to_owned(), value.clone()))
    };
    list.iter().map(read).collect()
}

/// `GET …/properties`.
pub fn list(world: &World, asked: &Asked<'_>, id_or_key: &str) -> Result<Answer, Refusal> {
    let issue = world.find(asked, id_or_key)?;
    let shown = |key: &String| {
        let link = asked.view.link(&format!("issue/{}/properties/{key}", issue.id));
        json!({ "self": link, "key": key })
    };
    let keys: Vec<Value> = issue.properties.keys().map(shown).collect();
    Ok(Answer::new(
        200,
        json!({ "keys": keys }),
        format!("listed the properties of {}", issue.key()),
    ))
}

/// `GET`, `PUT` and `DELETE …/properties/{key}`.
pub fn one(world: &mut World, asked: &Asked<'_>, id_or_key: &str, key: &str) -> Result<Answer, Refusal> {
    let issue = world.find_mut(asked, id_or_key)?;
    let missing = || Refusal::said(404, format!("The property {key} does not exist."));
    if asked.method == Method::PUT {
        let value = asked.value()?;
        check(key, &value)?;
        let before = issue.properties.insert(key.to_owned(), value);
        let status = if before.is_some() { 200 } else { 201 };
        return Ok(Answer::empty(status, format!("set property {key} of {}", issue.key())).about(issue.id));
    }
    if asked.method == Method::DELETE {
        issue.properties.remove(key).ok_or_else(missing)?;
        let sentence = format!("deleted property {key} of {}", issue.key());
        return Ok(Answer::empty(204, sentence).about(issue.id));
    }
    let value = issue.properties.get(key).ok_or_else(missing)?;
    let body = json!({ "key": key, "value": value });
    Ok(Answer::new(
        200,
        body,
        format!("read property {key} of {}", issue.key()),
    ))
}

fn check(key: &str, value: &Value) -> Result<(), Refusal> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(Refusal::said(
            400,
            "The length of the property key must be between 1 and 255.",
        ));
    }
    if value.to_string().len() > MAX_VALUE_BYTES {
        return Err(Refusal::said(
            413,
            "The property value is too long: at most 32768 bytes are allowed.",
        ));
    }
    Ok(())
}
