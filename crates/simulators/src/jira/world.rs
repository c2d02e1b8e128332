//! All that the simulated Jira remembers.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::jira::access::IssuedToken;
use crate::jira::answer::Refusal;
use crate::jira::faults::anonymous;
use crate::jira::fields::Fields;
use crate::jira::hooks::{Hook, News};
use crate::jira::issue::{History, Issue, Link};
use crate::jira::people::{self, Person};
use crate::jira::read::items_json;
use crate::jira::request::{Api, Asked};
use crate::simulator::{Callback, MAX_MESSAGES};

/// Ids begin after this.
const FIRST_ID: u64 = 10_000;
/// How many searches do not find an issue that was made in a lag.
pub const LAGGING_SEARCHES: u8 = 3;
/// The most accounts that are remembered.
const MAX_PEOPLE: usize = 200;

/// What was said to be so from now on.
#[derive(Debug, Default)]
pub struct Lasting {
    /// Done is reached only with a resolution.
    pub needs_resolution: bool,
    /// The projects are of Jira Service Management: comments are seen by customers unless they are internal.
    pub is_service_project: bool,
    /// Done is reached by other ways too: first of all by canceling.
    pub has_many_ends: bool,
    /// New issues reach Done only step by step.
    pub has_long_way: bool,
    /// The priority is on no screen.
    pub has_no_priority: bool,
    /// The field Service must be filled in.
    pub needs_service: bool,
    /// The old search is gone, in the second version too.
    pub is_cloud: bool,
    /// The proof of who somebody is that was believed once and has ended; the next one that comes, if it is empty.
    pub ended: Option<String>,
    /// The issue that refuses everybody: it was moved to where nobody may do anything.
    pub closed_issue: Option<u64>,
    /// How many searches more do not find what is made now; none if there is no lag.
    pub lagging_searches: u8,
}

impl Lasting {
    /// What somebody is answered whose proof has ended.
    pub fn nobody(&mut self, headers: &HeaderMap, asked: &Asked<'_>) -> Option<Refusal> {
        let proof = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let ended = self.ended.as_mut()?;
        if ended.is_empty() {
            proof.clone_into(ended);
        }
        (ended == proof).then(|| anonymous(asked))
    }
}

/// Jira in memory.
pub struct World {
    /// The issues, oldest first.
    pub issues: Vec<Issue>,
    /// The links between them.
    pub links: Vec<Link>,
    /// Everybody who is known.
    pub people: Vec<Person>,
    /// The webhooks.
    pub hooks: Vec<Hook>,
    /// The access tokens that were given out.
    pub tokens: Vec<IssuedToken>,
    /// What is so from now on.
    pub lasting: Lasting,
    /// Whether the search that is worked on finds everything.
    pub finds_everything: bool,
    /// The calls that follow from the request that is worked on.
    pub calls: Vec<Callback>,
    last_id: u64,
    numbers: BTreeMap<&'static str, u64>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            issues: Vec::new(),
            links: Vec::new(),
            people: people::directory(),
            hooks: Vec::new(),
            tokens: Vec::new(),
            lasting: Lasting::default(),
            finds_everything: false,
            calls: Vec::new(),
            last_id: FIRST_ID,
            numbers: BTreeMap::new(),
        }
    }
}

impl World {
    /// Refuses an issue that is closed to everybody.
    pub fn may_touch(&self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let is_issue = asked.path.first().is_some_and(|first| first == "issue");
        let named = asked.path.get(1).filter(|_| is_issue);
        let id = named
            .and_then(|name| self.find(asked, name).ok())
            .map(|issue| issue.id);
        match id {
            Some(id) if self.lasting.closed_issue == Some(id) => {
                Err(Refusal::said(403, "You do not have the permission to do this."))
            }
            _ => Ok(()),
        }
    }

    /// A new id: one row of numbers for all kinds of things.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The next number in a project.
    pub fn next_number(&mut self, project: &'static str) -> u64 {
        let number = self.numbers.entry(project).or_default();
        *number += 1;
        *number
    }

    /// Remembers an issue, and forgets the oldest if there are too many.
    pub fn keep(&mut self, issue: Issue) {
        self.issues.push(issue);
        if self.issues.len() > MAX_MESSAGES {
            let id = self.issues.remove(0).id;
            self.links
                .retain(|link| link.inward_id != id && link.outward_id != id);
        }
    }

    /// Remembers somebody who logged in.
    pub fn meet(&mut self, person: &Person) {
        let is_somebody = !person.account_id.is_empty();
        if is_somebody && !self.people.contains(person) && self.people.len() < MAX_PEOPLE {
            self.people.push(person.clone());
        }
    }

    /// The issue with an id.
    pub fn issue(&self, id: u64) -> Option<&Issue> {
        self.issues.iter().find(|issue| issue.id == id)
    }

    /// The issue that a path names by id or key.
    pub fn find(&self, asked: &Asked<'_>, id_or_key: &str) -> Result<&Issue, Refusal> {
        let found = self.issues.iter().find(|issue| issue.is_named(id_or_key));
        found.ok_or_else(|| Refusal::no_issue(asked.view.api))
    }

    /// The same, to change it.
    pub fn find_mut(&mut self, asked: &Asked<'_>, id_or_key: &str) -> Result<&mut Issue, Refusal> {
        let found = self.issues.iter_mut().find(|issue| issue.is_named(id_or_key));
        found.ok_or_else(|| Refusal::no_issue(asked.view.api))
    }

    /// Gives an issue other fields, remembers the change and tells it; whether anything changed.
    pub fn change(&mut self, asked: &Asked<'_>, id: u64, fields: Fields, kind: &'static str) -> bool {
        let history_id = self.next_id();
        let Some(issue) = self.issues.iter_mut().find(|issue| issue.id == id) else {
            return false;
        };
        let items = fields.changes_since(&issue.fields);
        if items.is_empty() {
            return false;
        }
        let is_resolved_now = fields.resolution.is_some();
        issue.resolved_at = issue.resolved_at.or(Some(asked.now)).filter(|_| is_resolved_now);
        issue.fields = fields;
        issue.updated_at = asked.now;
        let author = asked.caller.clone();
        issue.history.push(History {
            id: history_id,
            author,
            created_at: asked.now,
            items: items.clone(),
        });
        let changelog = json!({ "id": history_id.to_string(), "items": items_json(&items, Api::Two) });
        let news = News {
            changelog: Some(changelog),
            ..News::issue("jira:issue_updated", kind, id)
        };
        self.tell(asked, &news);
        true
    }

    /// Takes an issue away with its links, and tells it.
    pub fn delete(&mut self, asked: &Asked<'_>, id: u64) {
        self.tell(asked, &News::issue("jira:issue_deleted", "issue_deleted", id));
        self.issues.retain(|issue| issue.id != id);
        self.links
            .retain(|link| link.inward_id != id && link.outward_id != id);
    }

    /// Somebody who can be given issues.
    pub fn assignable(&self, text: &str) -> Result<&Person, String> {
        match self.people.iter().find(|person| person.is_called(text)) {
            Some(person) if person.is_active => Ok(person),
            Some(_) => Err(format!("User '{text}' cannot be assigned issues.")),
            None => Err(format!("User '{text}' does not exist.")),
        }
    }
}

/// A list as Jira pages it: `startAt`, `maxResults`, `total` and the page under a name.
pub fn page(asked: &Asked<'_>, name: &str, all: Vec<Value>, most: usize) -> Result<Value, Refusal> {
    let start = asked.number("startAt", 0)?;
    let size = asked.number("maxResults", most)?.min(most);
    let total = all.len();
    let page: Vec<Value> = all.into_iter().skip(start).take(size).collect();
    let is_last = start.saturating_add(page.len()) >= total;
    Ok(json!({ "startAt": start, "maxResults": size, "total": total, "isLast": is_last, name: page }))
}
