//! Printing: tables for people, JSON for machines. A reader that goes away is not an error.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::failure::Failure;

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

/// How many columns the terminal has; nothing if the output goes elsewhere.
pub fn width() -> Option<usize> {
    let is_terminal = io::stdout().is_terminal();
    Table::new().width().filter(|_| is_terminal).map(usize::from)
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
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return match page["nextCursor"].as_str() {
            // As many were looked at as one page may.
            Some(cursor) => format!("none so far\nmore: --cursor {cursor}"),
            None => "none".into(),
        };
    }
    let rows = items
        .iter()
        .map(|item| columns.iter().map(|(_, place)| text(item, place)).collect());
    let headings: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
    let table = table(&headings, rows.collect());
    match page["nextCursor"].as_str() {
        Some(cursor) => format!("{table}\nmore: --cursor {cursor}"),
        None => table,
    }
}

/// A table.
pub fn table(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = blank();
    table.set_header(headings);
    table.add_rows(rows);
    trimmed(&table)
}

/// Everything about one thing, a line for each member.
pub fn details(value: &Value) -> String {
    let mut rows = Vec::new();
    collect(value, "", &mut rows);
    let mut table = blank();
    table.add_rows(rows);
    trimmed(&table)
}

/// The text at a place in a value: lists with commas, nothing for null.
pub fn text(value: &Value, place: &str) -> String {
    value.pointer(place).map(in_words).unwrap_or_default()
}

fn blank() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    // Only a terminal has a width; scripts want whole values in one line.
    let arrangement = if io::stdout().is_terminal() {
        ContentArrangement::Dynamic
    } else {
        ContentArrangement::Disabled
    };
    table.set_content_arrangement(arrangement);
    table
}

fn trimmed(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

fn collect(value: &Value, prefix: &str, rows: &mut Vec<Vec<String>>) {
    let Some(members) = value.as_object() else {
        rows.push(vec![prefix.to_owned(), in_words(value)]);
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
        Value::String(text) => text.clone(),
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
