//! GitLab issues, gitlab.com and self-managed: where GitLab's addresses, JSON and calls differ from GitHub's. What the two share
//! is in `forge`, the order of things is the workflow's.
//!
//! The webhook's URL is the project's page. A GitLab below a path of its host has that path in the setting `basePath`: nothing
//! in the URL tells it from a group. `callback` is what GitLab calls us with.

mod callback;
mod form;
#[cfg(test)]
mod tests;

use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::forge::callback::Subject;
use crate::forge::check::PlaceSeen;
use crate::forge::issue::{is_number, short};
use crate::forge::place::{Place, home, is_page, root, segments};
use crate::forge::problems::problem;
use crate::forge::system::Issues;
use crate::forge::texts::Texts;
use crate::forge::{Change, Forge, Vendor};
use crate::workflow::Workflow;
use crate::workflow::system::Ask;
use destination::Adapter;
use destination::about::{KindDescription, Problem};
use destination::callback::{Call, Refused};
use destination::task::{Rendered, Target};
use destination::ticketing::Finding;
use model::exchange::Exchange;

/// Where GitLab differs in words and names.
static FORGE: Forge = Forge {
    kind: "gitlab",
    name: "GitLab",
    place: "project",
    accept: "application/json",
    header: None,
    max_title: 255,
    max_label: 255,
    optional: &["assignee", "label"],
    number: "iid",
    text: "description",
    author: "author",
    login: "username",
    latest_first: LATEST_FIRST,
    comments: "notes",
    latest_comments: LATEST_FIRST,
    must_look_up: |account| !is_number(account),
    role: "Planner or Reporter",
    people: &["members", "all"],
    token: &["personal_access_tokens", "self"],
    receipts: &["idempotency-key", "x-gitlab-event-uuid"],
};
const LATEST_FIRST: &[(&str, &str)] = &[("order_by", "created_at"), ("sort", "desc")];
/// The lowest role that may label issues: Planner, and Reporter in older versions.
const MAY_LABEL: u64 = 15;
/// The longest text that is repeated, in characters.
const MAX_QUOTE: usize = 60;

/// Tickets in GitLab.
pub const ADAPTER: &dyn Adapter = &Workflow(Issues(GitLab));

/// GitLab.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct GitLab;

impl Vendor for GitLab {
    fn forge(self) -> &'static Forge {
        &FORGE
    }

    fn about(self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn place(self, target: &Target) -> Place {
        let base = base(target);
        let path: Vec<String> = segments(&target.url).into_iter().skip(base.len()).collect();
        let name = path.join("/");
        let api = [base.as_slice(), &["api".to_owned(), "v4".to_owned()]].concat();
        Place {
            root: root(&target.url, &api.join("/")),
            path: vec!["projects".to_owned(), name.clone()],
            name,
            home: home(&target.url),
            issues: "-/issues",
            headers: HeaderMap::new(),
        }
    }

    fn problems(self, target: &Target) -> Vec<Problem> {
        let url = &target.url;
        let parts = segments(url);
        let Some(path) = parts.strip_prefix(base(target).as_slice()) else {
            let detail =
                "the URL does not begin with this path: it is only what comes before the project's groups";
            return vec![problem("basePath", detail)];
        };
        let is_name = |part: &String| !part.contains(['/', '#', '?', ' ']) && part != "-";
        let is_project = path.len() > 1 && path.iter().all(is_name);
        let detail = "is not the page of a project: it is of the form https://gitlab.com/group/project";
        let wrong = !is_project || !is_page(url);
        wrong.then(|| problem("url", detail)).into_iter().collect()
    }

    fn new_issue(self, ask: &Ask<'_>, texts: Texts, account: Option<String>) -> Value {
        let labels = texts.labels.join(",");
        let mut body = json!({ "title": texts.title, "description": texts.text, "labels": labels });
        if ask.target.option("confidential") == "on" {
            body["confidential"] = json!(true);
        }
        if let Some(account) = account {
            body["assignee_ids"] = json!([id(&account)]);
        }
        body
    }

    fn change(self, place: &Place, number: &str, change: Change<'_>) -> Rendered {
        let body = match change {
            Change::Close | Change::CloseDuplicate => json!({ "state_event": "close" }),
            Change::Reopen => json!({ "state_event": "reopen" }),
            Change::Label(label) => json!({ "add_labels": label }),
            Change::Unlabel(label) => json!({ "remove_labels": label }),
            Change::Title(title) => json!({ "title": title }),
            Change::Assign(account) => json!({ "assignee_ids": [id(account)] }),
        };
        place.send_own(Method::PUT, &["issues", number], &body)
    }

    fn new_comment(self, target: &Target, text: &str) -> Value {
        match target.option("noteVisibility") {
            "internal" => json!({ "body": text, "internal": true }),
            _ => json!({ "body": text }),
        }
    }

    fn place_seen<'v>(self, seen: &'v Value) -> PlaceSeen<'v> {
        let access = ["project_access", "group_access"];
        let levels = access
            .iter()
            .filter_map(|way| seen["permissions"][*way]["access_level"].as_u64());
        PlaceSeen {
            name: &seen["path_with_namespace"],
            is_off: seen["issues_access_level"] == "disabled" || seen["issues_enabled"] == false,
            may_label: levels.max().map(|level| level >= MAY_LABEL),
        }
    }

    fn of_token(self, _: &Exchange, told: Option<&Value>) -> Option<Finding> {
        let told = told?;
        let scopes = told["scopes"].as_array()?;
        if !scopes.iter().any(|scope| scope == "api") {
            return Some(Finding::bad(
                "the token lacks the scope api: make one that has it",
            ));
        }
        let until = told["expires_at"].as_str().map(|until| short(until, MAX_QUOTE));
        Some(match until {
            Some(until) => Finding::good(format!("the token has the scope api and ends on {until}")),
            None => Finding::good("the token has the scope api"),
        })
    }

    fn is_believed(self, call: &Call<'_>, secret: &str) -> bool {
        callback::has_token(call, secret)
    }

    fn subject<'v>(self, _: &HeaderMap, body: &'v Value) -> Result<Option<Subject<'v>>, Refused> {
        callback::subject(body)
    }

    fn callback_help(self, home: &str, callback: &str, secret: &str) -> String {
        callback::help(home, callback, secret)
    }
}

/// The path of GitLab itself.
fn base(target: &Target) -> Vec<String> {
    let parts = target.option("basePath").trim().split('/');
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The id of an account that was looked up or is one already; nobody's if it is none.
fn id(account: &str) -> u64 {
    account.parse().unwrap_or_default()
}
