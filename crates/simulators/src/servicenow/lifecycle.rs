//! What the platform sets and asks by itself when a task is written: the business rules and the data policy of the base
//! system, as far as an incident's life needs them.

use crate::servicenow::answer::Refusal;
use crate::servicenow::instance::{Language, Record};
use crate::servicenow::schema::Table;
use crate::servicenow::write::Write;

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Resolved,
    Closed,
    Canceled,
}

impl Stage {
    fn of(record: &Record) -> Self {
        match record.get("state") {
            "6" => Self::Resolved,
            "7" => Self::Closed,
            "8" => Self::Canceled,
            _ => Self::Open,
        }
    }
}

/// Sets what a new task begins with.
pub fn begin(table: &'static Table, record: &mut Record, write: &Write<'_>) {
    if table.task.is_none() {
        return;
    }
    let states = table.field("state").map_or(&[][..], |field| field.kind.choices());
    record.set("state", states.first().map_or("1", |(value, _)| *value));
    record.set("impact", "3");
    record.set("urgency", "3");
    record.set("active", "true");
    record.set("opened_at", write.now);
    record.set("opened_by", write.user.sys_id.as_str());
    record.set("sys_class_name", table.name);
    if table.name == "incident" {
        record.set("category", "inquiry");
        record.set("severity", "3");
        record.set("reopen_count", "0");
    }
}

/// Sets what follows from the other values.
pub fn settle(table: &'static Table, before: Option<&Record>, record: &mut Record, write: &Write<'_>) {
    if table.task.is_none() {
        return;
    }
    if let Some(priority) = priority(record.get("impact"), record.get("urgency")) {
        record.set("priority", priority.to_string());
    }
    if table.name != "incident" {
        return;
    }
    let state = record.get("state").to_owned();
    record.set("incident_state", state);
    let former = before.map_or(Stage::Open, Stage::of);
    let stage = Stage::of(record);
    match stage {
        Stage::Open if former != Stage::Open => {
            for name in ["resolved_at", "resolved_by", "closed_at", "closed_by"] {
                record.set(name, "");
            }
            record.count("reopen_count");
        }
        Stage::Open => {}
        Stage::Resolved => stamp(record, "resolved_at", "resolved_by", write),
        Stage::Closed => {
            stamp(record, "resolved_at", "resolved_by", write);
            stamp(record, "closed_at", "closed_by", write);
        }
        Stage::Canceled => stamp(record, "closed_at", "closed_by", write),
    }
    if stage != former {
        record.set(
            "active",
            matches!(stage, Stage::Open | Stage::Resolved).to_string(),
        );
    }
}

/// The data policies of the base system: a task that is over says in a code and in notes how it ended. Like the real ones, they
/// name the fields by their labels.
pub fn check(record: &Record, language: Language) -> Result<(), Refusal> {
    let wanted: &[(&str, &str, &str)] = match (record.table, record.get("state")) {
        ("incident", "6" | "7") => &[
            ("close_code", "Resolution code", "Lösungscode"),
            ("close_notes", "Resolution notes", "Lösungsnotizen"),
        ],
        ("problem", "106") => &[
            ("resolution_code", "Resolution code", "Lösungscode"),
            ("cause_notes", "Cause notes", "Ursachennotizen"),
            ("fix_notes", "Fix notes", "Lösungsnotizen"),
        ],
        ("change_request", "3") => &[
            ("close_code", "Close code", "Abschlusscode"),
            ("close_notes", "Close notes", "Abschlussnotizen"),
        ],
        _ => return Ok(()),
    };
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|(name, ..)| record.get(name).is_empty())
        .map(|(_, english, german)| match language {
            Language::English => *english,
            Language::German => *german,
        })
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(mandatory(language, &missing.join(", ")))
    }
}

/// The refusal of a data policy that wants fields.
pub fn mandatory(language: Language, labels: &str) -> Refusal {
    policy(
        language,
        [
            "The following fields are mandatory",
            "Die folgenden Felder sind Pflichtfelder",
        ],
        labels,
    )
}

/// The refusal of a data policy that keeps the state as it is.
pub fn read_only(language: Language) -> Refusal {
    let label = match language {
        Language::English => "State",
        Language::German => "Status",
    };
    policy(
        language,
        [
            "The following fields are read only",
            "Die folgenden Felder sind schreibgeschützt",
        ],
        label,
    )
}

/// A data policy's refusal: message and detail are translated with the rest of the caller's pages. The German words are ours.
fn policy(language: Language, [english, german]: [&str; 2], labels: &str) -> Refusal {
    match language {
        Language::English => Refusal::new(
            403,
            "Operation Failed",
            &format!("Data Policy Exception: {english}: {labels}"),
        ),
        Language::German => Refusal::new(
            403,
            "Vorgang fehlgeschlagen",
            &format!("Datenrichtlinienausnahme: {german}: {labels}"),
        ),
    }
}

fn stamp(record: &mut Record, at: &'static str, by: &'static str, write: &Write<'_>) {
    if record.get(at).is_empty() {
        record.set(at, write.now);
        record.set(by, write.user.sys_id.as_str());
    }
}

/// The priority that the base system looks up for an impact and an urgency; nothing for others than it knows.
fn priority(impact: &str, urgency: &str) -> Option<u8> {
    let level = |text: &str| text.parse::<u8>().ok().filter(|level| (1..=3).contains(level));
    Some(level(impact)? + level(urgency)? - 1)
}
