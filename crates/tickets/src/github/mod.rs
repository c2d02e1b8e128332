//! GitHub Issues, github.com and Enterprise: where GitHub's addresses, JSON and calls differ from GitLab's. What the two share is
//! in `forge`, the order of things is the workflow's.
//!
//! The webhook's URL is the repository's page. `callback` is what GitHub calls us with.

mod callback;
mod form;
#[cfg(test)]
mod tests;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use crate::forge::callback::Subject;
use crate::forge::check::PlaceSeen;
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

/// Where GitHub differs in words and names.
static FORGE: Forge = Forge {
    kind: "github",
    name: "GitHub",
    place: "repository",
    accept: "application/vnd.github+json",
    header: Some((
        HeaderName::from_static("x-github-api-version"),
        HeaderValue::from_static("2022-11-28"),
    )),
    max_title: 256,
    max_label: 50,
    optional: &["assignees", "labels"],
    number: "number",
    text: "body",
    author: "user",
    login: "login",
    latest_first: &[("sort", "created"), ("direction", "desc")],
    comments: "comments",
    latest_comments: &[],
    must_look_up: |_| false,
    role: "Triage or Write",
    people: &["assignees"],
    token: &[],
    receipts: &["x-github-delivery"],
};
/// The header with what a classic token may do; others say nothing of it.
const SCOPES_HEADER: &str = "x-oauth-scopes";

/// Tickets in GitHub.
pub const ADAPTER: &dyn Adapter = &Workflow(Issues(GitHub));

/// GitHub.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct GitHub;

impl Vendor for GitHub {
    fn forge(self) -> &'static Forge {
        &FORGE
    }

    fn about(self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn place(self, target: &Target) -> Place {
        let names = segments(&target.url);
        let path = ["repos".to_owned()].into_iter().chain(names.iter().cloned());
        Place {
            root: api(target),
            path: path.collect(),
            name: names.join("/"),
            home: home(&target.url),
            issues: "issues",
            headers: HeaderMap::new(),
        }
    }

    fn problems(self, target: &Target) -> Vec<Problem> {
        let url = &target.url;
        let parts = segments(url);
        let is_name = |part: &String| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            part.bytes().all(is_plain)
        };
        let is_repository = parts.len() == 2 && parts.iter().all(is_name);
        let is_api = url.host_str().unwrap_or_default().starts_with("api.github.");
        let detail = "is not the page of a repository: it is of the form https://github.com/owner/repository";
        let wrong = !is_repository || is_api || !is_page(url);
        wrong.then(|| problem("url", detail)).into_iter().collect()
    }

    fn new_issue(self, _: &Ask<'_>, texts: Texts, account: Option<String>) -> Value {
        let mut body = json!({ "title": texts.title, "body": texts.text, "labels": texts.labels });
        if let Some(account) = account {
            body["assignees"] = json!([account]);
        }
        body
    }

    fn change(self, place: &Place, number: &str, change: Change<'_>) -> Rendered {
        let patch = |body: Value| place.send_own(Method::PATCH, &["issues", number], &body);
        let close = |reason: &str| patch(json!({ "state": "closed", "state_reason": reason }));
        match change {
            Change::Close => close("completed"),
            // Older versions know no other reason.
            Change::CloseDuplicate => close("not_planned"),
            Change::Reopen => patch(json!({ "state": "open", "state_reason": "reopened" })),
            Change::Title(title) => patch(json!({ "title": title })),
            Change::Assign(account) => patch(json!({ "assignees": [account] })),
            // The whole list would take back what somebody else puts there at the same time.
            Change::Label(label) => {
                let body = json!({ "labels": [label] });
                place.send_own(Method::POST, &["issues", number, "labels"], &body)
            }
            Change::Unlabel(label) => place.delete_own(&["issues", number, "labels", label]),
        }
    }

    fn new_comment(self, _: &Target, text: &str) -> Value {
        json!({ "body": text })
    }

    fn place_seen<'v>(self, seen: &'v Value) -> PlaceSeen<'v> {
        let permissions = &seen["permissions"];
        let roles = ["admin", "maintain", "push", "triage"];
        let has_one = roles.iter().any(|role| permissions[*role] == true);
        PlaceSeen {
            name: &seen["full_name"],
            is_off: seen["has_issues"] == false,
            may_label: permissions.is_object().then_some(has_one),
        }
    }

    fn of_token(self, identified: &Exchange, _: Option<&Value>) -> Option<Finding> {
        let response = identified.result.as_ref().ok()?;
        let scopes = response.headers.get(SCOPES_HEADER)?.to_str().ok()?;
        let mut scopes = scopes.split(',').map(str::trim);
        let is_enough = scopes.any(|scope| matches!(scope, "repo" | "public_repo"));
        let sentence =
            "the token lacks the scope repo (public_repo for a public repository): make one that has it";
        (!is_enough).then(|| Finding::bad(sentence))
    }

    fn is_believed(self, call: &Call<'_>, secret: &str) -> bool {
        callback::is_signed(call, secret)
    }

    fn subject<'v>(self, headers: &HeaderMap, body: &'v Value) -> Result<Option<Subject<'v>>, Refused> {
        Ok(callback::subject(headers, body))
    }

    fn callback_help(self, home: &str, callback: &str, secret: &str) -> String {
        callback::help(home, callback, secret)
    }
}

/// The root of the API: on github.com and ghe.com it has a host of its own, on Enterprise Server a path.
fn api(target: &Target) -> url::Url {
    let host = target.url.host_str().unwrap_or_default();
    let own = match host {
        "github.com" | "www.github.com" => Some("api.github.com".to_owned()),
        host if host.ends_with(".ghe.com") => Some(format!("api.{host}")),
        _ => None,
    };
    let mut api = root(&target.url, "");
    let has_own = own.is_some_and(|own| api.set_host(Some(&own)).is_ok());
    if !has_own {
        api.set_path("api/v3");
    }
    api
}
