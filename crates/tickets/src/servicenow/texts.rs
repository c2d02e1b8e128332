//! The texts of a ticket: templates of the settings, or our own where there are none. All that a template may say stands
//! in docs/destinations/custom.md; here it may also name `description`, the incident's own.

use std::sync::Arc;

use crate::servicenow::comments::without_markup;
use crate::servicenow::settings::{OUR_FIELDS, close_code, close_fields, table};
use crate::servicenow::tables::life;
use destination::mapping;
use destination::task::Task;
use destination::template::context::Context;
use destination::template::{self, Escape, Made};
use destination::text::{Unit, cut, one_line};
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;
use model::incident::Severity;

/// The longest summary, in characters: what `short_description` holds.
pub(super) const MAX_SUMMARY: usize = 160;
/// The longest description or closing note, in characters: what these fields hold.
const MAX_TEXT: usize = 4000;
/// The longest name of a group, in characters.
const MAX_GROUP: usize = 200;
/// The longest value of another field, in characters; most hold far less.
const MAX_VALUE: usize = 4000;
/// Fields that are journals: what is written there is shown with its markup.
const JOURNALS: [&str; 2] = ["comments", "work_notes"];
/// What stands before the summary of a test.
const TEST_MARK: &str = "[Test] ";

/// The summary unless the settings have another.
const SUMMARY: &str = "{{ number_mark }}{{ incident.title | line }}";
/// The description unless the settings have another.
const DESCRIPTION: &str = "\
{% if description %}{{ description }}\n\n{% endif %}\
Service: {{ incident.service.name | line }}\n\
Severity: {{ incident.severity }}\n\
Triggered: {{ incident.createdAt }}\n\
{% if incident.assignee %}Assignee: {{ incident.assignee.name | line }}\n{% endif %}\
{% if links.incident %}Incident: {{ links.incident }}\n{% endif %}\
OpsKnight {{ incident.id }}";
/// What a ticket is closed with unless the settings have something else.
const CLOSE_NOTES: &str = "Resolved in OpsKnight by {{ actor | line }}.";

/// What a ticket is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Texts {
    /// The summary.
    pub(super) summary: String,
    /// The description.
    pub(super) description: String,
    /// The group, or nothing.
    pub(super) group: String,
    /// Further fields.
    pub(super) fields: Vec<(String, String)>,
    /// How bad the incident is.
    pub(super) severity: Severity,
}

/// A text that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The field of the form.
    pub(super) field: &'static str,
    /// What is wrong.
    pub(super) detail: String,
    /// What helps.
    remedy: Disposition,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let detail = format!("the option {} {}", fault.field, fault.detail);
        Self::new(FailureCode::TemplateFailed, detail).with(fault.remedy)
    }
}

/// The texts that a ticket is made of.
pub(super) fn of_ticket(task: &Task<'_>) -> Result<Texts, Failure> {
    let values = Values::of(task)?;
    let severity = task
        .event
        .incident()
        .map_or(Severity::Critical, |incident| incident.severity);
    // All are ordered before one is asked for.
    let (own, description) = (
        values.text("summary", SUMMARY),
        values.text("description", DESCRIPTION),
    );
    let (group, fields) = (group_of(&values), fields(&values));
    Ok(Texts {
        summary: summary(task, &own?),
        description: cut(description?.trim(), MAX_TEXT, Unit::Characters),
        group: group?,
        fields: fields?,
        severity,
    })
}

/// The group that a ticket is made for, as the settings name it; nothing if they name none, or if that cannot be made.
pub(super) fn group(task: &Task<'_>) -> Option<String> {
    if task.target.option("assignmentGroup").trim().is_empty() {
        return None;
    }
    let group = group_of(&Values::of(task).ok()?);
    group.ok().filter(|group| !group.is_empty())
}

/// The fields that a ticket is closed with, beside its state.
pub(super) fn closing(task: &Task<'_>) -> Result<Vec<(String, String)>, Failure> {
    let values = Values::of(task)?;
    // All are ordered before one is asked for.
    let (notes, own) = (close_notes_of(&values), close_fields_of(&values));
    let (notes, own) = (notes?, own?);
    let code = close_code(task.target).map(|(field, code)| (field.to_owned(), code.to_owned()));
    let texts = life(table(task.target)).notes_fields.iter();
    let texts = texts.map(|field| ((*field).to_owned(), notes.clone()));
    Ok(code.into_iter().chain(texts).chain(own).collect())
}

fn close_fields_of(values: &Values<'_>) -> Result<Vec<(String, String)>, Fault> {
    let made = close_fields(values.task.target).map(|(name, source)| {
        let text = values.render("closeFields", source)?;
        Ok((name.to_owned(), cut(text.trim(), MAX_VALUE, Unit::Characters)))
    });
    let made: Vec<_> = made.collect();
    made.into_iter().collect()
}

/// What is wrong with each text of a task.
pub(super) fn faults(task: &Task<'_>) -> Vec<Fault> {
    let Ok(values) = Values::of(task) else {
        return Vec::new();
    };
    let parts = [
        values.text("summary", SUMMARY).err(),
        values.text("description", DESCRIPTION).err(),
        values.text("assignmentGroup", "").err(),
        fields(&values).err(),
        close_notes_of(&values).err(),
        close_fields_of(&values).err(),
    ];
    parts.into_iter().flatten().collect()
}

fn group_of(values: &Values<'_>) -> Result<String, Fault> {
    let text = values.text("assignmentGroup", "")?;
    Ok(cut(&one_line(&text), MAX_GROUP, Unit::Characters))
}

/// The summary in one line: never empty, and marked as a test if it is one.
fn summary(task: &Task<'_>, text: &str) -> String {
    let text = match one_line(text) {
        line if line.is_empty() => format!("Incident {}", task.event.incident_id),
        line => line,
    };
    let is_marked = text.starts_with(TEST_MARK);
    match task.event.is_test && !is_marked {
        true => cut(&format!("{TEST_MARK}{text}"), MAX_SUMMARY, Unit::Characters),
        false => cut(&text, MAX_SUMMARY, Unit::Characters),
    }
}

fn close_notes_of(values: &Values<'_>) -> Result<String, Fault> {
    let text = values.text("closeNotes", CLOSE_NOTES)?;
    Ok(cut(text.trim(), MAX_TEXT, Unit::Characters))
}

/// Further fields. Those that are ours to set are left alone, whatever the settings say.
fn fields(values: &Values<'_>) -> Result<Vec<(String, String)>, Fault> {
    let entries = mapping::entries(values.task.target.option("fields")).take(mapping::MAX_LINES);
    let entries = entries.filter(|(name, _)| !OUR_FIELDS.contains(name));
    let made = entries.map(|(name, source)| {
        let text = values.render("fields", source)?;
        let text = if JOURNALS.contains(&name) {
            without_markup(&text)
        } else {
            text
        };
        Ok((name.to_owned(), cut(text.trim(), MAX_VALUE, Unit::Characters)))
    });
    let made: Vec<_> = made.collect();
    made.into_iter().collect()
}

/// The values that templates may name.
struct Values<'a> {
    task: &'a Task<'a>,
    context: Arc<Context>,
}

impl<'a> Values<'a> {
    fn of(task: &'a Task<'a>) -> Result<Self, Failure> {
        let description = task
            .incident_context
            .and_then(|beyond| beyond.description.clone());
        let context = Arc::new(Context::new(task)?.with("description", description));
        Ok(Self { task, context })
    }

    /// The text of an option's template, or of ours where it has none.
    fn text(&self, field: &'static str, default: &'static str) -> Result<String, Fault> {
        match self.task.target.option(field).trim() {
            "" => {
                let values = self.context.values(Escape::Nothing);
                checked(field, template::render(default, values, Escape::Nothing))
            }
            own => self.render(field, own),
        }
    }

    fn render(&self, field: &'static str, source: &str) -> Result<String, Fault> {
        let made = self.task.templates.render(source, &self.context, Escape::Nothing);
        checked(field, made)
    }
}

fn checked(field: &'static str, made: Made) -> Result<String, Fault> {
    made.map_err(|broken| Fault {
        field,
        detail: format!("cannot be rendered {broken}"),
        remedy: broken.disposition,
    })
}
