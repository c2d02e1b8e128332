//! Printing: tables for people, JSON for machines. A reader that goes away is not an error.

use std::io::{self, Write};

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::failure::Failure;
use super::table::{width, wrap};

/// A column of a table: its heading, and where its value stands in an item (a JSON pointer).
pub type Column = (&'static str, &'static str);

/// Prints a text and ends the line.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Tells how far a long command is, on standard error, where nobody reads results.
pub fn progress(text: &str) {
    // There is nowhere left to say that standard error is closed.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints an answer as it came; nothing for an empty one.
pub fn print_json(text: &str) -> Result<(), Failure> {
    if text.trim().is_empty() {
        return Ok(());
    }
    print(text)
}

/// A page of a list as a table, and how to see the next one.
pub fn page(page: &Value, columns: &[Column]) -> String {
    let headings: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
    page_of(page, &headings, |item| {
        columns.iter().map(|(_, place)| text(item, place)).collect()
    })
}

/// The same with rows made by a function.
pub fn page_of(page: &Value, headings: &[&str], row: impl Fn(&Value) -> Vec<String>) -> String {
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let shown = match items {
        [] if page["nextCursor"].is_string() => "none so far".to_owned(),
        [] => return "none".to_owned(),
        items => table(headings, items.iter().map(row).collect()),
    };
    match page["nextCursor"].as_str() {
        Some(cursor) => format!("{shown}\nmore: --cursor {cursor}"),
        None => shown,
    }
}

/// A table as wide as the terminal. Columns that find no room are left out, the last ones first.
pub fn table(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    super::table::table(headings, rows, width())
}

/// Everything about one thing, a line for each member; what is longer goes on below itself.
pub fn details(value: &Value) -> String {
    let mut rows = Vec::new();
    collect(value, "", &mut rows);
    let indent = rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0) + 2;
    let room = width().saturating_sub(indent);
    let mut lines = Vec::new();
    for (name, value) in rows {
        let mut name = name;
        for line in wrap(&value, room) {
            lines.push(format!("{name:indent$}{line}").trim_end().to_owned());
            name.clear();
        }
        if !name.is_empty() {
            lines.push(name);
        }
    }
    lines.join("\n")
}

/// The text at a place in a value: lists with commas, nothing for null.
pub fn text(value: &Value, place: &str) -> String {
    value.pointer(place).map(in_words).unwrap_or_default()
}

fn collect(value: &Value, prefix: &str, rows: &mut Vec<(String, String)>) {
    let Some(members) = value.as_object() else {
        rows.push((prefix.to_owned(), in_words(value)));
        return;
    };
    for (name, member) in members {
        let path = match prefix {
            "" => name.clone(),
            _ => format!("{prefix}.{name}"),
        };
        collect(member, &path, rows);
    }
}

fn in_words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => printable(text),
        Value::Array(items) => items.iter().map(in_words).collect::<Vec<_>>().join(", "),
        Value::Object(_) => reference_in_words(value),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A header is its name and value; a service, user or webhook its name, or else its id.
fn reference_in_words(value: &Value) -> String {
    let member = |name: &str| value.get(name).and_then(Value::as_str);
    match (member("name"), member("value")) {
        (Some(name), Some(value)) => format!("{name}: {value}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => member("id").map_or_else(|| value.to_string(), str::to_owned),
    }
}

/// Without control characters: what a stranger sends must not steer the terminal.
pub fn printable(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' => character,
        _ if character.is_control() => char::REPLACEMENT_CHARACTER,
        _ => character,
    };
    text.chars().map(shown).collect()
}
