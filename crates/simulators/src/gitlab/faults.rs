//! What GitLab does wrong when it is asked to: faults that wait for a request, and some that last.

use http::Method;
use serde_json::json;

use super::{Site, access, refused};
use crate::code_host::call::{Call, Refusal};
use crate::code_host::store::Project;
use crate::code_host::waiting::{Waiting, fault, lost, page};
use crate::simulator::{Fault, Response};

/// Every fault.
pub const FAULTS: &[Fault] = &[
    fault("lost", "the next change is made, then the connection breaks"),
    fault(
        "lost_before",
        "the connection breaks before the next change is made",
    ),
    fault("lag", "the next 3 lists do not show what is made from now on"),
    fault("long_lag", "the same for the next 12 lists"),
    fault(
        "ignores_query",
        "the next list ignores its conditions and shows every issue",
    ),
    fault("hidden", "the next list is empty"),
    fault("expired", "401: the next request's token is refused once"),
    fault("limited", "429: too many requests, wait 2 seconds"),
    fault(
        "burst",
        "429: too many issues or notes are being made, without a word on how long to wait",
    ),
    fault("unavailable", "503"),
    fault("html", "200 with a page to sign in instead of JSON"),
    fault("forbidden", "403"),
    fault("scope", "403: the token has no scope for that"),
    fault(
        "conflict",
        "409: the next issue's number is taken by another that is being made",
    ),
    fault("deleted", "the next issue that is read was deleted: 404"),
    fault(
        "moved",
        "the next issue that is read was moved to acme/website: closed, with moved_to_id",
    ),
    fault("bad_project", "the next project that is named is not there: 404"),
    fault("disabled", "from now on no project has issues: 403 and 404"),
    fault(
        "no_labels",
        "from now on labels and assignees are dropped, as for a guest",
    ),
    fault(
        "lost_role",
        "from now on OpsKnight's token sees no project: 404; set again, it does",
    ),
];

const LAG: u32 = 3;
/// How long `limited` asks to wait.
const WAIT_SECONDS: i64 = 2;

/// What is so from now on.
#[derive(Debug, Default)]
pub struct Lasting {
    /// OpsKnight may see nothing.
    pub is_role_lost: bool,
    /// Nothing has issues.
    pub are_issues_disabled: bool,
    /// Nobody may label.
    pub is_labelling_forbidden: bool,
}

/// Lets a fault wait, or changes the instance at once; says whether it is known.
pub fn add(name: &str, waiting: &mut Waiting, site: &mut Site) -> bool {
    let Some(known) = FAULTS.iter().find(|known| known.name == name) else {
        return false;
    };
    match known.name {
        "lag" => site.store.lag = LAG,
        "long_lag" => site.store.lag = 4 * LAG,
        "disabled" => site.lasting.are_issues_disabled = true,
        "lost_role" => site.lasting.is_role_lost ^= true,
        "no_labels" => site.lasting.is_labelling_forbidden = true,
        name => waiting.add(name),
    }
    true
}

/// Whether a fault is for this request.
pub fn meets(fault: &str, call: &Call<'_>) -> bool {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let is_read = call.method == Method::GET;
    match fault {
        "lost" | "lost_before" => !is_read,
        "burst" => call.method == Method::POST,
        "conflict" => call.method == Method::POST && matches!(path.as_slice(), ["projects", _, "issues"]),
        "ignores_query" | "hidden" => is_read && matches!(path.as_slice(), ["projects", _, "issues"]),
        "deleted" | "moved" => is_read && matches!(path.as_slice(), ["projects", _, "issues", _]),
        "bad_project" => path.first() == Some(&"projects"),
        _ => true,
    }
}

/// What a fault answers in the place of GitLab, if it does.
pub fn answer(fault: &str, call: &Call<'_>) -> Option<Response> {
    Some(match fault {
        "lost_before" => lost(page(502, "nothing was done")),
        "expired" => access::expired().answer(),
        "limited" => {
            let reset = call.now.as_seconds().saturating_add(WAIT_SECONDS);
            let mut headers = vec![
                ("content-type", "text/plain".to_owned()),
                ("retry-after", WAIT_SECONDS.to_string()),
            ];
            headers.extend(rate_limit(0, reset));
            Response {
                status: 429,
                headers,
                body: "Retry later\n".to_owned(),
                sentence: "refused with 429: Retry later".to_owned(),
                ..Response::default()
            }
        }
        "burst" => {
            let error = "This endpoint has been requested too many times. Try again later.";
            Refusal::new(429, json!({ "message": { "error": error } })).answer()
        }
        "unavailable" => page(503, "GitLab is not responding"),
        "html" => page(200, "Sign in · GitLab"),
        "forbidden" => super::forbidden().answer(),
        "scope" => {
            let description = "The request requires higher privileges than provided by the access token.";
            let body =
                json!({ "error": "insufficient_scope", "error_description": description, "scope": "api" });
            Refusal::new(403, body).answer()
        }
        "conflict" => refused(409, "Duplicated issue").answer(),
        "bad_project" => refused(404, "404 Project Not Found").answer(),
        _ => return None,
    })
}

/// What a fault changes before a request is served.
pub fn prepare(fault: &str, call: &Call<'_>, site: &mut Site) {
    site.lists_everything = fault == "ignores_query";
    let place = (
        call.path.get(1).and_then(|name| Project::named(name)),
        call.path.get(3),
    );
    let (Some(project), Some(iid)) = place else {
        return;
    };
    match fault {
        "deleted" => site
            .store
            .find(project, iid)
            .into_iter()
            .for_each(|issue| issue.is_gone = true),
        "moved" => {
            site.transfer(call, project, iid, "502");
            site.calls.clear();
        }
        _ => {}
    }
}

/// The headers that say how much is left until when.
pub fn rate_limit(remaining: u32, reset: i64) -> [(&'static str, String); 4] {
    let limit = 2000_u32;
    [
        ("ratelimit-limit", limit.to_string()),
        ("ratelimit-remaining", remaining.to_string()),
        ("ratelimit-observed", limit.saturating_sub(remaining).to_string()),
        ("ratelimit-reset", reset.to_string()),
    ]
}
