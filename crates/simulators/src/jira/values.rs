//! Reading the values of fields as requests give them, each refused in the words that Jira has for its field.

use serde_json::Value;

use crate::jira::request::Api;
use crate::jira::setting::Problem;
use crate::jira::site::{Entry, IMPACTS, ISSUE_TYPES, PRIORITIES};
use crate::jira::workflow;

/// The most characters of a summary, of a label and of a line.
const MAX_LINE: usize = 255;

/// Who is named by an object such as `{"accountId": …}`; nobody if it is null or names nobody.
pub fn named_person(value: &Value, api: Api) -> Result<Option<String>, String> {
    let Value::Object(members) = value else {
        return if value.is_null() {
            Ok(None)
        } else {
            Err("data was not an object".to_owned())
        };
    };
    let keys: &[&str] = match api {
        Api::Two => &["accountId", "name", "key", "id"],
        Api::Three => &["accountId", "id"],
    };
    let given = keys.iter().find_map(|key| members.get(*key));
    match given {
        Some(Value::String(name)) if name == "-1" || name.is_empty() => Ok(None),
        Some(Value::String(name)) => Ok(Some(name.clone())),
        Some(Value::Null) => Ok(None),
        Some(_) | None => Err("Specify a valid value for assignee".to_owned()),
    }
}

/// The issue type that a value names.
pub fn issue_type(value: &Value, api: Api) -> Result<&'static Entry, String> {
    let found = find(value, &ISSUE_TYPES);
    found.ok_or_else(|| match api {
        Api::Two => "valid issue type is required".to_owned(),
        Api::Three => "Specify a valid issue type".to_owned(),
    })
}

/// A summary: one line.
pub fn summary(value: &Value, api: Api) -> Result<String, Problem> {
    let summary = value.as_str().ok_or("Operation value must be a string")?.trim();
    if summary.is_empty() {
        return Err("You must specify a summary of the issue.".into());
    }
    if summary.contains(['\n', '\r']) {
        return Err("The summary is invalid because it contains newline characters.".into());
    }
    if summary.chars().count() > MAX_LINE {
        return Err(match api {
            Api::Two => "Summary must be less than 255 characters.".into(),
            Api::Three => "Summary can't exceed 255 characters.".into(),
        });
    }
    Ok(summary.to_owned())
}

/// A label: no spaces.
pub fn label(value: &Value) -> Result<String, Problem> {
    let label = value.as_str().ok_or("string expected at index 0")?;
    if label.is_empty() || label.contains(char::is_whitespace) {
        return Err(format!("The label '{label}' contains spaces which is invalid.").into());
    }
    if label.chars().count() > MAX_LINE {
        return Err(format!("The label '{label}' exceeds the maximum length of 255 characters.").into());
    }
    Ok(label.to_owned())
}

/// A priority; the usual one if it is null.
pub fn priority(value: &Value) -> Result<&'static Entry, Problem> {
    if value.is_null() {
        return Ok(workflow::default_priority());
    }
    if !value.is_object() {
        return Err("data was not an object".into());
    }
    let name = value.get("name").and_then(Value::as_str);
    find(value, &PRIORITIES).ok_or_else(|| match name {
        Some(name) => format!("Priority name '{name}' is not valid").into(),
        None => "The priority selected is invalid.".into(),
    })
}

/// A choice of the field Impact.
pub fn impact(value: &Value) -> Result<Option<&'static Entry>, Problem> {
    if value.is_null() {
        return Ok(None);
    }
    let found = find(value, &IMPACTS).ok_or("Specify a valid 'id' or 'name' for Impact")?;
    Ok(Some(found))
}

/// A line, or nothing.
pub fn line(value: &Value) -> Result<Option<String>, Problem> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.chars().count() > MAX_LINE => {
            Err("The entered text is too long. It exceeds the allowed limit of 255 characters.".into())
        }
        Value::String(text) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        _ => Err("Operation value must be a string".into()),
    }
}

/// One of some entries, or nothing.
pub fn one_of(
    value: &Value,
    entries: &'static [Entry],
    kind: &str,
) -> Result<Option<&'static Entry>, Problem> {
    if value.is_null() {
        Ok(None)
    } else {
        some_of(value, entries, kind).map(Some)
    }
}

/// One of some entries.
pub fn some_of(value: &Value, entries: &'static [Entry], kind: &str) -> Result<&'static Entry, Problem> {
    if !value.is_object() {
        return Err("data was not an object".into());
    }
    let named = value
        .get("id")
        .map(|id| ("id", id))
        .or_else(|| value.get("name").map(|name| ("name", name)));
    let (by, text) = named.ok_or_else(|| format!("Specify a valid 'id' or 'name' for {kind}"))?;
    let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
    find(value, entries).ok_or_else(|| format!("{kind} {by} '{text}' is not valid").into())
}

/// The entry that an object names by `id`, `name` or `value`. Names are compared as they are written.
fn find(value: &Value, entries: &'static [Entry]) -> Option<&'static Entry> {
    let text = |key: &str| {
        value
            .get(key)
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    match (text("id"), text("name").or_else(|| text("value"))) {
        (Some(id), _) => entries.iter().find(|entry| entry.id == id),
        (None, Some(name)) => entries.iter().find(|entry| entry.name == name),
        (None, None) => None,
    }
}

/// Adds to a list, takes from it, or replaces it.
pub fn change_list<T: PartialEq>(
    list: &mut Vec<T>,
    verb: &str,
    value: &Value,
    read: impl Fn(&Value) -> Result<T, Problem>,
) -> Result<(), Problem> {
    match verb {
        "add" => {
            let item = read(value)?;
            if !list.contains(&item) {
                list.push(item);
            }
        }
        "remove" => {
            let item = read(value)?;
            list.retain(|kept| kept != &item);
        }
        _ => {
            let values = if value.is_null() {
                Some(&[][..])
            } else {
                value.as_array().map(Vec::as_slice)
            };
            let values = values.ok_or("data was not an array")?;
            let mut items = Vec::new();
            for value in values {
                let item = read(value)?;
                if !items.contains(&item) {
                    items.push(item);
                }
            }
            *list = items;
        }
    }
    Ok(())
}
