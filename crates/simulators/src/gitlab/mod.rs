//! GitLab issues, simulated: the projects `acme/operations`, `acme/website` and `acme/without-issues`, below `/api/v4`, with
//! any path before it, as self-managed instances have it.
//!
//! Written after GitLab's documentation: REST API (issues, notes, issue links, members, project webhooks, pagination,
//! status codes), quick actions, webhook events, and the description of its API (doc/api/openapi, 19.5; `described.json`
//! says what is used of it). How errors look that no page shows was read in GitLab's own API code. From python-gitlab: what
//! a client needs to work. Nothing here knows our adapter. Tokens are as with GitHub.

mod access;
mod actions;
mod faults;
mod fields;
mod hooks;
mod issues;
mod notes;
#[cfg(test)]
mod tests;
mod view;

use http::Method;
use serde_json::{Value, json};

use crate::code_host::call::{Call, Page, Refusal};
use crate::code_host::people::{self, Access};
use crate::code_host::store::{Issue, Project, Store};
use crate::code_host::waiting::{Waiting, lost, page};
use crate::message::Message;
use crate::simulator::{Callback, Fault, Request, Response, Simulator};

const API: &str = "/api/v4";
const PAGE: usize = 20;

/// What a request comes to.
type Served = Result<Response, Refusal>;

/// GitLab in memory.
#[derive(Debug, Default)]
pub struct GitLab {
    site: Site,
    waiting: Waiting,
}

/// What an instance holds.
#[derive(Debug, Default)]
struct Site {
    store: Store,
    hooks: Vec<hooks::Hook>,
    calls: Vec<Callback>,
    /// The issue that the present request made or changed.
    changed: Option<u64>,
    lasting: faults::Lasting,
    /// Whether the present list ignores what it is asked for.
    lists_everything: bool,
}

impl Simulator for GitLab {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        let mut answer = self.serve(request).unwrap_or_else(Refusal::answer);
        let is_set = answer.headers.iter().any(|(name, _)| *name == "ratelimit-limit");
        if !is_set {
            answer.headers.extend(faults::rate_limit(
                1999,
                request.now.as_seconds().saturating_add(60),
            ));
        }
        answer.callbacks = std::mem::take(&mut self.site.calls);
        let changed = self.site.changed.take();
        answer.message = changed
            .and_then(|id| self.site.store.by_id(id))
            .map(|issue| issue.seen());
        answer
    }

    fn faults(&self) -> &'static [Fault] {
        faults::FAULTS
    }

    fn fail_next(&mut self, fault: &str) -> bool {
        faults::add(fault, &mut self.waiting, &mut self.site)
    }

    fn messages(&self) -> Vec<Message> {
        self.site.store.all().map(Issue::seen).collect()
    }

    fn url(&self, address: &str) -> String {
        format!("{address}/acme/operations")
    }
}

impl GitLab {
    fn serve(&mut self, request: &Request<'_>) -> Served {
        let caller = access::caller(request.headers)?.unless_lost(self.site.lasting.is_role_lost);
        let Some(read) = Call::read(request, API, caller) else {
            return Ok(page(
                404,
                "The page could not be found or you don't have permission to view it.",
            ));
        };
        let call = read.map_err(|_| refused(400, "The request body is not valid JSON"))?;
        let fault = self
            .waiting
            .take(|fault| faults::meets(fault, &call))
            .unwrap_or_default();
        if let Some(answer) = faults::answer(fault, &call) {
            return Ok(answer);
        }
        faults::prepare(fault, &call, &mut self.site);
        let answer = self.site.route(&call).unwrap_or_else(Refusal::answer);
        self.site.lists_everything = false;
        Ok(match fault {
            "lost" => lost(answer),
            "hidden" => Response {
                body: "[]".to_owned(),
                ..answer
            },
            _ => answer,
        })
    }
}

impl Site {
    fn route(&mut self, call: &Call<'_>) -> Served {
        let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
        match (call.method, path.as_slice()) {
            (&Method::GET, ["user"]) => Ok(Response::json(
                200,
                &view::user(call, call.caller),
                "said who calls",
            )),
            (&Method::GET, ["version" | "metadata"]) => Ok(Response::json(
                200,
                &json!({ "version": "19.5.0-ee", "revision": "0a1b2c3d4e5" }),
                "said its version",
            )),
            (&Method::GET, ["users"]) => Ok(users(call)),
            (_, ["projects", name, rest @ ..]) => self.in_project(call, name, rest),
            _ => Err(Refusal::new(404, json!({ "error": "404 Not Found" }))),
        }
    }

    fn in_project(&mut self, call: &Call<'_>, name: &str, rest: &[&str]) -> Served {
        let named = Project::named(name).filter(|_| call.caller.access > Access::None);
        let mut project = named.ok_or_else(|| refused(404, "404 Project Not Found"))?;
        project.has_issues &= !self.lasting.are_issues_disabled;
        match (call.method, rest) {
            (&Method::GET, []) => Ok(Response::json(
                200,
                &view::project(call, project),
                "showed a project",
            )),
            (&Method::GET, ["members", rest @ ..]) => members(call, rest),
            (_, ["hooks", rest @ ..]) => self.in_hooks(call, project, rest),
            (&Method::GET, ["issues"]) => self.list(call, project),
            (&Method::POST, ["issues"]) if !project.has_issues => Err(forbidden()),
            (&Method::POST, ["issues"]) => self.create(call, project),
            (method, ["issues", iid, rest @ ..]) => {
                let there = self
                    .store
                    .find(project, iid)
                    .filter(|issue| !issue.is_gone && project.has_issues);
                let is_hidden = |issue: &Issue| issue.is_confidential && call.caller.access < Access::Write;
                if there.is_none_or(|issue| is_hidden(issue)) {
                    let message = if rest.first() == Some(&"notes") {
                        "404 Issue Not Found"
                    } else {
                        "404 Not found"
                    };
                    return Err(refused(404, message));
                }
                match (method, rest) {
                    (&Method::GET, []) => self.read(call, project, iid),
                    (&Method::PUT, []) => self.edit(call, project, iid),
                    (&Method::DELETE, []) => self.delete(call, project, iid),
                    (&Method::POST, ["move"]) => self.relocate(call, project, iid),
                    (&Method::GET, ["links"]) => self.list_links(call, project, iid),
                    (&Method::POST, ["links"]) => self.link(call, project, iid),
                    (&Method::GET, ["notes"]) => self.list_notes(call, project, iid),
                    (&Method::POST, ["notes"]) => self.note(call, project, iid),
                    (_, ["notes", id]) => self.one_note(call, project, iid, id),
                    _ => Err(Refusal::new(404, json!({ "error": "404 Not Found" }))),
                }
            }
            _ => Err(Refusal::new(404, json!({ "error": "404 Not Found" }))),
        }
    }
}

/// `GET users?username=`: who has this name.
fn users(call: &Call<'_>) -> Response {
    let named = call.query("username").and_then(people::named);
    let users: Value = named.into_iter().map(|person| view::user(call, person)).collect();
    Response::json(200, &users, "looked for a user")
}

/// `GET members` and `members/all`, by a part of the name, or one by its id.
fn members(call: &Call<'_>, rest: &[&str]) -> Served {
    match rest.strip_prefix(&["all"]).unwrap_or(rest) {
        [] => {
            let query = call.query("query").unwrap_or_default().to_lowercase();
            let found = people::members();
            let found = found.filter(|person| {
                person.login.contains(&query) || person.name.to_lowercase().contains(&query)
            });
            let found: Vec<Value> = found.map(|person| view::member(call, person)).collect();
            paged(call, found, "listed members")
        }
        [id] => {
            let found = people::members().find(|person| person.id.to_string() == **id);
            let found = found.ok_or_else(|| refused(404, "404 Not found"))?;
            Ok(Response::json(200, &view::member(call, found), "showed a member"))
        }
        _ => Err(refused(404, "404 Not found")),
    }
}

/// A page of a list, with the headers that lead to the others.
fn paged(call: &Call<'_>, all: Vec<Value>, sentence: &str) -> Served {
    for name in ["page", "per_page"] {
        let is_number = call.query(name).is_none_or(|text| text.parse::<u32>().is_ok());
        if !is_number {
            return Err(invalid(&format!("{name} is invalid")));
        }
    }
    let page = Page::read(call, PAGE, all.len());
    let number = |number: Option<usize>| number.map(|number| number.to_string()).unwrap_or_default();
    let ends = [
        ("prev", page.previous()),
        ("next", page.next()),
        ("first", Some(1)),
        ("last", Some(page.count())),
    ];
    let headers = [
        ("link", page.links(call, &ends)),
        ("x-next-page", number(page.next())),
        ("x-page", page.number.to_string()),
        ("x-per-page", page.size.to_string()),
        ("x-prev-page", number(page.previous())),
        ("x-total", page.total.to_string()),
        ("x-total-pages", page.count().to_string()),
    ];
    let mut answer = Response::json(200, &page.cut(all).into(), sentence);
    answer.headers.extend(headers);
    Ok(answer)
}

/// A refusal with a message.
fn refused(status: u16, message: &str) -> Refusal {
    Refusal::new(status, json!({ "message": message }))
}

/// The caller may not do that.
fn forbidden() -> Refusal {
    refused(403, "403 Forbidden")
}

/// A parameter that does not fit what is declared of it.
fn invalid(error: &str) -> Refusal {
    Refusal::new(400, json!({ "error": error }))
}

/// A value that cannot be: the field with what is wrong with it.
fn wrong_value(field: &str, what: &str) -> Refusal {
    Refusal::new(400, json!({ "message": { field: [what] } }))
}
