//! An incident roughly as its form shows it.

use crate::servicenow::instance::{Instance, Record};
use destination::shown::{Part, Shown};

/// The fields that are told as facts, with their names.
const FACTS: [(&str, &str); 7] = [
    ("State", "state"),
    ("Impact", "impact"),
    ("Urgency", "urgency"),
    ("Assigned to", "assigned_to"),
    ("Assignment group", "assignment_group"),
    ("Correlation", "correlation_id"),
    ("Close code", "close_code"),
];

/// Every incident, oldest first.
pub fn incidents(instance: &Instance) -> Vec<Shown> {
    instance
        .records("incident")
        .map(|record| incident(instance, record))
        .collect()
}

/// One incident.
pub fn incident(instance: &Instance, record: &Record) -> Shown {
    let mut parts = vec![Part::Heading(format!(
        "{} {}",
        record.get("number"),
        record.get("short_description")
    ))];
    let seen = |name: &str| match instance.cell(record, name) {
        Some(cell) => cell.display,
        None => record.get(name).to_owned(),
    };
    let facts = FACTS
        .iter()
        .map(|(label, name)| ((*label).to_owned(), seen(name)));
    parts.push(Part::Facts(
        facts.filter(|(_, value)| !value.is_empty()).collect(),
    ));
    let description = record.get("description");
    parts.extend((!description.is_empty()).then(|| Part::Text(description.to_owned())));
    let notes = instance.notes(record);
    parts.extend(
        notes.map(|note| Part::Quiet(format!("{}: {}", note.get("sys_created_by"), note.get("value")))),
    );
    Shown { accent: None, parts }
}
