//! Writing records: what a body sets, as the platform takes it. Fields that do not exist, and those that only the
//! platform sets, are passed over without a word; texts that are too long are cut.

use serde_json::{Map, Value};

use crate::servicenow::access::User;
use crate::servicenow::answer::Refusal;
use crate::servicenow::choices::CLOSE_CODES;
use crate::servicenow::instance::{CloseCodes, Instance, Record};
use crate::servicenow::lifecycle;
use crate::servicenow::schema::{self, Field, Kind, SetBy, Table};

/// The longest id in a reference.
const ID_LENGTH: usize = 32;

/// How values are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// As the database has them.
    Values,
    /// As people see them.
    DisplayValues,
}

/// A write: by whom, when, what.
#[derive(Debug)]
pub struct Write<'a> {
    /// The fields and their values.
    pub fields: &'a Map<String, Value>,
    /// How the values are meant.
    pub input: Input,
    /// By whom.
    pub user: &'a User,
    /// When.
    pub now: &'a str,
}

impl Instance {
    /// Makes a record; tells its id.
    pub fn insert(&mut self, table: &'static Table, write: &Write<'_>) -> Result<String, Refusal> {
        let sys_id = self.next_id();
        let mut record = Record::new(table.name, &sys_id);
        lifecycle::begin(table, &mut record, write);
        let notes = self.apply(table, &mut record, write);
        lifecycle::settle(table, None, &mut record, write);
        lifecycle::check(&record, self.language)?;
        if let Some(number) = self.next_number(table) {
            record.set("number", number);
        }
        for (on, by) in [
            ("sys_created_on", "sys_created_by"),
            ("sys_updated_on", "sys_updated_by"),
        ] {
            record.set(on, write.now);
            record.set(by, write.user.name.as_str());
        }
        record.set("sys_mod_count", "0");
        self.add(record.clone());
        self.finish(&record, &notes, write);
        Ok(sys_id)
    }

    /// Changes a record. A write that changes nothing leaves no trace.
    pub fn update(&mut self, table: &'static Table, sys_id: &str, write: &Write<'_>) -> Result<(), Refusal> {
        let before = self
            .find(table.name, sys_id)
            .cloned()
            .ok_or_else(Refusal::no_record)?;
        let mut record = before.clone();
        let notes = self.apply(table, &mut record, write);
        lifecycle::settle(table, Some(&before), &mut record, write);
        lifecycle::check(&record, self.language)?;
        if record == before && notes.is_empty() {
            return Ok(());
        }
        record.set("sys_updated_on", write.now);
        record.set("sys_updated_by", write.user.name.as_str());
        record.count("sys_mod_count");
        self.replace(record.clone());
        self.finish(&record, &notes, write);
        Ok(())
    }

    fn finish(&mut self, record: &Record, notes: &[(&'static str, String)], write: &Write<'_>) {
        for (element, text) in notes {
            self.append_note(record, element, text, &write.user.name, write.now);
        }
        self.changed.push(record.sys_id.clone());
    }

    /// Sets what a write says; gives the notes that it appends.
    fn apply(
        &self,
        table: &'static Table,
        record: &mut Record,
        write: &Write<'_>,
    ) -> Vec<(&'static str, String)> {
        let mut notes = Vec::new();
        for (name, value) in write.fields {
            let may_be_set =
                |field: &&Field| field.set_by == SetBy::Writer && !self.unwritable.contains(&field.name);
            let Some(field) = table.field(name).filter(may_be_set) else {
                continue;
            };
            let text = plain(value);
            if field.kind == Kind::Journal {
                notes.extend((!text.trim().is_empty()).then(|| (field.name, cut(&text, field.max_length))));
            } else if let Some(taken) = self.taken(field, &text, write.input) {
                record.set(field.name, taken);
            }
        }
        notes
    }

    /// The value that a field takes; nothing if it stays as it is.
    fn taken(&self, field: &Field, text: &str, input: Input) -> Option<String> {
        let by_label = || {
            field
                .kind
                .choices()
                .iter()
                .find(|(_, label)| *label == text)
                .map(|(value, _)| *value)
        };
        let labelled = if input == Input::DisplayValues {
            by_label()
        } else {
            None
        };
        match field.kind {
            _ if text.is_empty() => Some(String::new()),
            Kind::Text => Some(cut(text, field.max_length)),
            Kind::Integer | Kind::IntegerChoice(_) => {
                let value = labelled.unwrap_or(text);
                value.parse::<i64>().ok().map(|_| value.to_owned())
            }
            Kind::TextChoice(CLOSE_CODES) => {
                let value = labelled.unwrap_or(text);
                Some(if self.close_codes.accept(value) {
                    value.to_owned()
                } else {
                    String::new()
                })
            }
            Kind::TextChoice(_) => Some(labelled.unwrap_or(text).to_owned()),
            Kind::Boolean => Some(matches!(text, "true" | "1").to_string()),
            Kind::DateTime => is_time(text).then(|| text.to_owned()),
            Kind::Reference(table) if input == Input::DisplayValues => Some(self.referred(table, text)),
            Kind::Reference(_) => Some(cut(text, ID_LENGTH)),
            Kind::Journal => None,
        }
    }

    /// The id of the record that people call so; empty if there is none.
    fn referred(&self, table: &'static str, name: &str) -> String {
        let display = schema::table(table).map_or("name", |table| table.display);
        let is_it = |record: &&Record| record.sys_id == name || record.get(display) == name;
        self.records(table)
            .find(is_it)
            .map_or_else(String::new, |record| record.sys_id.clone())
    }
}

impl CloseCodes {
    /// Whether a code is one of the choices; another is dropped, as if none had been sent.
    pub fn accept(self, code: &str) -> bool {
        match self {
            Self::All => CLOSE_CODES.iter().any(|(known, _)| *known == code),
            Self::Only(only) => only == code,
        }
    }
}

/// A value of a body as text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

/// Whether a text is a time as ServiceNow writes it.
fn is_time(text: &str) -> bool {
    jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).is_ok()
}
