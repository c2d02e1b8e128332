//! What the simulated site has: its projects with their statuses, issue types, priorities and resolutions. Ids and category
//! keys are those of a fresh Jira; the statuses of OPS have German names, since a name says nothing to a program.

use serde_json::{Value, json};

use crate::jira::request::View;

/// Something with an id and a name.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
}

/// What a status means to Jira.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// Not begun.
    New,
    /// Begun.
    Indeterminate,
    /// Ended.
    Done,
}

/// A status.
#[derive(Debug, PartialEq, Eq)]
pub struct Status {
    /// Its id.
    pub id: &'static str,
    /// Its name in the language of the site.
    pub name: &'static str,
    /// Its name in English.
    pub english: &'static str,
    /// What it means.
    pub category: Category,
}

/// The statuses of a project, in the order of work.
#[derive(Debug, PartialEq, Eq)]
pub struct Statuses {
    /// Where an issue starts.
    pub open: Status,
    /// Somebody works on it.
    pub in_progress: Status,
    /// Somebody checks it.
    pub in_review: Status,
    /// It is done.
    pub done: Status,
    /// It ended without a result.
    pub dropped: Status,
}

/// A project.
#[derive(Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: &'static str,
    /// Its key.
    pub key: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its statuses.
    pub statuses: Statuses,
    /// Its components.
    pub components: &'static [Entry],
}

/// The projects.
pub static PROJECTS: [Project; 2] = [
    Project {
        id: "10000",
        key: "OPS",
        name: "Operations",
        statuses: Statuses {
            open: status("10000", "Offen", "To Do", Category::New),
            in_progress: status("3", "In Arbeit", "In Progress", Category::Indeterminate),
            in_review: status("10002", "In Prüfung", "In Review", Category::Indeterminate),
            done: status("10001", "Erledigt", "Done", Category::Done),
            dropped: status("10004", "Abgebrochen", "Canceled", Category::Done),
        },
        components: &[entry("10100", "API"), entry("10101", "Database")],
    },
    Project {
        id: "10001",
        key: "WEB",
        name: "Web shop",
        statuses: Statuses {
            open: status("10010", "To Do", "To Do", Category::New),
            in_progress: status("10011", "In Progress", "In Progress", Category::Indeterminate),
            in_review: status("10012", "In Review", "In Review", Category::Indeterminate),
            done: status("10013", "Done", "Done", Category::Done),
            dropped: status("10014", "Canceled", "Canceled", Category::Done),
        },
        components: &[entry("10110", "Checkout")],
    },
];

/// The issue types.
pub static ISSUE_TYPES: [Entry; 3] = [
    entry("10001", "Task"),
    entry("10002", "Bug"),
    entry("10003", "Incident"),
];

/// The priorities, the highest first.
pub static PRIORITIES: [Entry; 5] = [
    entry("1", "Highest"),
    entry("2", "High"),
    entry("3", "Medium"),
    entry("4", "Low"),
    entry("5", "Lowest"),
];

/// The priority of an issue that was given none.
pub const DEFAULT_PRIORITY: &str = "3";

/// The resolutions.
pub static RESOLUTIONS: [Entry; 4] = [
    entry("10000", "Done"),
    entry("10001", "Won't Do"),
    entry("10002", "Duplicate"),
    entry("10003", "Cannot Reproduce"),
];

/// The resolution that the workflow itself sets.
pub const DEFAULT_RESOLUTION: &str = "10000";

/// What the field Impact may be.
pub static IMPACTS: [Entry; 3] = [
    entry("10300", "One team"),
    entry("10301", "One region"),
    entry("10302", "Everybody"),
];

const fn entry(id: &'static str, name: &'static str) -> Entry {
    Entry { id, name }
}

const fn status(id: &'static str, name: &'static str, english: &'static str, category: Category) -> Status {
    Status {
        id,
        name,
        english,
        category,
    }
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 3] = [Self::New, Self::Indeterminate, Self::Done];

    /// The key, which is the same in every language.
    pub const fn key(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Indeterminate => "indeterminate",
            Self::Done => "done",
        }
    }

    /// The id.
    pub const fn id(self) -> u8 {
        match self {
            Self::New => 2,
            Self::Indeterminate => 4,
            Self::Done => 3,
        }
    }

    /// The English name, which queries take too.
    pub const fn english(self) -> &'static str {
        match self {
            Self::New => "To Do",
            Self::Indeterminate => "In Progress",
            Self::Done => "Done",
        }
    }

    /// Whether a query's value means it.
    pub fn is_called(self, text: &str) -> bool {
        self.key() == text || self.english().eq_ignore_ascii_case(text) || self.id().to_string() == text
    }

    const fn colour(self) -> &'static str {
        match self {
            Self::New => "blue-gray",
            Self::Indeterminate => "yellow",
            Self::Done => "green",
        }
    }

    /// As Jira shows it.
    pub fn json(self, view: &View) -> Value {
        json!({
            "self": view.link(&format!("statuscategory/{}", self.id())),
            "id": self.id(),
            "key": self.key(),
            "colorName": self.colour(),
            "name": self.english(),
        })
    }
}

impl Status {
    /// As Jira shows it.
    pub fn json(&self, view: &View) -> Value {
        json!({
            "self": view.link(&format!("status/{}", self.id)),
            "description": "",
            "iconUrl": format!("{}/images/icons/statuses/generic.png", view.base),
            "name": self.name,
            "untranslatedName": self.english,
            "id": self.id,
            "statusCategory": self.category.json(view),
        })
    }

    /// Whether a query's value means it.
    pub fn is_called(&self, text: &str) -> bool {
        self.id == text
            || self.name.to_lowercase() == text.to_lowercase()
            || self.english.eq_ignore_ascii_case(text)
    }
}

impl Statuses {
    /// All of them, in the order of work.
    pub fn all(&self) -> [&Status; 5] {
        [
            &self.open,
            &self.in_progress,
            &self.in_review,
            &self.done,
            &self.dropped,
        ]
    }
}

impl Entry {
    /// As Jira shows it, below a kind's path.
    pub fn json(&self, view: &View, kind: &str) -> Value {
        json!({ "self": view.link(&format!("{kind}/{}", self.id)), "id": self.id, "name": self.name })
    }

    /// As an option of a field.
    pub fn option_json(&self, view: &View) -> Value {
        json!({ "self": view.link(&format!("customFieldOption/{}", self.id)), "value": self.name, "id": self.id })
    }

    /// As an issue type.
    pub fn issue_type_json(&self, view: &View) -> Value {
        json!({
            "self": view.link(&format!("issuetype/{}", self.id)),
            "id": self.id,
            "description": "",
            "iconUrl": format!("{}/images/icons/issuetypes/{}.svg", view.base, self.name.to_lowercase()),
            "name": self.name,
            "untranslatedName": self.name,
            "subtask": false,
            "hierarchyLevel": 0,
        })
    }

    /// As a priority.
    pub fn priority_json(&self, view: &View) -> Value {
        json!({
            "self": view.link(&format!("priority/{}", self.id)),
            "iconUrl": format!("{}/images/icons/priorities/{}.svg", view.base, self.name.to_lowercase()),
            "name": self.name,
            "id": self.id,
        })
    }
}

impl Project {
    /// As an issue's field shows it.
    pub fn json(&self, view: &View) -> Value {
        json!({
            "self": view.link(&format!("project/{}", self.id)),
            "id": self.id,
            "key": self.key,
            "name": self.name,
            "projectTypeKey": "software",
            "simplified": false,
            "avatarUrls": { "48x48": format!("{}/secure/projectavatar?pid={}", view.base, self.id) },
        })
    }
}

/// The project with an id or a key; the key in any case, as Jira takes it.
pub fn project(id_or_key: &str) -> Option<&'static Project> {
    let is_it = |project: &&Project| project.id == id_or_key || project.key.eq_ignore_ascii_case(id_or_key);
    PROJECTS.iter().find(is_it)
}

/// The entry with an id.
pub fn by_id(entries: &'static [Entry], id: &str) -> Option<&'static Entry> {
    entries.iter().find(|entry| entry.id == id)
}

/// Every status of the site.
pub fn statuses() -> impl Iterator<Item = &'static Status> {
    PROJECTS.iter().flat_map(|project| project.statuses.all())
}
