//! Calls of GitHub.

use super::*;
use crate::forge::test_desk::callback_secret;
use destination::callback::{ChangeNotification, Received, Refused};
use model::digest::hmac_sha256;

fn proof(body: &str) -> String {
    let secret = callback_secret("github");
    let mac = hmac_sha256(secret.as_bytes(), [body.as_bytes()]);
    format!("sha256={}", hex::encode(mac))
}

fn received(event: &str, body: &Value) -> Result<Received, Refused> {
    let body = body.to_string();
    let proof = proof(&body);
    let headers = [
        ("x-github-event", event),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("x-hub-signature-256", proof.as_str()),
    ];
    DESK.receive(&sample(EventName::Triggered), &headers, &body)
}

fn call(action: &str, sender: (&str, u64)) -> Value {
    json!({
        "action": action,
        "issue": issue(&sample(EventName::Triggered), "open", &[]),
        "repository": { "full_name": "Acme/Operations" },
        "sender": { "login": sender.0, "id": sender.1 },
    })
}

const ADA: (&str, u64) = ("ada", 3);
const US: (&str, u64) = ("opsknight-bot", 7);

#[test]
fn a_change_by_somebody_is_told_and_our_own_is_not() {
    let news = Ok(Received::Ticket(ChangeNotification {
        ticket_id: "12".into(),
        markers: vec![marker(&sample(EventName::Triggered))],
        receipt: Some("72d3162e-cc78-11e3-81ab-4c9367dc0958".into()),
    }));
    for action in ["closed", "reopened", "deleted", "transferred", "labeled"] {
        assert_eq!(received("issues", &call(action, ADA)), news);
        assert_eq!(received("issues", &call(action, US)), Ok(Received::Nothing));
    }
    assert_eq!(received("issue_comment", &call("created", ADA)), news);
    // Our own creation is the fastest answer to whether a ticket was made.
    assert_eq!(received("issues", &call("opened", US)), news);
}

#[test]
fn what_does_not_concern_us_is_taken_and_means_nothing() {
    assert_eq!(
        received("ping", &json!({ "zen": "Keep it simple.", "hook_id": 1 })),
        Ok(Received::Nothing)
    );
    assert_eq!(received("push", &json!({})), Ok(Received::Nothing));
    let mut elsewhere = call("closed", ADA);
    elsewhere["repository"]["full_name"] = json!("acme/website");
    assert_eq!(received("issues", &elsewhere), Ok(Received::Nothing));
    let mut pull = call("created", ADA);
    pull["issue"]["pull_request"] = json!({});
    assert_eq!(received("issue_comment", &pull), Ok(Received::Nothing));
    assert_eq!(
        received("issues", &json!({ "action": "closed" })),
        Err(Refused::Unreadable)
    );
}

#[test]
fn a_call_without_the_right_proof_is_refused() {
    let body = call("closed", ADA).to_string();
    let right = proof(&body);
    let wrong = [
        "",
        "sha256=",
        "sha1=abc",
        right.trim_start_matches("sha256="),
        &proof("other"),
        &right[..70],
    ];
    for proof in wrong {
        let headers = [("x-github-event", "issues"), ("x-hub-signature-256", proof)];
        let received = DESK.receive(&sample(EventName::Triggered), &headers, &body);
        assert_eq!(received, Err(Refused::NotBelieved), "{proof}");
    }
}

#[test]
fn an_administrator_is_told_what_to_fill_in() {
    let help = DESK.help(&sample(EventName::Triggered));
    let said = [
        "https://github.com/acme/operations/settings/hooks",
        "Payload URL: https://ops.example/inbound/x",
        &callback_secret("github"),
        "application/json",
        "Issue comments",
    ];
    assert!(said.iter().all(|said| help.contains(said)), "{help}");
}
