//! Calls of Jira: a ticket has changed. Only hints, since Jira repeats and mixes them up; what counts is read again.
//!
//! Jira signs the body with a secret that an administrator fills in. Ours is made from the webhook's signing secret, so that
//! nothing more has to be kept; whoever rotates that secret fills in the new one.

use http::HeaderMap;
use model::digest::hmac_sha256;
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::jira::account::Account;
use crate::jira::issue::{is_id, markers_in};
use crate::jira::settings::{Edition, Settings};
use destination::callback::{Call, ChangeNotification, Received, Refused};
use model::secret::SecretText;

/// Where Jira puts its proof: a method and the HMAC of the body.
const SIGNATURE_HEADER: &str = "x-hub-signature";
/// What is the same when Jira repeats a call.
const RECEIPT_HEADER: &str = "x-atlassian-webhook-identifier";
/// What the secret is made from beside the signing secret, so that it can be mistaken for nothing else.
const PURPOSE: &[u8] = b"opsknight jira callback 1";
/// The longest receipt, in bytes.
const MAX_RECEIPT_BYTES: usize = 128;

/// What a call wants, if it may be believed.
pub(super) fn receive(call: &Call<'_>) -> Result<Received, Refused> {
    let secret = secret(call.signing);
    if !is_signed(call.headers, call.body, &secret) {
        return Err(Refused::NotBelieved);
    }
    let body: Value = serde_json::from_slice(call.body).map_err(|_| Refused::Unreadable)?;
    let event = body["webhookEvent"].as_str().ok_or(Refused::Unreadable)?;
    let is_comment = matches!(event, "comment_created" | "comment_updated");
    let is_issue = matches!(
        event,
        "jira:issue_created" | "jira:issue_updated" | "jira:issue_deleted"
    );
    if !is_comment && !is_issue {
        return Ok(Received::Nothing);
    }
    let issue = &body["issue"];
    let id = issue["id"]
        .as_str()
        .map(str::to_owned)
        .or_else(|| issue["id"].as_u64().map(|id| id.to_string()));
    let ticket_id = id.filter(|id| is_id(id)).ok_or(Refused::Unreadable)?;
    let markers = markers_in(&issue["fields"]["labels"]);
    // Our own creation is told on: it is the fastest answer to whether a ticket was made.
    let confirms = event == "jira:issue_created" && !markers.is_empty();
    if !confirms && is_ours(call, &body) {
        return Ok(Received::Nothing);
    }
    Ok(Received::Ticket(ChangeNotification {
        ticket_id,
        markers,
        receipt: receipt(call.headers),
    }))
}

/// Whether the body was signed with a secret.
fn is_signed(headers: &HeaderMap, body: &[u8], secret: &str) -> bool {
    let header = headers
        .get(SIGNATURE_HEADER)
        .and_then(|value| value.to_str().ok());
    let proof = header.and_then(|header| header.trim().split_once('='));
    let Some((_, proof)) = proof.filter(|(method, _)| method.eq_ignore_ascii_case("sha256")) else {
        return false;
    };
    let expected = hmac(secret.as_bytes(), body);
    let proof = proof.to_ascii_lowercase();
    expected.as_bytes().ct_eq(proof.as_bytes()).into()
}

/// Whether our own account did what a call tells of.
fn is_ours(call: &Call<'_>, body: &Value) -> bool {
    let Some(account) = Account::learned(call.target) else {
        return false;
    };
    let comment = &body["comment"];
    let editor = comment.get("updateAuthor").or_else(|| comment.get("author"));
    [body.get("user"), editor]
        .into_iter()
        .flatten()
        .any(|person| account.is(person))
}

fn receipt(headers: &HeaderMap) -> Option<String> {
    let receipt = headers.get(RECEIPT_HEADER)?.to_str().ok()?.trim();
    let is_plain = receipt.bytes().all(|byte| byte.is_ascii_graphic());
    (is_plain && (1..=MAX_RECEIPT_BYTES).contains(&receipt.len())).then(|| receipt.to_owned())
}

/// What an administrator fills in.
pub(super) fn help(call: &Call<'_>, callback: &str) -> Option<String> {
    let settings = Settings(call.target);
    let secret = secret(call.signing);
    let place = match settings.edition() {
        Edition::Cloud => "Jira settings, System, WebHooks (under Advanced)",
        Edition::DataCenter => "Administration, System, WebHooks",
    };
    let unsigned = match settings.edition() {
        Edition::Cloud => "",
        Edition::DataCenter => {
            "Data Center before 10 has no field Secret and cannot sign its calls: make no webhook there, changes are found every \
             five minutes.\n"
        }
    };
    let site = settings.site();
    let project = settings.project();
    Some(format!(
        "Open {site} as an administrator: {place}, then Create a WebHook.\n\n\
         Name: OpsKnight\n\
         Status: Enabled\n\
         URL: {callback}\n\
         Secret: {secret}\n\
         Issue related events, JQL: project = \"{project}\"\n\
         (labels cannot be searched for by how they begin: leave the filter at the project)\n\
         Tick: Issue created, updated, deleted; Comment created, updated\n\
         Leave \"Exclude body\" off.\n{unsigned}"
    ))
}

/// What Jira signs with.
fn secret(signing: &SecretText) -> String {
    hmac(signing.reveal().as_bytes(), PURPOSE)
}

fn hmac(key: &[u8], text: &[u8]) -> String {
    hex::encode(hmac_sha256(key, [text]))
}
