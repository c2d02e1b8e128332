//! What statements cost does not grow with history: none scans a table that grows, and none puts rows of one in order, but for
//! those that are named here with why.
//!
//! The statements are taken out of the source, so that a new one is looked at without anybody thinking of it. Those that are put
//! together while the program runs are looked at beside their code.

use std::path::Path;

use rusqlite::Connection;

use super::backend::SqliteBackend;

/// The tables that grow with what happens.
const GROWING: [&str; 13] = [
    "activity",
    "attempts",
    "audit",
    "deliveries",
    "events",
    "incident_numbers",
    "incidents",
    "insight_changes",
    "memories",
    "notes",
    "receipts",
    "source_alerts",
    "ticket_links",
];

/// Beginnings of statements that read much, and why they may.
const ALLOWED: [(&str, &str); 7] = [
    (
        "SELECT webhook_id, state, ended_as FROM deliveries NOT INDEXED",
        "the balance looks at every delivery; whoever draws it rests longer the longer it took",
    ),
    (
        "SELECT id, number, started_at, outcome",
        "the attempts of one delivery",
    ),
    (
        "SELECT sequence FROM events WHERE is_test = 0",
        "from the end up to the first that fits",
    ),
    (
        "SELECT i.id FROM incidents i",
        "a beginning; the whole is looked at beside its code",
    ),
    (
        "DELETE FROM insight_changes WHERE (id, part) IN",
        "along an index up to the limit",
    ),
    (
        "SELECT service_id, count(*) FROM incidents INDEXED BY incidents_open_rank",
        "an index of what is open",
    ),
    (
        "SELECT owner, key FROM receipts WHERE answer",
        "a new master key seals every answer anew",
    ),
];

/// The string literals of a file that begin like a statement, without its tests.
fn statements(source: &str) -> Vec<String> {
    let product = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    let mut rest = product;
    while let Some(start) = rest.find('"') {
        let body = &rest[start + 1..];
        let Some(end) = body.find('"') else { break };
        let text = body[..end].trim_start();
        if ["SELECT ", "UPDATE ", "DELETE ", "WITH "]
            .iter()
            .any(|verb| text.starts_with(verb))
        {
            found.push(text.replace("\\\n", "\n"));
        }
        rest = &body[end + 1..];
    }
    found
}

fn plan(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let count = statement.parameter_count();
    let nulls = rusqlite::params_from_iter(std::iter::repeat_n(rusqlite::types::Null, count));
    let lines = statement.query_map(nulls, |row| row.get::<_, String>(3))?;
    lines.collect()
}

/// What a plan calls a table: by its name or by what the statement calls it.
fn names_of(table: &str, sql: &str) -> Vec<String> {
    let words: Vec<&str> = sql
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let pairs = words.windows(2).filter(|pair| pair[0] == table);
    let mut names: Vec<String> = pairs.map(|pair| pair[1].to_owned()).collect();
    names.push(table.to_owned());
    names
}

/// The first line of a plan that reads more than it should.
fn too_much(plan: &[String], sql: &str) -> Option<String> {
    let names: Vec<String> = GROWING.iter().flat_map(|table| names_of(table, sql)).collect();
    let is_of_growing = names.iter().any(|name| {
        plan.iter().any(|line| {
            line.starts_with(&format!("SEARCH {name} ")) || line.starts_with(&format!("SCAN {name} "))
        })
    });
    plan.iter()
        .find(|line| {
            let scans = names
                .iter()
                .any(|name| **line == format!("SCAN {name}") || line.starts_with(&format!("SCAN {name} ")));
            scans || (is_of_growing && line.starts_with("USE TEMP B-TREE FOR ORDER BY"))
        })
        .cloned()
}

#[test]
fn no_statement_scans_or_sorts_what_grows() {
    let backend = SqliteBackend::new();
    let connection = backend.connection();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut looked_at, mut wrong) = (0, Vec::new());
    let mut needed = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        for sql in statements(&source) {
            let Ok(plan) = plan(&connection, &sql) else {
                continue;
            };
            looked_at += 1;
            let Some(line) = too_much(&plan, &sql) else {
                continue;
            };
            match ALLOWED.iter().find(|(start, _)| sql.starts_with(start)) {
                Some((start, _)) => drop(needed.insert(*start)),
                None => wrong.push(format!("{}: {line}\n{sql}\n", path.display())),
            }
        }
    }
    assert!(looked_at > 200, "only {looked_at} statements were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        needed.len(),
        ALLOWED.len(),
        "no longer needed: all but {needed:?}"
    );
}
