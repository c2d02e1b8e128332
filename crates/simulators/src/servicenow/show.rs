//! An incident roughly as its form shows it.

use crate::message::Message;
use crate::servicenow::instance::{Instance, Record};

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
pub fn incidents(instance: &Instance) -> Vec<Message> {
    instance
        .records("incident")
        .map(|record| incident(instance, record))
        .collect()
}

/// One incident.
pub fn incident(instance: &Instance, record: &Record) -> Message {
    let mut message = Message::default();
    let (number, title) = (record.get("number"), record.get("short_description"));
    message.add(&format!("{number} {title}"));
    for (label, name) in FACTS {
        let cell = instance.cell(record, name);
        let value = cell.map_or_else(|| record.get(name).to_owned(), |cell| cell.display);
        if !value.is_empty() {
            message.add_fact(label, &value);
        }
    }
    message.add(record.get("description"));
    for note in instance.notes(record) {
        message.add_fact(note.get("sys_created_by"), note.get("value"));
    }
    message
}
