//! An issue with all that hangs on it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::jira::fields::Fields;
use crate::jira::people::Person;
use crate::jira::rich::Rich;
use crate::jira::site::Project;
use crate::jira::workflow::Workflow;
use crate::message::Message;
use model::time::Timestamp;

/// An issue.
#[derive(Debug)]
pub struct Issue {
    /// Its id, which stays.
    pub id: u64,
    /// Its project.
    pub project: &'static Project,
    /// Its number there.
    pub number: u64,
    /// Which steps it can take.
    pub workflow: Workflow,
    /// Its fields.
    pub fields: Fields,
    /// Who made it.
    pub creator: Person,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed.
    pub updated_at: Timestamp,
    /// When it got its resolution.
    pub resolved_at: Option<Timestamp>,
    /// Its comments, oldest first.
    pub comments: Vec<Comment>,
    /// Its links to elsewhere.
    pub remote_links: Vec<RemoteLink>,
    /// Its properties.
    pub properties: BTreeMap<String, Value>,
    /// What happened to it, oldest first.
    pub history: Vec<History>,
    /// Whether searches do not know it yet.
    pub is_unindexed: bool,
}

/// A comment.
#[derive(Debug, Clone)]
pub struct Comment {
    /// Its id.
    pub id: u64,
    /// Who wrote it.
    pub author: Person,
    /// Who changed it last.
    pub update_author: Person,
    /// What it says.
    pub body: Rich,
    /// Whether customers of a service project do not see it.
    pub is_internal: bool,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it changed.
    pub updated_at: Timestamp,
}

/// A link to a page outside of Jira.
#[derive(Debug, Clone)]
pub struct RemoteLink {
    /// Its id.
    pub id: u64,
    /// What makes it the same link again.
    pub global_id: Option<String>,
    /// The rest, as it was given.
    pub members: Map<String, Value>,
}

/// One change.
#[derive(Debug, Clone)]
pub struct History {
    /// Its id.
    pub id: u64,
    /// Who made it.
    pub author: Person,
    /// When.
    pub created_at: Timestamp,
    /// What changed.
    pub items: Vec<Value>,
}

/// A link between two issues.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its id.
    pub id: u64,
    /// What it says.
    pub kind: &'static LinkKind,
    /// The issue that was given as the inward one.
    pub inward_id: u64,
    /// The issue that was given as the outward one.
    pub outward_id: u64,
}

/// What a link says in both directions.
#[derive(Debug, PartialEq, Eq)]
pub struct LinkKind {
    /// Its id.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Seen from the one end.
    pub inward: &'static str,
    /// Seen from the other.
    pub outward: &'static str,
}

impl Issue {
    /// The key.
    pub fn key(&self) -> String {
        format!("{}-{}", self.project.key, self.number)
    }

    /// Whether this is its id or its key.
    pub fn is_named(&self, id_or_key: &str) -> bool {
        self.id.to_string() == id_or_key || self.key().eq_ignore_ascii_case(id_or_key)
    }

    /// As its page looks.
    pub fn seen(&self) -> Message {
        let fields = &self.fields;
        let mut message = Message::default();
        message.add(&format!("{} {}", self.key(), fields.summary));
        let assignee = fields.assignee.as_ref();
        let facts = [
            ("Status", fields.status.name),
            ("Labels", &fields.labels.join(", ")),
            ("Assignee", assignee.map_or("", |person| &person.display_name)),
            ("Priority", fields.priority.name),
            (
                "Resolution",
                fields.resolution.map_or("", |resolution| resolution.name),
            ),
        ];
        for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
            message.add_fact(name, value);
        }
        for link in &self.remote_links {
            message.add_fact("Remote link", &link.seen());
        }
        message.add(&fields.description.as_ref().map_or_else(String::new, Rich::plain));
        for comment in &self.comments {
            message.add_fact(&comment.author.display_name, &comment.body.plain());
        }
        message
    }
}

impl RemoteLink {
    fn seen(&self) -> String {
        let object = self.members.get("object");
        let text = |pointer: &str| {
            object
                .and_then(|object| object.pointer(pointer))
                .and_then(Value::as_str)
        };
        let is_resolved = object
            .and_then(|object| object.pointer("/status/resolved"))
            .and_then(Value::as_bool);
        let resolved = if is_resolved == Some(true) {
            " (resolved)"
        } else {
            ""
        };
        format!(
            "{} {}{resolved}",
            text("/title").unwrap_or_default(),
            text("/url").unwrap_or_default()
        )
    }
}
