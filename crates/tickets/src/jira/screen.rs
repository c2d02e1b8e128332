//! The fields that a transition's screen asks for, and what the settings answer.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::jira::issue::short;
use crate::jira::settings::Settings;
use destination::mapping;
use model::ticket::TicketPhase;

/// The most fields of a screen that are looked at.
const MAX_FIELDS: usize = 200;
/// The most fields that one transition is given.
const MAX_ANSWERS: usize = 10;
/// The longest id of a field, in bytes.
const MAX_ID_BYTES: usize = 64;
/// The longest name of a field or value that is kept, in characters.
const MAX_NAME: usize = 60;
/// The field that a ticket's end is written to.
const RESOLUTION: &str = "resolution";

/// A field of a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScreenField {
    /// Its id.
    pub(super) id: String,
    /// Its name.
    pub(super) name: String,
    /// Whether nothing happens without it.
    pub(super) is_required: bool,
    /// How its value is written.
    pub(super) shape: Shape,
    /// The names of the values that it takes; nothing if they are not told.
    pub(super) allowed: Vec<String>,
}

/// How a field's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shape {
    /// As a text.
    Text,
    /// As a number.
    Number,
    /// As something with a name.
    Name,
    /// As one of a list of values.
    Value,
    /// As a list of texts.
    Texts,
    /// As a list of things with names.
    Names,
    /// As some of a list of values.
    Values,
}

/// A field that is filled in, without its value: that is read from the settings when it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// The field's id.
    pub(super) id: String,
    /// Under which name the settings answer it.
    pub(super) known_as: String,
    /// How its value is written.
    pub(super) shape: Shape,
}

/// The fields of a transition.
pub(super) fn read(fields: &Value) -> Vec<ScreenField> {
    let listed = fields.as_object().into_iter().flatten();
    listed
        .take(MAX_FIELDS)
        .filter_map(|(id, field)| read_one(id, field))
        .collect()
}

/// One field of a screen; nothing if its id cannot be one.
pub(super) fn read_one(id: &str, field: &Value) -> Option<ScreenField> {
    let is_required = field["required"].as_bool() == Some(true);
    let has_default = field["hasDefaultValue"].as_bool() == Some(true);
    let allowed = field["allowedValues"].as_array().into_iter().flatten();
    let name = |value: &Value| {
        ["name", "value"]
            .into_iter()
            .find_map(|key| value[key].as_str().map(str::to_owned))
    };
    (1..=MAX_ID_BYTES).contains(&id.len()).then(|| ScreenField {
        id: id.to_owned(),
        name: short(field["name"].as_str().unwrap_or(id), MAX_NAME),
        is_required: is_required && !has_default,
        shape: shape(&field["schema"]),
        allowed: allowed.filter_map(name).take(MAX_FIELDS).collect(),
    })
}

fn shape(schema: &Value) -> Shape {
    let single = |kind: &str| match kind {
        "number" => Shape::Number,
        "option" | "option-with-child" => Shape::Value,
        "priority" | "resolution" | "version" | "component" | "user" | "group" | "issuetype" => Shape::Name,
        _ => Shape::Text,
    };
    match schema["type"].as_str().unwrap_or_default() {
        "array" => match single(schema["items"].as_str().unwrap_or_default()) {
            Shape::Value => Shape::Values,
            Shape::Name => Shape::Names,
            _ => Shape::Texts,
        },
        kind => single(kind),
    }
}

/// What the settings answer to a screen on the way to a phase; or the names of the fields that they owe an answer.
pub(super) fn answers(
    fields: &[ScreenField],
    settings: Settings<'_>,
    phase: TicketPhase,
) -> Result<Vec<Answer>, Vec<String>> {
    let mut answers = Vec::new();
    let mut owed = Vec::new();
    for field in fields {
        match answer(field, settings, phase) {
            Some(known_as) if answers.len() < MAX_ANSWERS => answers.push(Answer {
                id: field.id.clone(),
                known_as,
                shape: field.shape,
            }),
            Some(_) | None if field.is_required => owed.push(field.name.clone()),
            Some(_) | None => {}
        }
    }
    if owed.is_empty() { Ok(answers) } else { Err(owed) }
}

/// Under which name the settings answer a field; nothing if they do not.
fn answer(field: &ScreenField, settings: Settings<'_>, phase: TicketPhase) -> Option<String> {
    let table = settings.0.option("transitionFields");
    let own = [&field.id, &field.name]
        .into_iter()
        .find(|name| mapping::value(table, name).is_some());
    if let Some(name) = own {
        return Some(name.clone());
    }
    let is_known = |name: &str| {
        field
            .allowed
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(name))
    };
    let is_resolution = field.id == RESOLUTION && (phase == TicketPhase::Done || field.is_required);
    let takes_ours = field.allowed.is_empty() || is_known(settings.resolution());
    (is_resolution && takes_ours).then(|| RESOLUTION.to_owned())
}

/// The value of a field that is filled in.
pub(super) fn value(answer: &Answer, settings: Settings<'_>) -> Value {
    let own = mapping::value(settings.0.option("transitionFields"), &answer.known_as);
    let text = own.unwrap_or_else(|| settings.resolution());
    let json: Option<Value> = serde_json::from_str(text).ok();
    let json = json.filter(|json| json.is_object() || json.is_array());
    json.unwrap_or_else(|| shaped(text, answer.shape))
}

fn shaped(text: &str, shape: Shape) -> Value {
    match shape {
        Shape::Text => json!(text),
        Shape::Number => text
            .parse::<serde_json::Number>()
            .map_or_else(|_| json!(text), Value::Number),
        Shape::Name => json!({ "name": text }),
        Shape::Value => json!({ "value": text }),
        Shape::Texts => json!([text]),
        Shape::Names => json!([{ "name": text }]),
        Shape::Values => json!([{ "value": text }]),
    }
}

/// Whether a text may be the id of a field or type.
pub(super) fn is_field_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len())
}
