//! What an issue's fields hold, and what a change of them is in its history.

use serde_json::{Value, json};

use crate::jira::people::Person;
use crate::jira::rich::Rich;
use crate::jira::site::{Entry, Status};
use crate::jira::workflow;

/// The custom field with one line of text.
pub const SERVICE: &str = "customfield_10010";
/// The custom field with a choice.
pub const IMPACT: &str = "customfield_10020";

/// The fields of an issue.
#[derive(Debug, Clone)]
pub struct Fields {
    /// Its type.
    pub issue_type: &'static Entry,
    /// Its status.
    pub status: &'static Status,
    /// How it ended.
    pub resolution: Option<&'static Entry>,
    /// Its one line.
    pub summary: String,
    /// Its long text.
    pub description: Option<Rich>,
    /// Its priority.
    pub priority: &'static Entry,
    /// Its labels.
    pub labels: Vec<String>,
    /// Its components.
    pub components: Vec<&'static Entry>,
    /// Who has it.
    pub assignee: Option<Person>,
    /// Who told it.
    pub reporter: Person,
    /// See [`SERVICE`].
    pub service: Option<String>,
    /// See [`IMPACT`].
    pub impact: Option<&'static Entry>,
}

/// A field in history: how Jira calls it there, its id, and its value as id and as text.
struct Told {
    name: &'static str,
    id: &'static str,
    value: Option<String>,
    text: Option<String>,
}

impl Fields {
    /// Those of a new issue.
    pub fn new(issue_type: &'static Entry, status: &'static Status, reporter: Person) -> Self {
        Self {
            issue_type,
            status,
            resolution: None,
            summary: String::new(),
            description: None,
            priority: workflow::default_priority(),
            labels: Vec::new(),
            components: Vec::new(),
            assignee: None,
            reporter,
            service: None,
            impact: None,
        }
    }

    /// What changed since, as items of a history.
    pub fn changes_since(&self, before: &Self) -> Vec<Value> {
        let pairs = before.told().into_iter().zip(self.told());
        let changed = pairs.filter(|(old, new)| old.value != new.value || old.text != new.text);
        changed
            .map(|(old, new)| {
                json!({
                    "field": new.name,
                    "fieldtype": if new.id.starts_with("customfield_") { "custom" } else { "jira" },
                    "fieldId": new.id,
                    "from": old.value,
                    "fromString": old.text,
                    "to": new.value,
                    "toString": new.text,
                })
            })
            .collect()
    }

    fn told(&self) -> Vec<Told> {
        vec![
            Told::text("summary", "summary", Some(&self.summary)),
            Told::rich("description", "description", self.description.as_ref()),
            Told::entry("issuetype", "issuetype", Some(self.issue_type)),
            Told::new("status", "status", Some(self.status.id), Some(self.status.name)),
            Told::entry("resolution", "resolution", self.resolution),
            Told::entry("priority", "priority", Some(self.priority)),
            Told::text("labels", "labels", Some(&self.labels.join(" "))),
            Told::entries("Component", "components", &self.components),
            Told::person("assignee", self.assignee.as_ref()),
            Told::person("reporter", Some(&self.reporter)),
            Told::text("Service", SERVICE, self.service.as_deref()),
            Told::entry("Impact", IMPACT, self.impact),
        ]
    }
}

impl Told {
    fn new(name: &'static str, id: &'static str, value: Option<&str>, text: Option<&str>) -> Self {
        Self {
            name,
            id,
            value: value.map(str::to_owned),
            text: text.map(str::to_owned),
        }
    }

    fn text(name: &'static str, id: &'static str, text: Option<&str>) -> Self {
        Self::new(name, id, None, text)
    }

    fn rich(name: &'static str, id: &'static str, rich: Option<&Rich>) -> Self {
        Self::text(name, id, rich.map(Rich::plain).as_deref())
    }

    fn entry(name: &'static str, id: &'static str, entry: Option<&Entry>) -> Self {
        Self::new(
            name,
            id,
            entry.map(|entry| entry.id),
            entry.map(|entry| entry.name),
        )
    }

    fn entries(name: &'static str, id: &'static str, entries: &[&Entry]) -> Self {
        let joined = |part: fn(&Entry) -> &'static str| {
            let parts: Vec<&str> = entries.iter().map(|entry| part(entry)).collect();
            (!parts.is_empty()).then(|| parts.join(", "))
        };
        Self::new(
            name,
            id,
            joined(|entry| entry.id).as_deref(),
            joined(|entry| entry.name).as_deref(),
        )
    }

    fn person(name: &'static str, person: Option<&Person>) -> Self {
        let id = person.map(|person| person.account_id.as_str());
        Self::new(name, name, id, person.map(|person| person.display_name.as_str()))
    }
}
