//! What GitHub does wrong when it is asked to: faults that wait for a request, and some that last.

use http::Method;
use serde_json::json;

use super::{Site, refusal};
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
    fault(
        "limited",
        "403: the hour's requests are used up, until in 2 seconds",
    ),
    fault("burst", "403: a secondary limit, wait 2 seconds"),
    fault("unavailable", "503"),
    fault("html", "200 with a page to sign in instead of JSON"),
    fault("forbidden", "403: the token may not do that"),
    fault("deleted", "the next issue that is read was deleted: 410"),
    fault(
        "moved",
        "the next issue that is read was transferred to acme/website: 301",
    ),
    fault(
        "bad_project",
        "the next repository that is named is not there: 404",
    ),
    fault("disabled", "from now on no repository has issues: 410"),
    fault(
        "no_labels",
        "from now on the token may not push: labels and assignees are dropped",
    ),
    fault(
        "lost_role",
        "from now on OpsKnight's token sees no repository: 404; set again, it does",
    ),
];

const LAG: u32 = 3;
/// How long `limited` and `burst` ask to wait.
const WAIT_SECONDS: i64 = 2;

/// What is so from now on.
#[derive(Debug, Default)]
pub struct Lasting {
    /// OpsKnight may see nothing.
    pub is_role_lost: bool,
    /// Nothing has issues.
    are_issues_disabled: bool,
    /// Nobody may push.
    pub is_push_forbidden: bool,
}

/// Lets a fault wait, or changes the site at once; says whether it is known.
pub fn add(name: &str, waiting: &mut Waiting, site: &mut Site) -> bool {
    let Some(known) = FAULTS.iter().find(|known| known.name == name) else {
        return false;
    };
    match known.name {
        "lag" => site.store.lag = LAG,
        "long_lag" => site.store.lag = 4 * LAG,
        "disabled" => site.lasting.are_issues_disabled = true,
        "lost_role" => site.lasting.is_role_lost ^= true,
        "no_labels" => site.lasting.is_push_forbidden = true,
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
        "ignores_query" | "hidden" => is_read && matches!(path.as_slice(), ["repos", _, _, "issues"]),
        "deleted" | "moved" => is_read && matches!(path.as_slice(), ["repos", _, _, "issues", _]),
        "bad_project" => path.first() == Some(&"repos"),
        _ => true,
    }
}

/// What a fault answers in the place of GitHub, if it does.
pub fn answer(fault: &str, call: &Call<'_>) -> Option<Response> {
    let reset = call.now.as_seconds().saturating_add(WAIT_SECONDS);
    Some(match fault {
        "lost_before" => lost(page(502, "nothing was done")),
        "expired" => bad_credentials().answer(),
        "limited" => {
            let message = format!("API rate limit exceeded for user ID {}.", call.caller.id);
            let mut answer = refusal(403, &message).answer();
            answer.headers.extend(rate_limit("core", 0, reset));
            answer
        }
        "burst" => {
            let message =
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            refusal(403, message)
                .header("retry-after", WAIT_SECONDS.to_string())
                .answer()
        }
        "unavailable" => page(503, "Unicorn! GitHub"),
        "html" => page(200, "Sign in to your account"),
        "forbidden" => refusal(403, "Resource not accessible by personal access token").answer(),
        "bad_project" => refusal(404, "Not Found").answer(),
        _ => return None,
    })
}

/// The token is not known.
pub fn bad_credentials() -> Refusal {
    refusal(401, "Bad credentials")
}

/// What a fault changes before a request is served.
pub fn prepare(fault: &str, call: &Call<'_>, site: &mut Site) {
    site.lists_everything = fault == "ignores_query";
    if !matches!(fault, "deleted" | "moved") {
        return;
    }
    let (Some([owner, name]), Some(number)) = (call.path.get(1..3), call.path.get(4)) else {
        return;
    };
    let Some(project) = Project::named(&format!("{owner}/{name}")) else {
        return;
    };
    let Some(id) = site.store.find(project, number).map(|issue| issue.id) else {
        return;
    };
    if fault == "moved" {
        site.transfer(id, "502", call);
    } else if let Some(issue) = site.store.by_id(id) {
        issue.is_gone = true;
    }
    site.calls.clear();
}

/// The headers that say how much is left until when.
pub fn rate_limit(resource: &str, remaining: u32, reset: i64) -> [(&'static str, String); 5] {
    let limit = 5000_u32;
    [
        ("x-ratelimit-limit", limit.to_string()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-used", limit.saturating_sub(remaining).to_string()),
        ("x-ratelimit-reset", reset.to_string()),
        ("x-ratelimit-resource", resource.to_owned()),
    ]
}

impl Site {
    /// A repository as faults left it.
    pub fn with_faults(&self, project: Project) -> Project {
        Project {
            has_issues: project.has_issues && !self.lasting.are_issues_disabled,
            ..project
        }
    }

    /// Whether somebody may label and assign.
    pub fn may_push(&self, call: &Call<'_>) -> bool {
        super::is_assignable(call.caller) && !self.lasting.is_push_forbidden
    }
}

/// The body for a value of the wrong type, as GitHub words it.
pub fn wrong_type(field: &str, value: &serde_json::Value, wanted: &str) -> Refusal {
    let message = format!("Invalid request.\n\nFor 'properties/{field}', {value} is not {wanted}.");
    let mut refused = refusal(422, &message);
    refused.body["errors"] = json!([]);
    refused
}
