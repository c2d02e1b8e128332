//! Faults: those that change the world from now on, and those that wait for the next request that can meet them.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::jira::access;
use crate::jira::answer::Refusal;
use crate::jira::request::{Api, Asked, Entrance};
use crate::jira::world::{LAGGING_SEARCHES, World};
use crate::simulator::Fault;

/// The most faults that wait.
const MAX_WAITING: usize = 32;

/// Every fault.
pub const FAULTS: &[Fault] = &[
    fault("lost", "the next change is made, then the connection breaks"),
    fault(
        "lost_before",
        "the connection breaks before the next change is made",
    ),
    fault("lag", "the next 3 searches do not find what is made from now on"),
    fault("long_lag", "the same for the next 12 searches"),
    fault(
        "search_everything",
        "the next search ignores its condition and finds all issues",
    ),
    fault("expired", "401: the next request's token is refused once"),
    fault(
        "anonymous",
        "the next request's token is not known, and it is served as nobody's: nothing found, 404",
    ),
    fault(
        "token_ends",
        "the next request's token has ended, from then on: served as nobody's, 404, nothing found, 400 for a new issue; asked for again, no more",
    ),
    fault(
        "closed_issue",
        "the next issue that is named refuses whoever names it, from then on: 403",
    ),
    fault("burst", "429: too many requests to one address, wait 2 seconds"),
    fault("per_issue", "429: too many changes of one issue, wait 2 seconds"),
    fault("unavailable", "503 with Retry-After: 5"),
    fault("html", "200 with a page to log in instead of JSON"),
    fault(
        "captcha",
        "403 of Data Center: a person must solve a CAPTCHA first",
    ),
    fault("forbidden", "403"),
    fault("conflict", "409 at the next transition: another one is under way"),
    fault("deleted", "the next issue that is read was deleted: 404"),
    fault(
        "bad_project",
        "the next project that is named is not there: 404, or 400 for a new issue",
    ),
    fault(
        "needs_resolution",
        "from now on Done is reached only with a resolution",
    ),
    fault(
        "service_project",
        "from now on the projects are of Jira Service Management: a comment is public unless it is said to be internal",
    ),
    fault(
        "many_ends",
        "from now on issues end as Canceled too, by the transition with the lowest id",
    ),
    fault(
        "long_way",
        "from now on new issues reach Done only through In Progress and In Review",
    ),
    fault(
        "no_priority",
        "from now on new issues can have no priority: 400 that names it",
    ),
    fault(
        "needs_field",
        "from now on new issues need customfield_10010: 400 that names it",
    ),
    fault(
        "cloud",
        "from now on the second version is Cloud's: the old search is gone, 410",
    ),
];

const fn fault(name: &'static str, meaning: &'static str) -> Fault {
    Fault { name, meaning }
}

/// The faults that wait, in the order in which they were asked for.
#[derive(Debug, Default)]
pub struct Waiting {
    names: Vec<&'static str>,
}

/// What a fault does to the request that meets it.
#[derive(Debug)]
pub enum Effect {
    /// It is refused.
    Refuse(Refusal),
    /// The connection breaks, and nothing was done.
    BreakBefore,
    /// It is worked on, then the connection breaks.
    BreakAfter,
    /// It is worked on in a world that is another now.
    GoOn,
}

impl Waiting {
    /// Takes a fault; says whether it is known.
    pub fn take(&mut self, world: &mut World, name: &str) -> bool {
        let Some(known) = FAULTS.iter().find(|known| known.name == name) else {
            return false;
        };
        let lasting = &mut world.lasting;
        match known.name {
            "lag" => lasting.lagging_searches = LAGGING_SEARCHES,
            "long_lag" => lasting.lagging_searches = 4 * LAGGING_SEARCHES,
            "needs_resolution" => lasting.needs_resolution = true,
            "service_project" => lasting.is_service_project = true,
            "many_ends" => lasting.has_many_ends = true,
            "long_way" => lasting.has_long_way = true,
            "no_priority" => lasting.has_no_priority = true,
            "needs_field" => lasting.needs_service = true,
            "cloud" => lasting.is_cloud = true,
            "token_ends" => {
                lasting.ended = match lasting.ended {
                    None => Some(String::new()),
                    Some(_) => None,
                }
            }
            name if self.names.len() < MAX_WAITING => self.names.push(name),
            _ => {}
        }
        true
    }

    /// The effect of the first fault that a request meets.
    pub fn meet(&mut self, world: &mut World, asked: &Asked<'_>) -> Option<Effect> {
        let place = self.names.iter().position(|name| meets(name, asked))?;
        Some(effect(self.names.remove(place), world, asked))
    }
}

fn meets(name: &str, asked: &Asked<'_>) -> bool {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    let is_about_issue = matches!(path.as_slice(), ["issue", id, ..] if *id != "createmeta");
    match name {
        "lost" | "lost_before" => asked.is_write(),
        "per_issue" => asked.is_write() && is_about_issue,
        "closed_issue" => is_about_issue,
        "conflict" => asked.is_write() && matches!(path.as_slice(), ["issue", _, "transitions"]),
        "search_everything" => matches!(path.as_slice(), ["search"] | ["search", "jql"]),
        "deleted" => asked.method == Method::GET && is_about_issue && path.len() == 2,
        "bad_project" => match path.as_slice() {
            ["project", _, ..] | ["issue", "createmeta", ..] => true,
            ["issue"] => asked.method == Method::POST,
            _ => asked.query("projectKey").is_some(),
        },
        _ => matches!(asked.door, Entrance::Rest | Entrance::Hooks),
    }
}

fn effect(name: &str, world: &mut World, asked: &Asked<'_>) -> Effect {
    let refusal = match name {
        "lost" => return Effect::BreakAfter,
        "lost_before" => return Effect::BreakBefore,
        "search_everything" => {
            world.finds_everything = true;
            return Effect::GoOn;
        }
        "deleted" => {
            let id = asked
                .path
                .get(1)
                .and_then(|name| world.find(asked, name).ok())
                .map(|issue| issue.id);
            id.into_iter().for_each(|id| world.delete(asked, id));
            return Effect::GoOn;
        }
        "closed_issue" => {
            let id = asked
                .path
                .get(1)
                .and_then(|name| world.find(asked, name).ok())
                .map(|issue| issue.id);
            world.lasting.closed_issue = id;
            return Effect::GoOn;
        }
        "anonymous" => return Effect::Refuse(anonymous(asked)),
        "expired" => access::unknown(asked),
        "burst" => limited(asked, "jira-burst-based"),
        "per_issue" => limited(asked, "jira-per-issue-on-write"),
        "unavailable" => Refusal::page(503, "Service Unavailable").header("retry-after", "5"),
        "html" => Refusal::page(200, "Log in to continue - Log in with Atlassian account"),
        "captcha" => {
            let login = format!("CAPTCHA_CHALLENGE; login-url={}/login.jsp", asked.view.base);
            Refusal::page(403, "Forbidden (403)")
                .header("x-seraph-loginreason", "AUTHENTICATION_DENIED")
                .header("x-authentication-denied-reason", login)
        }
        "conflict" => Refusal::said(
            409,
            "The issue is being changed by another transition. Try again when it has ended.",
        ),
        "bad_project" if asked.method == Method::POST => {
            Refusal::field(400, "project", "project is required")
        }
        "bad_project" => {
            let place = if asked.path.first().is_some_and(|first| first == "issue") {
                2
            } else {
                1
            };
            let named = asked
                .query("projectKey")
                .or_else(|| asked.path.get(place).map(String::as_str));
            Refusal::no_project(named.unwrap_or_default())
        }
        _ => Refusal::said(403, "You do not have the permission to do this."),
    };
    Effect::Refuse(refusal)
}

/// What Jira answers to a token that it does not know wherever it serves nobody in particular, as Cloud's own tests in
/// jira.js saw it: no refusal at all, but a header.
pub fn anonymous(asked: &Asked<'_>) -> Refusal {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    let sentence = "served nobody: the token is not known";
    let refusal = match path.as_slice() {
        ["search", ..] => {
            let body = json!({ "startAt": 0, "maxResults": 50, "total": 0, "issues": [], "isLast": true });
            Refusal::json(200, &body, sentence)
        }
        ["issue"] => Refusal::field(400, "project", "valid project is required"),
        ["issue", _, ..] => Refusal::no_issue(asked.view.api),
        ["project", name, ..] => Refusal::no_project(name),
        _ => access::not_logged_in(asked),
    };
    refusal.header("x-seraph-loginreason", "AUTHENTICATED_FAILED")
}

fn limited(asked: &Asked<'_>, reason: &str) -> Refusal {
    let reset = asked.now.plus(Duration::from_secs(2)).to_rfc3339_seconds();
    let refusal = match asked.view.api {
        Api::Two => {
            let message = "Rate limit exceeded.";
            Refusal::json(429, &json!({ "message": message }), message)
                .header("x-ratelimit-fillrate", "1")
                .header("x-ratelimit-interval-seconds", "1")
        }
        Api::Three => Refusal::said(429, "Rate limit exceeded."),
    };
    refusal
        .header("retry-after", "2")
        .header("ratelimit-reason", reason)
        .header("x-ratelimit-limit", "350")
        .header("x-ratelimit-remaining", "0")
        .header("x-ratelimit-reset", reset)
        .header("x-ratelimit-nearlimit", "true")
}
