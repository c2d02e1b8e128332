//! Reading JSON that a stranger wrote: nothing is required to be there, or to be of any type.

use serde_json::Value;

use crate::request::Refused;

/// The deepest part of a value that is written as text.
const MAX_TEXT_BYTES: usize = 4096;

/// A body as JSON.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused::unreadable(format!("the body is no JSON: {error}")))
}

/// A member as text; empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The members of an object; none if it is none.
pub(crate) fn members<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(name).and_then(Value::as_object).into_iter().flatten()
}

/// The elements of a list; none if it is none.
pub(crate) fn elements<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Any value as people read it: texts as they are, nothing for null, the rest as JSON, cut.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => {
            let mut text = other.to_string();
            if text.len() > MAX_TEXT_BYTES {
                text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
            }
            text
        }
    }
}
