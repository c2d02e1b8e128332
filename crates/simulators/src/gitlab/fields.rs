//! The members of a body, read as GitLab reads them: JSON or a form, with numbers and flags as texts too.

use serde_json::Value;

use super::{invalid, wrong_value};
use crate::code_host::call::{Call, Refusal};
use crate::code_host::people::{self, Person};

/// The most characters of a title.
pub const MAX_TITLE: usize = 255;
/// The most characters of a text.
pub const MAX_TEXT: usize = 1_048_576;

/// A text of the body.
pub fn text<'a>(call: &'a Call<'_>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match call.body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(&format!("{name} is invalid"))),
    }
}

/// Refuses a text that is too long.
pub fn check_length(name: &str, text: &str, most: usize) -> Result<(), Refusal> {
    if text.chars().count() > most {
        return Err(wrong_value(
            name,
            &format!("is too long (maximum is {most} characters)"),
        ));
    }
    Ok(())
}

/// Whether it is so, as JSON or a form say it.
pub fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(is_so) => Some(*is_so),
        Value::String(text) if text == "true" || text == "1" => Some(true),
        Value::String(text) if text == "false" || text == "0" => Some(false),
        _ => None,
    }
}

/// A list of words: an array, or a text with commas.
pub fn list(call: &Call<'_>, name: &str) -> Result<Option<Vec<String>>, Refusal> {
    let wrong = || invalid(&format!("{name} is invalid"));
    let words = match call.body.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => vec![text.as_str()],
        Some(Value::Array(entries)) => entries
            .iter()
            .map(|entry| entry.as_str().ok_or_else(wrong))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(wrong()),
    };
    let words = words.iter().flat_map(|word| word.split(',')).map(str::trim);
    Ok(Some(
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect(),
    ))
}

/// Who is to have it, by id: `assignee_ids`, or the older `assignee_id`; whoever is no member is left out, 0 is nobody.
pub fn assignees(call: &Call<'_>) -> Result<Option<Vec<Person>>, Refusal> {
    let (name, entries) = match (call.body.get("assignee_ids"), call.body.get("assignee_id")) {
        (Some(Value::Array(entries)), _) => ("assignee_ids", entries.clone()),
        (Some(other), _) => ("assignee_ids", vec![other.clone()]),
        (None, Some(one)) => ("assignee_id", vec![one.clone()]),
        (None, None) => return Ok(None),
    };
    let id = |entry: &Value| match entry {
        Value::Null => Some(0),
        Value::String(text) if text.is_empty() => Some(0),
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let ids: Option<Vec<u64>> = entries.iter().map(id).collect();
    let ids = ids.ok_or_else(|| invalid(&format!("{name} is invalid")))?;
    Ok(Some(
        ids.iter()
            .filter_map(|id| people::members().find(|person| person.id == *id))
            .collect(),
    ))
}
