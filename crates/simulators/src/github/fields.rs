//! The members of a body that make or change an issue, read as GitHub reads them.

use serde_json::{Value, json};

use super::faults::wrong_type;
use super::{invalid, is_assignable};
use crate::code_host::call::{Call, Refusal};
use crate::code_host::people::{self, Person};
use crate::code_host::store::Issue;

const MAX_TITLE: usize = 256;
/// The most characters of a text.
pub const MAX_TEXT: usize = 65_536;

/// A title, which may be a number.
pub fn read_title(value: &Value) -> Result<String, Refusal> {
    let title = match value {
        Value::String(title) => title.trim().to_owned(),
        Value::Number(number) if !number.is_f64() => number.to_string(),
        _ => return Err(wrong_type("title", value, "a string or an integer")),
    };
    if title.is_empty() {
        return Err(invalid(
            &json!({ "resource": "Issue", "field": "title", "code": "missing_field" }),
        ));
    }
    if title.chars().count() > MAX_TITLE {
        return Err(too_long_text("Issue", "title", MAX_TITLE));
    }
    Ok(title)
}

/// A text of the body, which may be null.
pub fn read_text(call: &Call<'_>, name: &str) -> Result<Option<String>, Refusal> {
    match call.body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() > MAX_TEXT => {
            Err(too_long_text("Issue", name, MAX_TEXT))
        }
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong_type(name, other, "a string")),
    }
}

/// The refusal of a text that is too long.
pub fn too_long_text(resource: &str, field: &str, most: usize) -> Refusal {
    let message = format!("{field} is too long (maximum is {most} characters)");
    invalid(&json!({ "resource": resource, "field": field, "code": "custom", "message": message }))
}

/// A list of names, each a text or an object that holds it.
pub fn read_names(call: &Call<'_>, list: &str, member: &str) -> Result<Option<Vec<String>>, Refusal> {
    let value = match call.body.get(list) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let entries = value
        .as_array()
        .ok_or_else(|| wrong_type(list, value, "an array"))?;
    let name = |entry: &Value| {
        let name = entry
            .as_str()
            .or_else(|| entry.get(member).and_then(Value::as_str));
        name.map(str::to_owned)
            .ok_or_else(|| wrong_type(&format!("{list}/items"), entry, "a string"))
    };
    entries.iter().map(name).collect::<Result<_, _>>().map(Some)
}

/// The people of these names, all of whom can be assigned.
pub fn read_people(logins: &[String]) -> Result<Vec<Person>, Refusal> {
    let person = |login: &String| {
        let known = people::named(login).filter(|person| is_assignable(*person));
        let error = json!({ "value": login, "resource": "Issue", "field": "assignees", "code": "invalid" });
        known.ok_or_else(|| invalid(&error))
    };
    logins.iter().map(person).collect()
}

/// The state that a request sets; says whether it is another one.
pub fn set_state(call: &Call<'_>, issue: &mut Issue) -> Result<bool, Refusal> {
    let reason = call.body.get("state_reason").filter(|reason| !reason.is_null());
    let known = ["completed", "not_planned", "duplicate", "reopened"];
    if let Some(reason) = reason.filter(|reason| !known.iter().any(|known| reason == known)) {
        return Err(wrong_type("state_reason", reason, "a possible value"));
    }
    let is_closed = match call.body.get("state") {
        None | Some(Value::Null) => return Ok(false),
        Some(state) if state == "closed" => true,
        Some(state) if state == "open" => false,
        Some(state) => return Err(wrong_type("state", state, "a possible value")),
    };
    let changes = issue.set_closed(is_closed, call.now, call.caller);
    let usual = if is_closed { "completed" } else { "reopened" };
    if changes || reason.is_some() {
        let given = reason
            .and_then(Value::as_str)
            .filter(|reason| (*reason != "reopened") == is_closed);
        issue.reason = Some(given.unwrap_or(usual).to_owned());
    }
    Ok(changes)
}
