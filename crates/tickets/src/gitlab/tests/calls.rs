//! Calls of GitLab.

use super::*;
use crate::forge::test_desk::callback_secret;
use destination::callback::{ChangeNotification, Received, Refused};

fn received(body: &Value) -> Result<Received, Refused> {
    let secret = callback_secret("gitlab");
    let headers = [
        ("x-gitlab-token", secret.as_str()),
        ("x-gitlab-event-uuid", "uuid-1"),
        ("idempotency-key", "key-1"),
    ];
    DESK.receive(&sample(EventName::Triggered), &headers, &body.to_string())
}

fn call(action: &str, username: &str, id: u64) -> Value {
    let text = issue(&sample(EventName::Triggered), "opened", &[])["description"].clone();
    json!({
        "object_kind": "issue",
        "user": { "id": id, "username": username },
        "project": { "path_with_namespace": "acme/sre/operations" },
        "object_attributes": { "id": 9012, "iid": 12, "action": action, "description": text },
    })
}

fn note(noteable: &str) -> Value {
    let mut body = call("create", "ada", 3);
    body["object_kind"] = json!("note");
    body["issue"] = body["object_attributes"].take();
    body["object_attributes"] = json!({ "noteable_type": noteable, "note": "x" });
    body
}

#[test]
fn a_change_by_somebody_is_told_and_our_own_is_not() {
    let news = Ok(Received::Ticket(ChangeNotification {
        ticket_id: "12".into(),
        markers: vec![marker(&sample(EventName::Triggered))],
        receipt: Some("key-1".into()),
    }));
    for action in ["close", "reopen", "update"] {
        assert_eq!(received(&call(action, "ada", 3)), news);
        assert_eq!(received(&call(action, "project_3_bot", 7)), Ok(Received::Nothing));
    }
    assert_eq!(received(&call("open", "project_3_bot", 7)), news);
    assert_eq!(received(&note("Issue")), news);
}

#[test]
fn what_does_not_concern_us_is_taken_and_means_nothing() {
    assert_eq!(received(&note("MergeRequest")), Ok(Received::Nothing));
    assert_eq!(received(&json!({ "object_kind": "push" })), Ok(Received::Nothing));
    let mut elsewhere = call("close", "ada", 3);
    elsewhere["project"]["path_with_namespace"] = json!("acme/other");
    assert_eq!(received(&elsewhere), Ok(Received::Nothing));
    assert_eq!(received(&json!({})), Err(Refused::Unreadable));
}

#[test]
fn a_call_without_the_secret_is_refused() {
    let secret = callback_secret("gitlab");
    for proof in ["", "x", &secret[1..], &secret.to_uppercase()] {
        let body = call("close", "ada", 3).to_string();
        let received = DESK.receive(&sample(EventName::Triggered), &[("x-gitlab-token", proof)], &body);
        assert_eq!(received, Err(Refused::NotBelieved), "{proof}");
    }
    let help = DESK.help(&sample(EventName::Triggered));
    let said = [
        "/acme/sre/operations/-/hooks",
        "https://ops.example/inbound/x",
        secret.as_str(),
        "Issues events",
    ];
    assert!(said.iter().all(|said| help.contains(said)), "{help}");
}
