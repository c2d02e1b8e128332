//! Requests to Jira as people see what they do: a ticket, a transition, a comment, a link, an assignee.

use serde_json::Value;

use crate::jira::issue::short;
use destination::preview::{Part, Preview};

/// The longest value that is shown in a row, in characters.
const MAX_VALUE: usize = 200;
/// What has a place of its own in a ticket.
const PLACED: [&str; 2] = ["summary", "description"];

/// The request; nothing if it is none that is known.
pub(super) fn preview(body: &Value) -> Option<Preview> {
    let parts = if body.get("transition").is_some() {
        transition(body)
    } else if let Some(fields) = body["fields"].as_object() {
        ticket(fields)
    } else if let Some(comment) = body["body"].as_str() {
        vec![Part::Quiet("Comment".to_owned()), Part::Text(plain(comment))]
    } else if body["object"].is_object() {
        link(&body["object"])
    } else {
        vec![Part::Facts(vec![("Assignee".to_owned(), assignee(body)?)])]
    };
    Some(Preview { accent: None, parts })
}

fn ticket(fields: &serde_json::Map<String, Value>) -> Vec<Part> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let others = fields.iter().filter(|(name, _)| !PLACED.contains(&name.as_str()));
    let facts = others.map(|(name, value)| (label(name), in_a_row(value)));
    let parts = [
        Part::Heading(text("summary").to_owned()),
        Part::Facts(facts.collect()),
        Part::Text(plain(text("description"))),
    ];
    let has_text = |part: &Part| !matches!(part, Part::Text(text) if text.is_empty());
    parts.into_iter().filter(has_text).collect()
}

fn transition(body: &Value) -> Vec<Part> {
    let id = body["transition"]["id"].as_str().unwrap_or_default();
    let fields = body["fields"].as_object().into_iter().flatten();
    let mut facts = vec![("Transition".to_owned(), short(id, MAX_VALUE))];
    facts.extend(fields.map(|(name, value)| (label(name), in_a_row(value))));
    vec![Part::Facts(facts)]
}

fn link(object: &Value) -> Vec<Part> {
    let title = object["title"].as_str().unwrap_or_default();
    let state = match object["status"]["resolved"].as_bool() {
        Some(true) => "resolved",
        Some(false) | None => "open",
    };
    vec![
        Part::Quiet(format!("Link back, {state}")),
        Part::Buttons(vec![short(title, MAX_VALUE)]),
    ]
}

fn assignee(body: &Value) -> Option<String> {
    let account = ["accountId", "name"]
        .into_iter()
        .find_map(|name| body[name].as_str())?;
    Some(short(account, MAX_VALUE))
}

fn label(field: &str) -> String {
    let known = match field {
        "issuetype" => "Issue type",
        "project" => "Project",
        "labels" => "Labels",
        "components" => "Components",
        "priority" => "Priority",
        "resolution" => "Resolution",
        other => other,
    };
    short(known, MAX_VALUE)
}

/// A value in one line: what a thing is called, a list with commas between, anything else as JSON.
fn in_a_row(value: &Value) -> String {
    let named = ["name", "key", "value", "id"]
        .into_iter()
        .find_map(|name| value[name].as_str());
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(in_a_row).collect::<Vec<_>>().join(", "),
        other => named.map_or_else(|| other.to_string(), str::to_owned),
    };
    short(&text, MAX_VALUE)
}

/// Wiki markup as a reader sees it, as far as we write any: escapes decoded, bold marks dropped, links by their labels.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    loop {
        let here = rest.as_str();
        let Some(character) = rest.next() else {
            return plain;
        };
        let escaped = rest.clone().next().filter(char::is_ascii_punctuation);
        if let (Some(escaped), '\\') = (escaped, character) {
            plain.push(escaped);
            rest.next();
        } else if let Some((label, after)) = link_label(here) {
            plain.push_str(label);
            rest = after.chars();
        } else if !matches!(character, '*' | '\u{2060}') {
            plain.push(character);
        }
    }
}

/// The label of the link that a text begins with, and what follows it.
fn link_label(text: &str) -> Option<(&str, &str)> {
    let (inner, after) = text.strip_prefix('[')?.split_once(']')?;
    let (label, url) = inner.split_once('|')?;
    url.starts_with("http").then_some((label, after))
}
