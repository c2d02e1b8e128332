//! GitHub Issues, simulated: an Enterprise Server with the repositories `acme/operations`, `acme/website` and
//! `acme/without-issues`, below `/api/v3`.
//!
//! Written after GitHub's description of its REST API (github/rest-api-description, Enterprise Server 3.19; `described.json`
//! has what is used of it) and its documentation: troubleshooting, rate limits, pagination, webhook events and payloads,
//! signatures. Words of refusals that neither shows are those of public recordings, or ours, and nobody may depend on them.
//! From PyGithub: what a client needs to work. Nothing here knows our adapter.
//!
//! A token says whose it is (`code_host/people.rs`): `good-token` is OpsKnight's, `ada-lovelace-token` is Ada's, who may do everything.
//!
//! Deleting and transferring an issue is only in GitHub's GraphQL: `graph.rs` has those two mutations.

mod comments;
mod faults;
mod fields;
mod graph;
mod hooks;
mod issues;
mod search;
#[cfg(test)]
mod tests;
mod view;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::code_host::call::{Call, Refusal, Unreadable};
use crate::code_host::people::{self, Access, Person};
use crate::code_host::store::{Issue, Project, Store};
use crate::code_host::waiting::{Waiting, lost, page};
use crate::message::Message;
use crate::simulator::{Callback, Fault, Request, Response, Simulator};

const API: &str = "/api/v3";
const GRAPH: &str = "/api/graphql";
/// The name that `acme/operations` once had.
const FORMER_PATH: &str = "acme/ops";
/// The versions of the API that can be asked for.
const VERSIONS: [&str; 1] = ["2022-11-28"];
const DOCUMENTATION: &str = "https://docs.github.com/enterprise-server@3.19/rest";

/// What a request comes to: an answer, and the issue that it is about.
type Served = Result<Response, Refusal>;

/// GitHub in memory.
#[derive(Debug, Default)]
pub struct GitHub {
    site: Site,
    waiting: Waiting,
}

/// What a site holds.
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

impl Simulator for GitHub {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        let mut answer = self.serve(request).unwrap_or_else(Refusal::answer);
        let is_set = answer
            .headers
            .iter()
            .any(|(name, _)| *name == "x-ratelimit-limit");
        if !is_set {
            let resource = if request.target.contains("/search/") {
                "search"
            } else {
                "core"
            };
            let reset = request.now.as_seconds().saturating_add(3600);
            answer.headers.extend(faults::rate_limit(resource, 4999, reset));
        }
        answer
            .headers
            .push(("x-github-enterprise-version", "3.19.0".to_owned()));
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

impl GitHub {
    fn serve(&mut self, request: &Request<'_>) -> Served {
        if !request.headers.contains_key(USER_AGENT) {
            let text = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
            return Ok(page(403, text));
        }
        let version = request
            .headers
            .get("x-github-api-version")
            .and_then(|version| version.to_str().ok());
        if version.is_some_and(|version| !VERSIONS.contains(&version)) {
            return Err(refusal(400, "The requested API version is not supported"));
        }
        let caller = caller(request.headers)?.unless_lost(self.site.lasting.is_role_lost);
        let is_graph = request.target == GRAPH;
        let target = if is_graph {
            format!("{API}/graphql")
        } else {
            request.target.to_owned()
        };
        let request = Request {
            target: &target,
            ..*request
        };
        let Some(read) = Call::read(&request, API, caller) else {
            return Ok(page(404, "Page not found"));
        };
        let call = read.map_err(|unreadable| match unreadable {
            Unreadable::NotJson => refusal(400, "Problems parsing JSON"),
            Unreadable::NotObject => refusal(400, "Body should be a JSON object"),
        })?;
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
                &view::myself(call, call.caller),
                "said who calls",
            )),
            (&Method::POST, ["graphql"]) => Ok(self.mutate(call)),
            (&Method::GET, ["search", "issues"]) => self.search(call),
            (_, ["repos", owner, name, rest @ ..]) => {
                let path = format!("{owner}/{name}");
                if path.eq_ignore_ascii_case(FORMER_PATH) {
                    return Err(moved(call, &format!("repositories/501/{}", rest.join("/"))));
                }
                self.in_repository(call, &path, rest)
            }
            (_, ["repositories", id, rest @ ..]) => self.in_repository(call, id, rest),
            _ => Err(not_found()),
        }
    }

    fn in_repository(&mut self, call: &Call<'_>, name: &str, rest: &[&str]) -> Served {
        let named = Project::named(name).filter(|_| call.caller.access > Access::None);
        let project = self.with_faults(named.ok_or_else(not_found)?);
        match (call.method, rest) {
            (&Method::GET, []) => Ok(Response::json(
                200,
                &view::repository(call, project, self),
                "showed a repository",
            )),
            (&Method::GET, ["assignees", login]) => {
                let known = people::named(login).filter(|person| is_assignable(*person));
                known.map(|_| empty(204, "can be assigned")).ok_or_else(not_found)
            }
            (_, ["hooks", rest @ ..]) => self.in_hooks(call, project, rest),
            // The list holds pull requests too, so it is there without issues.
            (&Method::GET, ["issues"]) => self.list(call, project),
            (_, ["issues", ..]) if !project.has_issues => {
                Err(refusal(410, "Issues has been disabled in this repository."))
            }
            (&Method::POST, ["issues"]) => self.create(call, project),
            (method, ["issues", "comments", id]) => self.one_comment(call, project, id, method),
            (method, ["issues", number, rest @ ..]) => {
                self.check_is_there(call, project, number)?;
                match (method, rest) {
                    (&Method::GET, []) => self.read(call, project, number),
                    (&Method::PATCH, []) => self.edit(call, project, number),
                    (&Method::GET, ["comments"]) => self.list_comments(call, project, number),
                    (&Method::POST, ["comments"]) => self.comment(call, project, number),
                    (&Method::GET, ["labels"]) => self.list_labels(call, project, number),
                    (&Method::POST, ["labels"]) => self.add_labels(call, project, number),
                    (&Method::DELETE, ["labels", label]) => self.remove_label(call, project, number, label),
                    (&Method::POST, ["assignees"]) => self.add_assignees(call, project, number),
                    _ => Err(not_found()),
                }
            }
            _ => Err(not_found()),
        }
    }

    /// Refuses what is about an issue that is not there, or is elsewhere now.
    fn check_is_there(&mut self, call: &Call<'_>, project: Project, number: &str) -> Result<(), Refusal> {
        let issue = self.store.find(project, number).ok_or_else(not_found)?;
        let (is_gone, moved_to) = (issue.is_gone, issue.moved_to);
        let there = moved_to.and_then(|id| self.store.by_id(id));
        match there {
            Some(issue) => Err(moved(
                call,
                &format!("repositories/{}/issues/{}", issue.project.id, issue.number),
            )),
            None if is_gone => Err(refusal(410, "This issue was deleted")),
            None => Ok(()),
        }
    }
}

/// Whoever calls: `Bearer` or `token` with a token, or Basic with a token as the password.
fn caller(headers: &HeaderMap) -> Result<Person, Refusal> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, given) = header
        .and_then(|header| header.split_once(' '))
        .ok_or_else(|| refusal(401, "Must authenticate to access this API."))?;
    let person = match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "token" => people::behind(given.trim()),
        "basic" => basic(given.trim()),
        _ => None,
    };
    person.ok_or_else(faults::bad_credentials)
}

fn basic(given: &str) -> Option<Person> {
    let text = String::from_utf8(STANDARD.decode(given).ok()?).ok()?;
    let (login, token) = text.split_once(':')?;
    let owner = people::behind(token)?;
    Some(people::named(login).unwrap_or(owner))
}

/// Whether issues can be given to somebody.
fn is_assignable(person: Person) -> bool {
    person.access >= Access::Write
}

/// A refusal as GitHub words it.
fn refusal(status: u16, message: &str) -> Refusal {
    let body =
        json!({ "message": message, "documentation_url": DOCUMENTATION, "status": status.to_string() });
    Refusal::new(status, body)
}

/// There is no such thing, or it is hidden: GitHub never says which.
fn not_found() -> Refusal {
    refusal(404, "Not Found")
}

/// What is meant is elsewhere: 301 for what is read, 307 for what is written.
fn moved(call: &Call<'_>, path: &str) -> Refusal {
    let url = format!("{}{API}/{}", call.base, path.trim_end_matches('/'));
    let (status, message) = if call.is_write() {
        (307, "Temporary Redirect")
    } else {
        (301, "Moved Permanently")
    };
    let body = json!({ "message": message, "url": url, "documentation_url": DOCUMENTATION });
    Refusal::new(status, body).header("location", url)
}

/// A value that cannot be: 422 with the field that holds it.
fn invalid(error: &Value) -> Refusal {
    let mut refusal = refusal(422, "Validation Failed");
    refusal.body["errors"] = json!([error]);
    refusal
}

fn empty(status: u16, sentence: &str) -> Response {
    Response {
        status,
        sentence: sentence.to_owned(),
        ..Response::default()
    }
}
