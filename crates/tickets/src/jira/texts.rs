//! The texts of a new ticket, from the settings' templates or as they are without any.
//!
//! In the description, which is wiki markup, every value of a person is escaped before a template sees it.

use std::sync::Arc;

use serde_json::Value;

use crate::jira::issue::is_our_label;
use crate::jira::wiki;
use destination::card::Card;
use destination::mapping;
use destination::task::Task;
use destination::template::context::Context;
use destination::template::{Escape, is_template};
use destination::text::{Unit, cut, one_line};
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;

/// The longest summary that Jira takes, in characters.
const MAX_SUMMARY: usize = 255;
/// The longest description, in UTF-16 units; Jira takes 32,767.
const MAX_DESCRIPTION: usize = 32_000;
/// The longest label that Jira takes, in characters.
const MAX_LABEL: usize = 255;
/// The most labels and components of a ticket that come from a template.
const MAX_LISTED: usize = 50;
/// What stands before the summary of a test's ticket.
pub(super) const TEST_MARK: &str = "[Test] ";
/// What no text of people has at its ends.
const OTHER: char = '\u{e000}';
/// What of a template's values people wrote.
const WRITTEN: [&str; 9] = [
    // The whole event cannot be told from what people wrote in it: it is shown as it is.
    "/body",
    "/incident/title",
    "/incident/service/name",
    "/incident/assignee/name",
    "/assignee/name",
    "/actor",
    "/happened",
    "/webhook/name",
    "/description",
];

/// The texts of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Texts {
    /// The summary, in one line.
    pub(super) summary: String,
    /// The description, in wiki markup.
    pub(super) description: String,
    /// Labels beside our own.
    pub(super) labels: Vec<String>,
    /// Names of components.
    pub(super) components: Vec<String>,
    /// Other fields, by their ids.
    pub(super) fields: Vec<(String, Value)>,
}

/// A text that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The field of the form.
    pub(super) field: &'static str,
    /// What is wrong, for people.
    pub(super) detail: String,
    /// What helps.
    pub(super) remedy: Disposition,
}

impl Texts {
    /// The texts for a task. All are ordered before one is asked for.
    pub(super) fn of(task: &Task<'_>) -> Result<Self, Failure> {
        let maker = Maker::of(task)?;
        let failed = |fault: Fault| {
            let detail = format!(
                "the template of {} cannot be rendered {}",
                fault.field, fault.detail
            );
            Failure::new(FailureCode::TemplateFailed, detail).with(fault.remedy)
        };
        let (summary, description) = (maker.summary(), maker.description());
        let (labels, components, fields) = (maker.labels(), maker.components(), maker.fields());
        Ok(Self {
            summary: summary.map_err(failed)?,
            description: description.map_err(failed)?,
            labels: labels.map_err(failed)?,
            components: components.map_err(failed)?,
            fields: fields.map_err(failed)?,
        })
    }

    /// What is wrong with each of a task's texts.
    pub(super) fn faults(task: &Task<'_>) -> Vec<Fault> {
        let Ok(maker) = Maker::of(task) else {
            return Vec::new();
        };
        let faults = [
            maker.summary().err(),
            maker.description().err(),
            maker.labels().err(),
            maker.components().err(),
            maker.fields().err(),
        ];
        faults.into_iter().flatten().collect()
    }
}

/// Makes the texts of one ticket.
struct Maker<'a> {
    task: &'a Task<'a>,
    card: Card,
    plain: Arc<Context>,
    wiki: Arc<Context>,
    /// With every text of people changed: what comes out the same owes nothing to them.
    others: Arc<Context>,
}

impl<'a> Maker<'a> {
    fn of(task: &'a Task<'a>) -> Result<Self, Failure> {
        let card = Card::numbered(task)?;
        let then = || task.event.incident().and_then(|incident| incident.assignee);
        let assignee = task
            .incident_context
            .map_or_else(then, |beyond| beyond.assignee.clone());
        let description = task
            .incident_context
            .and_then(|beyond| beyond.description.clone());
        let plain = Context::new(task)?
            .with_plain_body()
            .with("description", description)
            .with("assignee", serde_json::to_value(assignee).unwrap_or_default());
        Ok(Self {
            task,
            card,
            others: Arc::new(
                plain
                    .clone()
                    .with_texts(&WRITTEN, |text| format!("{OTHER}{text}{OTHER}")),
            ),
            wiki: Arc::new(plain.clone().with_texts(&WRITTEN, wiki::escape)),
            plain: Arc::new(plain),
        })
    }

    fn render(&self, field: &'static str, source: &str, way: Escape) -> Result<String, Fault> {
        let context = if field == "description" {
            &self.wiki
        } else {
            &self.plain
        };
        let made = self.task.templates.render(source, context, way);
        made.map_err(|broken| Fault {
            field,
            detail: broken.to_string(),
            remedy: broken.disposition,
        })
    }

    fn option(&self, field: &'static str) -> Result<String, Fault> {
        self.render(field, self.task.target.option(field).trim(), Escape::Nothing)
    }

    fn summary(&self) -> Result<String, Fault> {
        let own = one_line(&self.option("summary")?);
        let title = self.card.clone().cut(MAX_SUMMARY, MAX_SUMMARY).title;
        let summary = if own.is_empty() { title } else { own };
        let is_marked = summary.starts_with(TEST_MARK);
        let mark = if self.card.is_test && !is_marked {
            TEST_MARK
        } else {
            ""
        };
        Ok(cut(&format!("{mark}{summary}"), MAX_SUMMARY, Unit::Utf16))
    }

    fn description(&self) -> Result<String, Fault> {
        let own = self.option("description")?;
        let text = if own.trim().is_empty() {
            self.plain_description()
        } else {
            own
        };
        Ok(cut(&text, MAX_DESCRIPTION, Unit::Utf16))
    }

    /// The description of whoever has no template.
    fn plain_description(&self) -> String {
        let card = &self.card;
        let assignee = match self.task.incident_context {
            Some(beyond) => beyond.assignee.as_ref().map(|user| one_line(&user.name)),
            None => card.assignee.clone(),
        };
        let assignee = assignee.unwrap_or_else(|| "nobody".to_owned());
        let facts = [
            ("Severity", card.severity_name().to_owned()),
            ("Service", wiki::escape(&card.service)),
            ("Assignee", wiki::escape(&assignee)),
            ("Since", card.since_text()),
        ];
        let facts = facts.map(|(name, value)| format!("*{name}:* {value}")).join("\n");
        let more = self
            .task
            .incident_context
            .and_then(|beyond| beyond.description.as_deref());
        let more = more.filter(|more| !more.trim().is_empty()).map(wiki::escape);
        let link = card
            .link
            .as_deref()
            .map(|url| wiki::link("Open the incident in OpsKnight", url));
        let parts = [
            Some(facts),
            more,
            link,
            Some(format!("OpsKnight {}", card.incident_id)),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    }

    fn labels(&self) -> Result<Vec<String>, Fault> {
        let text = self.option("labels")?;
        let words = text
            .split_whitespace()
            .map(|word| cut(word, MAX_LABEL, Unit::Utf16));
        // Whoever writes a title must not choose which incident a ticket belongs to.
        let words = words.filter(|word| !is_our_label(word));
        let mut labels: Vec<String> = Vec::new();
        words.for_each(|word| {
            if !labels.contains(&word) {
                labels.push(word)
            }
        });
        labels.truncate(MAX_LISTED);
        Ok(labels)
    }

    fn components(&self) -> Result<Vec<String>, Fault> {
        let text = self.option("components")?;
        let names = text.split(',').map(one_line).filter(|name| !name.is_empty());
        Ok(names.take(MAX_LISTED).collect())
    }

    /// Whether a text is made of what the settings say alone: a title that reads `404` or `["x"]` is a text all the same.
    fn owes_nothing(&self, source: &str, text: &Result<String, Fault>) -> bool {
        let other = self.task.templates.render(source, &self.others, Escape::Nothing);
        matches!((other, text), (Ok(other), Ok(text)) if other == *text)
    }

    fn fields(&self) -> Result<Vec<(String, Value)>, Fault> {
        let entries = mapping::entries(self.task.target.option("fields"));
        let field = |(id, source): (&str, &str)| {
            let way = if is_json(source) {
                Escape::Json
            } else {
                Escape::Nothing
            };
            let text = self.render("fields", source, way).map_err(|fault| Fault {
                detail: format!("{} (the field {})", fault.detail, one_line(id)),
                ..fault
            });
            let is_own = is_json(source) || !is_template(source) || self.owes_nothing(source, &text);
            let text = text?;
            Ok((
                id.to_owned(),
                match is_own {
                    true => value(source, text),
                    false => Value::String(text),
                },
            ))
        };
        let made: Vec<_> = entries.map(field).collect();
        made.into_iter().collect()
    }
}

/// Whether a template is written as JSON: its values become parts of JSON then.
fn is_json(source: &str) -> bool {
    let is_tag = ["{{", "{%", "{#"].iter().any(|tag| source.starts_with(tag));
    source.starts_with(['{', '[', '"']) && !is_tag
}

/// What comes out of a template: JSON if it is any but null, or else a text. Text in quotes is only ever meant by whoever
/// wrote the template.
fn value(source: &str, text: String) -> Value {
    let json: Option<Value> = serde_json::from_str(&text).ok();
    match json {
        Some(Value::String(inner)) if is_json(source) || !is_template(source) => Value::String(inner),
        Some(Value::String(_) | Value::Null) | None => Value::String(text),
        Some(json) => json,
    }
}
