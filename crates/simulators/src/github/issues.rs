//! Issues: made, listed, read, changed, labelled, assigned.

use serde_json::{Value, json};

use super::fields::{read_names, read_people, read_text, read_title, set_state, too_long_text};
use super::hooks::News;
use super::{Response, Served, Site, invalid, is_assignable, not_found, refusal, view};
use crate::code_host::call::{Call, Page, Refusal};
use crate::code_host::people::{self, Person};
use crate::code_host::pings::Dialect;
use crate::code_host::store::{Issue, Project};

const MAX_LABEL: usize = 50;
const MAX_LABELS: usize = 100;
const PAGE: usize = 30;

impl Site {
    /// `POST issues`.
    pub fn create(&mut self, call: &Call<'_>, project: Project) -> Served {
        let Some(title) = call.body.get("title") else {
            return Err(refusal(422, "Invalid request.\n\n\"title\" wasn't supplied."));
        };
        let title = read_title(title)?;
        let body = read_text(call, "body")?;
        let labels = read_names(call, "labels", "name")?.unwrap_or_default();
        let assignees = read_names(call, "assignees", "login")?.unwrap_or_default();
        let may_push = self.may_push(call);
        let (labels, assignees) = if may_push {
            (self.known_labels(&labels)?, read_people(&assignees)?)
        } else {
            (Vec::new(), Vec::new())
        };
        let mut draft = Issue::new(self.store.next_id(), project, call.caller, call.now);
        draft.title = title;
        draft.hear(body.as_deref().unwrap_or_default(), Dialect::GitHub);
        draft.body = body;
        draft.labels.clone_from(&labels);
        draft.assignees.clone_from(&assignees);
        let issue = self.store.add(draft);
        self.tell(call, &issue, &News::issue("opened"));
        self.tell_of_lists(call, &issue, (&[], &labels), (&[], &assignees));
        Ok(self.show(call, 201, &issue, "opened"))
    }

    /// `GET issues`.
    pub fn list(&mut self, call: &Call<'_>, project: Project) -> Served {
        let state = call.query("state").unwrap_or("open");
        let since = call.moment("since").map_err(|()| refusal(422, "Invalid since"))?;
        if !matches!(state, "open" | "closed" | "all") {
            let error = json!({ "resource": "Issue", "field": "state", "code": "invalid", "value": state });
            return Err(invalid(&error));
        }
        let labels = call.list("labels");
        let has =
            |issue: &Issue, label: &str| issue.labels.iter().any(|known| known.eq_ignore_ascii_case(label));
        let everything = self.lists_everything;
        let mut found = self.store.listed();
        found.retain(|issue| {
            let state_fits = state == "all" || (state == "closed") == issue.closed.is_some();
            let creator = call
                .query("creator")
                .is_none_or(|login| issue.author.login == login);
            let fits = state_fits && creator && labels.iter().all(|label| has(issue, label));
            issue.project.id == project.id
                && project.has_issues
                && (everything || fits && since.is_none_or(|since| issue.updated_at >= since))
        });
        match call.query("sort") {
            Some("updated") => found.sort_by_key(|issue| (issue.updated_at, issue.id)),
            Some("comments") => found.sort_by_key(|issue| (issue.comments.len(), issue.id)),
            _ => {}
        }
        if call.query("direction") != Some("asc") {
            found.reverse();
        }
        let page = Page::read(call, PAGE, found.len());
        let shown: Vec<Value> = page
            .cut(found)
            .iter()
            .map(|issue| view::issue(call, issue))
            .collect();
        Ok(paged(call, page, &shown.into(), "listed issues"))
    }

    /// `GET issues/{number}`.
    pub fn read(&mut self, call: &Call<'_>, project: Project, number: &str) -> Served {
        let issue = self.store.find(project, number).ok_or_else(not_found)?;
        Ok(Response::json(
            200,
            &view::issue(call, issue),
            format!("showed issue {number}"),
        ))
    }

    /// `PATCH issues/{number}`.
    pub fn edit(&mut self, call: &Call<'_>, project: Project, number: &str) -> Served {
        let before = self.store.find(project, number).ok_or_else(not_found)?.clone();
        let may_push = self.may_push(call);
        if !may_push && before.author != call.caller {
            return Err(refusal(403, "Must have admin rights to Repository."));
        }
        let mut issue = before.clone();
        if let Some(title) = call.body.get("title").filter(|title| !title.is_null()) {
            issue.title = read_title(title)?;
        }
        if call.body.contains_key("body") {
            issue.body = read_text(call, "body")?.filter(|text| !text.is_empty());
            issue.hear(issue.body.clone().unwrap_or_default().as_str(), Dialect::GitHub);
        }
        let labels = read_names(call, "labels", "name")?;
        let assignees = read_names(call, "assignees", "login")?;
        if let Some(labels) = labels.filter(|_| may_push) {
            issue.labels = self.known_labels(&labels)?;
        }
        if let Some(assignees) = assignees.filter(|_| may_push) {
            issue.assignees = read_people(&assignees)?;
        }
        let changes_state = set_state(call, &mut issue)?;
        Ok(self.keep(call, &before, issue, changes_state))
    }

    /// Keeps a changed issue and tells of every change.
    fn keep(&mut self, call: &Call<'_>, before: &Issue, mut issue: Issue, changes_state: bool) -> Response {
        issue.updated_at = call.now;
        if let Some(place) = self.store.by_id(issue.id) {
            place.clone_from(&issue);
        }
        let mut changes = serde_json::Map::new();
        if issue.title != before.title {
            changes.insert("title".to_owned(), json!({ "from": before.title }));
        }
        if issue.body != before.body {
            changes.insert(
                "body".to_owned(),
                json!({ "from": before.body.clone().unwrap_or_default() }),
            );
        }
        if !changes.is_empty() {
            let news = News::issue("edited").with(vec![("changes", Value::Object(changes))]);
            self.tell(call, &issue, &news);
        }
        self.tell_of_lists(
            call,
            &issue,
            (&before.labels, &issue.labels),
            (&before.assignees, &issue.assignees),
        );
        if changes_state {
            let action = if issue.closed.is_some() {
                "closed"
            } else {
                "reopened"
            };
            self.tell(call, &issue, &News::issue(action));
        }
        self.show(call, 200, &issue, "changed")
    }

    /// `GET issues/{number}/labels`.
    pub fn list_labels(&mut self, call: &Call<'_>, project: Project, number: &str) -> Served {
        let issue = self.store.find(project, number).ok_or_else(not_found)?;
        Ok(Response::json(200, &labels(call, issue), "listed labels"))
    }

    /// `POST issues/{number}/labels`.
    pub fn add_labels(&mut self, call: &Call<'_>, project: Project, number: &str) -> Served {
        let added = read_names(call, "labels", "name")?.unwrap_or_default();
        self.change_labels(
            call,
            project,
            number,
            |known, all| {
                let added = known
                    .iter()
                    .filter(|label| !all.contains(label))
                    .cloned()
                    .collect::<Vec<_>>();
                all.extend(added);
                true
            },
            &added,
        )
    }

    /// `DELETE issues/{number}/labels/{name}`.
    pub fn remove_label(&mut self, call: &Call<'_>, project: Project, number: &str, name: &str) -> Served {
        self.change_labels(
            call,
            project,
            number,
            |known, all| {
                let count = all.len();
                all.retain(|label| !known.contains(label));
                all.len() < count
            },
            &[name.to_owned()],
        )
    }

    fn change_labels(
        &mut self,
        call: &Call<'_>,
        project: Project,
        number: &str,
        change: impl Fn(&[String], &mut Vec<String>) -> bool,
        named: &[String],
    ) -> Served {
        if !self.may_push(call) {
            return Err(refusal(403, "Must have admin rights to Repository."));
        }
        let known = self.known_labels(named)?;
        let before = self.store.find(project, number).ok_or_else(not_found)?.clone();
        let mut issue = before.clone();
        if !change(&known, &mut issue.labels) {
            return Err(refusal(404, "Label does not exist"));
        }
        let body = labels(call, &issue);
        let answer = self.keep(call, &before, issue, false);
        Ok(Response {
            body: body.to_string(),
            ..answer
        })
    }

    /// `POST issues/{number}/assignees`: whoever cannot be assigned is left out.
    pub fn add_assignees(&mut self, call: &Call<'_>, project: Project, number: &str) -> Served {
        let named = read_names(call, "assignees", "login")?.unwrap_or_default();
        let before = self.store.find(project, number).ok_or_else(not_found)?.clone();
        let mut issue = before.clone();
        let people = named.iter().filter_map(|login| people::named(login));
        let added: Vec<_> = people
            .filter(|person| is_assignable(*person) && !issue.assignees.contains(person))
            .collect();
        issue.assignees.extend(added);
        let answer = self.keep(call, &before, issue, false);
        Ok(Response {
            status: 201,
            ..answer
        })
    }

    /// The labels of these names, made where there are none.
    fn known_labels(&mut self, names: &[String]) -> Result<Vec<String>, Refusal> {
        let too_long = names.iter().find(|name| name.chars().count() > MAX_LABEL);
        if too_long.is_some() {
            return Err(too_long_text("Label", "name", MAX_LABEL));
        }
        if names.len() > MAX_LABELS {
            let message = format!("labels must have at most {MAX_LABELS} entries");
            return Err(invalid(
                &json!({ "resource": "Issue", "field": "labels", "code": "custom", "message": message }),
            ));
        }
        let mut known: Vec<String> = names.iter().map(|name| self.store.label(name)).collect();
        known.sort();
        known.dedup();
        Ok(known)
    }

    fn tell_of_lists(
        &mut self,
        call: &Call<'_>,
        issue: &Issue,
        (labels_before, labels): (&[String], &[String]),
        (people_before, people): (&[Person], &[Person]),
    ) {
        let mut news = Vec::new();
        let label = |name: &String| vec![("label", view::label(call, issue.project, name))];
        let person = |person: &Person| vec![("assignee", view::user(call, *person))];
        news.extend(
            labels
                .iter()
                .filter(|it| !labels_before.contains(it))
                .map(|it| ("labeled", label(it))),
        );
        news.extend(
            labels_before
                .iter()
                .filter(|it| !labels.contains(it))
                .map(|it| ("unlabeled", label(it))),
        );
        news.extend(
            people
                .iter()
                .filter(|it| !people_before.contains(it))
                .map(|it| ("assigned", person(it))),
        );
        news.extend(
            people_before
                .iter()
                .filter(|it| !people.contains(it))
                .map(|it| ("unassigned", person(it))),
        );
        for (action, more) in news {
            self.tell(call, issue, &News::issue(action).with(more));
        }
    }

    /// An answer with an issue that was made or changed.
    fn show(&mut self, call: &Call<'_>, status: u16, issue: &Issue, what: &str) -> Response {
        self.changed = Some(issue.id);
        let sentence = format!("{what} issue {} of {}", issue.number, issue.project.path());
        Response::json(status, &view::issue(call, issue), sentence)
    }
}

/// A page of a list, with links to the others.
pub fn paged(call: &Call<'_>, page: Page, body: &Value, sentence: &str) -> Response {
    let (before, next) = (page.previous(), page.next());
    let ends = [
        ("first", before.map(|_| 1)),
        ("prev", before),
        ("next", next),
        ("last", next.map(|_| page.count())),
    ];
    let links = page.links(call, &ends);
    let mut answer = Response::json(200, body, sentence);
    answer
        .headers
        .extend((!links.is_empty()).then_some(("link", links)));
    answer
}

fn labels(call: &Call<'_>, issue: &Issue) -> Value {
    issue
        .labels
        .iter()
        .map(|name| view::label(call, issue.project, name))
        .collect()
}
