//! Calls of GitHub, which signs the body with a secret that an administrator fills in.

use http::HeaderMap;
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::forge::callback::{Subject, header};
use destination::callback::Call;
use model::digest::hmac_sha256;

/// Where GitHub puts its proof: a method and the HMAC of the body.
const SIGNATURE_HEADER: &str = "x-hub-signature-256";
/// Where it says what happened.
const EVENT_HEADER: &str = "x-github-event";

/// Whether the body was signed with a secret.
pub(super) fn is_signed(call: &Call<'_>, secret: &str) -> bool {
    let proof = header(call.headers, SIGNATURE_HEADER).strip_prefix("sha256=");
    let expected = hex::encode(hmac_sha256(secret.as_bytes(), [call.body]));
    let proof = proof.unwrap_or_default().to_ascii_lowercase();
    expected.as_bytes().ct_eq(proof.as_bytes()).into()
}

/// What a call is about; a ping is about nothing. Comments come on pull requests too.
pub(super) fn subject<'v>(headers: &HeaderMap, body: &'v Value) -> Option<Subject<'v>> {
    let is_ours = matches!(header(headers, EVENT_HEADER), "issues" | "issue_comment");
    let issue = &body["issue"];
    (is_ours && !issue["pull_request"].is_object()).then(|| Subject {
        issue,
        place: &body["repository"]["full_name"],
        by: &body["sender"],
        is_new: body["action"] == "opened",
    })
}

/// What an administrator fills in.
pub(super) fn help(home: &str, callback: &str, secret: &str) -> String {
    format!(
        "Open {home}/settings/hooks as an administrator of the repository (Settings, Webhooks), then Add webhook.\n\n\
         Payload URL: {callback}\n\
         Content type: application/json\n\
         Secret: {secret}\n\
         Enable SSL verification: leave it on.\n\
         Which events: Let me select individual events. Tick Issues and Issue comments, and take the tick off Pushes.\n\
         Active: ticked.\n\n\
         GitHub sends a ping at once: under Recent Deliveries it has to have a green tick.\n"
    )
}
