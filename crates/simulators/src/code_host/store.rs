//! The projects and their issues. Ids come from a counter, so that the same requests make the same issues.

use crate::code_host::people::Person;
use crate::code_host::pings::{Dialect, pings};
use crate::message::Message;
use crate::simulator::MAX_MESSAGES;
use model::time::Timestamp;

/// How many searches do not find an issue at first, where an index is behind them.
const SEARCHES_BEHIND: u32 = 2;

/// A project, or repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: u64,
    /// Its owner's name.
    pub owner: &'static str,
    /// Its own name.
    pub name: &'static str,
    /// Whether it has issues.
    pub has_issues: bool,
}

const PROJECTS: [Project; 3] = [
    project(501, "operations", true),
    project(502, "website", true),
    project(503, "without-issues", false),
];

const fn project(id: u64, name: &'static str, has_issues: bool) -> Project {
    Project {
        id,
        owner: "acme",
        name,
        has_issues,
    }
}

impl Project {
    /// The project of a path or an id.
    pub fn named(text: &str) -> Option<Self> {
        let is_it =
            |project: &Self| project.path().eq_ignore_ascii_case(text) || project.id.to_string() == text;
        PROJECTS.into_iter().find(is_it)
    }

    /// Its owner's name and its own.
    pub fn path(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

/// A comment, or note.
#[derive(Debug, Clone)]
pub struct Comment {
    /// Its id.
    pub id: u64,
    /// Who wrote it.
    pub author: Person,
    /// Its text.
    pub body: String,
    /// Whether only members see it.
    pub is_internal: bool,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

/// An issue.
#[derive(Debug, Clone)]
pub struct Issue {
    /// Its id.
    pub id: u64,
    /// Where it is.
    pub project: Project,
    /// Its number there.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: Option<String>,
    /// Who made it.
    pub author: Person,
    /// When and by whom it was closed.
    pub closed: Option<(Timestamp, Person)>,
    /// Why it is as it is.
    pub reason: Option<String>,
    /// Its labels.
    pub labels: Vec<String>,
    /// Who has it.
    pub assignees: Vec<Person>,
    /// What was said.
    pub comments: Vec<Comment>,
    /// Whether only members see it.
    pub is_confidential: bool,
    /// The ids of issues that it is linked with.
    pub links: Vec<u64>,
    /// The id of the issue that it became elsewhere.
    pub moved_to: Option<u64>,
    /// Whether it was deleted, or left for elsewhere.
    pub is_gone: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
    /// Whom its texts called.
    pings: Vec<String>,
    /// Commands in its texts that were carried out.
    pub commands: Vec<String>,
    lists_behind: u32,
    searches_behind: u32,
}

impl Issue {
    /// An issue that holds nothing yet and has no number.
    pub fn new(id: u64, project: Project, author: Person, now: Timestamp) -> Self {
        Self {
            id,
            project,
            number: 0,
            title: String::new(),
            body: None,
            author,
            closed: None,
            reason: None,
            labels: Vec::new(),
            assignees: Vec::new(),
            comments: Vec::new(),
            is_confidential: false,
            links: Vec::new(),
            moved_to: None,
            is_gone: false,
            created_at: now,
            updated_at: now,
            pings: Vec::new(),
            commands: Vec::new(),
            lists_behind: 0,
            searches_behind: 0,
        }
    }

    /// What it becomes in another project: all but its labels and links.
    pub fn copy(&self, id: u64, project: Project) -> Self {
        Self {
            id,
            project,
            labels: Vec::new(),
            links: Vec::new(),
            pings: Vec::new(),
            ..self.clone()
        }
    }

    /// As its reader sees it.
    pub fn seen(&self) -> Message {
        let mut message = Message::default();
        message.add(&format!("{}#{} {}", self.project.path(), self.number, self.title));
        let state = if self.closed.is_some() { "closed" } else { "open" };
        let reason = self.reason.as_deref().map(|reason| format!(" ({reason})"));
        message.add_fact("State", &format!("{state}{}", reason.unwrap_or_default()));
        if !self.labels.is_empty() {
            message.add_fact("Labels", &self.labels.join(", "));
        }
        for person in &self.assignees {
            message.add_fact("Assignee", &format!("{} ({})", person.name, person.login));
        }
        for command in &self.commands {
            message.add_fact("Command", command);
        }
        message.add(self.body.as_deref().unwrap_or_default());
        for comment in &self.comments {
            message.add_fact(comment.author.login, &comment.body);
        }
        message.mentions.clone_from(&self.pings);
        message
    }

    /// Hears whom a new text calls.
    pub fn hear(&mut self, text: &str, dialect: Dialect) {
        self.pings.extend(pings(text, dialect));
    }

    /// Closes or opens it; says whether that changed anything.
    pub fn set_closed(&mut self, is_closed: bool, now: Timestamp, by: Person) -> bool {
        let changes = self.closed.is_some() != is_closed;
        if changes {
            self.closed = is_closed.then_some((now, by));
        }
        changes
    }
}

/// Everything.
#[derive(Debug, Default)]
pub struct Store {
    issues: Vec<Issue>,
    counter: u64,
    labels: Vec<String>,
    /// How many lists do not show what is made from now on.
    pub lag: u32,
}

impl Store {
    /// The next id.
    pub fn next_id(&mut self) -> u64 {
        self.counter = self.counter.saturating_add(1);
        self.counter.saturating_add(9000)
    }

    /// Keeps a new issue under the next number of its project, which it is told.
    pub fn add(&mut self, mut issue: Issue) -> Issue {
        let of_project = self
            .issues
            .iter()
            .filter(|other| other.project.id == issue.project.id);
        issue.number = of_project
            .map(|issue| issue.number)
            .max()
            .unwrap_or(0)
            .saturating_add(1);
        issue.lists_behind = self.lag;
        issue.searches_behind = SEARCHES_BEHIND.max(self.lag);
        if self.issues.len() >= MAX_MESSAGES {
            self.issues.remove(0);
        }
        self.issues.push(issue.clone());
        issue
    }

    /// An issue by its place, whether or not it is still there.
    pub fn find(&mut self, project: Project, number: &str) -> Option<&mut Issue> {
        let is_it = |issue: &&mut Issue| issue.project.id == project.id && issue.number.to_string() == number;
        self.issues.iter_mut().find(is_it)
    }

    /// An issue by its id.
    pub fn by_id(&mut self, id: u64) -> Option<&mut Issue> {
        self.issues.iter_mut().find(|issue| issue.id == id)
    }

    /// The issue of a comment.
    pub fn of_comment(&mut self, project: Project, id: &str) -> Option<&mut Issue> {
        let has_it = |issue: &Issue| issue.comments.iter().any(|comment| comment.id.to_string() == id);
        let mut there = self
            .issues
            .iter_mut()
            .filter(|issue| issue.project.id == project.id && !issue.is_gone);
        there.find(|issue| has_it(issue))
    }

    /// Every issue that is there, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Issue> {
        self.issues.iter().filter(|issue| !issue.is_gone)
    }

    /// The issues of a list: those that it shows already.
    pub fn listed(&mut self) -> Vec<Issue> {
        self.lag = self.lag.saturating_sub(1);
        self.shown(|issue| &mut issue.lists_behind)
    }

    /// The issues that a search finds already.
    pub fn searched(&mut self) -> Vec<Issue> {
        self.shown(|issue| &mut issue.searches_behind)
    }

    fn shown(&mut self, behind: impl Fn(&mut Issue) -> &mut u32) -> Vec<Issue> {
        let mut shown = Vec::new();
        for issue in self.issues.iter_mut().filter(|issue| !issue.is_gone) {
            let behind = behind(issue);
            if *behind > 0 {
                *behind -= 1;
            } else {
                shown.push(issue.clone());
            }
        }
        shown
    }

    /// A label as it was first written, and its number; made if there is none.
    pub fn label(&mut self, name: &str) -> String {
        if let Some(known) = self.labels.iter().find(|known| known.eq_ignore_ascii_case(name)) {
            return known.clone();
        }
        self.labels.push(name.to_owned());
        name.to_owned()
    }
}
