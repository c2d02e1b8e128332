//! The texts of a new ticket, from the settings' templates or as they are without any. Every value of a person is made harmless
//! before a template sees it.

use std::sync::Arc;

use crate::forge::settings::{LABEL, is_our_label, is_same_label, severity_label};
use crate::forge::{Forge, markdown};
use destination::card::Card;
use destination::task::Task;
use destination::template::Escape;
use destination::template::context::Context;
use destination::text::{Unit, cut, one_line};
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;

/// The longest text, in UTF-16 units: GitHub takes 65,536 characters, and a page of issues has to be read whole.
const MAX_TEXT: usize = 30_000;
/// The most labels of a ticket that come from a template.
const MAX_LABELS: usize = 50;
/// What stands before the title of a test.
const TEST_MARK: &str = "[Test] ";
/// What of a template's values people wrote.
const WRITTEN: [&str; 9] = [
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
pub(crate) struct Texts {
    /// The title, in one line.
    pub(crate) title: String,
    /// The text, in Markdown, with our marker at its end.
    pub(crate) text: String,
    /// All its labels, ours first.
    pub(crate) labels: Vec<String>,
}

/// A text that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The field of the form.
    pub(crate) field: &'static str,
    /// What is wrong, for people.
    pub(crate) detail: String,
    /// What helps.
    remedy: Disposition,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let detail = format!(
            "the template of {} cannot be rendered {}",
            fault.field, fault.detail
        );
        Self::new(FailureCode::TemplateFailed, detail).with(fault.remedy)
    }
}

impl Texts {
    /// The texts for a task with a marker. All are ordered before one is asked for.
    pub(crate) fn new(forge: &Forge, task: &Task<'_>, marker: &str) -> Result<Self, Failure> {
        let maker = Maker::new(forge, task)?;
        let (title, text, labels) = (maker.title(), maker.text(marker), maker.labels());
        Ok(Self {
            title: title?,
            text: text?,
            labels: labels?,
        })
    }

    /// The same with our label alone.
    pub(crate) fn with_our_label(self) -> Self {
        Self {
            labels: vec![LABEL.to_owned()],
            ..self
        }
    }

    /// What is wrong with each of a task's texts.
    pub(crate) fn faults(forge: &Forge, task: &Task<'_>) -> Vec<Fault> {
        let Ok(maker) = Maker::new(forge, task) else {
            return Vec::new();
        };
        let faults = [maker.title().err(), maker.text("").err(), maker.labels().err()];
        faults.into_iter().flatten().collect()
    }
}

/// Makes the texts of one ticket.
struct Maker<'a> {
    forge: &'a Forge,
    task: &'a Task<'a>,
    card: Card,
    plain: Arc<Context>,
    markdown: Arc<Context>,
}

impl<'a> Maker<'a> {
    fn new(forge: &'a Forge, task: &'a Task<'a>) -> Result<Self, Failure> {
        let then = || task.event.incident().and_then(|incident| incident.assignee);
        let context = task.incident_context;
        let assignee = context.map_or_else(then, |now| now.assignee.clone());
        let description = context.and_then(|now| now.description.clone());
        let plain = Context::new(task)?
            .with_plain_body()
            .with("description", description)
            .with("assignee", serde_json::to_value(assignee).unwrap_or_default());
        Ok(Self {
            forge,
            task,
            card: Card::numbered(task)?,
            markdown: Arc::new(plain.clone().with_texts(&WRITTEN, markdown::escape)),
            plain: Arc::new(plain),
        })
    }

    fn render(&self, field: &'static str, context: &Arc<Context>) -> Result<String, Fault> {
        let source = self.task.target.option(field).trim();
        let made = self.task.templates.render(source, context, Escape::Nothing);
        made.map_err(|broken| Fault {
            field,
            detail: broken.to_string(),
            remedy: broken.disposition,
        })
    }

    /// `#1042` would name an issue of the project: `Incident 1042:` stands for it.
    fn without_reference(&self, title: String) -> String {
        let number = self.task.event.incident_number;
        let named = number.and_then(|number| Some((number, title.strip_prefix(&number.to_string())?)));
        match named {
            Some((number, rest)) => format!("Incident {}:{rest}", number.get()),
            None => title,
        }
    }

    fn title(&self) -> Result<String, Fault> {
        let own = one_line(&self.render("title", &self.plain)?);
        let max = self.forge.max_title;
        let title = match own.is_empty() {
            true => self.without_reference(self.card.clone().cut(max, max).title),
            false => own,
        };
        let mark = match self.card.is_test && !title.starts_with(TEST_MARK) {
            true => TEST_MARK,
            false => "",
        };
        let title = markdown::title(&format!("{mark}{title}"));
        Ok(cut(&title, max, Unit::Utf16))
    }

    /// What is cut is never our marker.
    fn text(&self, marker: &str) -> Result<String, Fault> {
        let own = self.render("description", &self.markdown)?;
        let text = match own.trim() {
            "" => self.plain_text(),
            own => own.to_owned(),
        };
        let text = cut(&markdown::without_marks(&text), MAX_TEXT, Unit::Utf16);
        Ok(format!("{text}\n\n{}", markdown::marker(marker)))
    }

    /// The text of whoever has no template.
    fn plain_text(&self) -> String {
        let card = &self.card;
        let assignee = match self.task.incident_context {
            Some(now) => now.assignee.as_ref().map(|user| one_line(&user.name)),
            None => card.assignee.clone(),
        };
        let assignee = assignee.unwrap_or_else(|| "nobody".to_owned());
        let facts = [
            ("Severity", card.severity_name().to_owned()),
            ("Service", markdown::escape(&card.service)),
            ("Assignee", markdown::escape(&assignee)),
            ("Since", card.since_text()),
        ];
        let facts = facts
            .map(|(name, value)| format!("**{name}:** {value}"))
            .join("  \n");
        let more = self
            .task
            .incident_context
            .and_then(|now| now.description.as_deref());
        let more = more.map(markdown::escape).filter(|more| !more.trim().is_empty());
        let link = card.link.as_deref();
        let link = link.map(|url| markdown::link("Open the incident in OpsKnight", url));
        let id = format!("OpsKnight {}", card.incident_id);
        let parts = [Some(facts), more, link, Some(id)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    }

    fn labels(&self) -> Result<Vec<String>, Fault> {
        let text = self.render("labels", &self.plain)?;
        let severity = severity_label(self.task.target, self.card.severity);
        let own = text.split([',', '\n']).chain(severity);
        let mut labels = vec![LABEL.to_owned()];
        for label in own.take(MAX_LABELS) {
            let label = cut(&one_line(label), self.forge.max_label, Unit::Characters);
            let is_known = labels.iter().any(|known| is_same_label(known, &label));
            // Whoever writes a title must not make a ticket one of ours that was closed as a duplicate.
            if !label.is_empty() && !is_known && !is_our_label(&label) {
                labels.push(label);
            }
        }
        Ok(labels)
    }
}
