//! Calls of GitLab, which repeats a secret that an administrator fills in.

use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::forge::callback::{Subject, header};
use destination::callback::{Call, Refused};

/// Where GitLab repeats the secret.
const TOKEN_HEADER: &str = "x-gitlab-token";

/// Whether a call repeats a secret.
pub(super) fn has_token(call: &Call<'_>, secret: &str) -> bool {
    let proof = header(call.headers, TOKEN_HEADER);
    secret.as_bytes().ct_eq(proof.as_bytes()).into()
}

/// What a call is about. Notes come on merge requests and others too.
pub(super) fn subject(body: &Value) -> Result<Option<Subject<'_>>, Refused> {
    let about = &body["object_attributes"];
    let issue = match body["object_kind"].as_str() {
        Some("issue") => about,
        Some("note") if about["noteable_type"] == "Issue" => &body["issue"],
        Some(_) => return Ok(None),
        None => return Err(Refused::Unreadable),
    };
    Ok(Some(Subject {
        issue,
        place: &body["project"]["path_with_namespace"],
        by: &body["user"],
        is_new: about["action"] == "open",
    }))
}

/// What an administrator fills in.
pub(super) fn help(home: &str, callback: &str, secret: &str) -> String {
    format!(
        "Open {home}/-/hooks as a maintainer of the project (Settings, Webhooks), then Add new webhook.\n\n\
         URL: {callback}\n\
         Secret token: {secret}\n\
         Trigger: tick Issues events and Comments, and Confidential issues events and Confidential comments if issues or notes \
         are confidential; take the tick off Push events.\n\
         SSL verification: leave it on.\n\n\
         Then choose Test, Issues events: it has to answer with HTTP 200. GitLab switches a webhook off that fails again and \
         again; a successful test switches it on.\n"
    )
}
