//! Calls of JIRA.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;
use destination::Callbacks;
use destination::callback::{Call, ChangeNotification, Received, Refused};
use model::secret::SecretText;

fn hmac(key: &[u8], text: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    hex::encode(mac.finalize().into_bytes())
}

fn secret() -> String {
    hmac(b"whsec_a", b"opsknight jira callback 1")
}

fn signed(body: &str) -> String {
    format!("sha256={}", hmac(secret().as_bytes(), body.as_bytes()))
}

fn with_call<T>(sample: &Sample, proof: &str, body: &str, test: impl FnOnce(&Call<'_>) -> T) -> T {
    let mut headers = HeaderMap::new();
    headers.insert("x-hub-signature", HeaderValue::from_str(proof).unwrap());
    headers.insert(
        "x-atlassian-webhook-identifier",
        HeaderValue::from_static("receipt-1"),
    );
    test(&Call {
        headers: &headers,
        body: body.as_bytes(),
        target: &sample.target,
        signing: &SecretText::new("whsec_a"),
        now: at(),
    })
}

fn received(body: &Value) -> Result<Received, Refused> {
    let (sample, body) = (sample(EventName::Triggered), body.to_string());
    with_call(&sample, &signed(&body), &body, |call| JIRA.receive(call))
}

fn event(name: &str, who: &str) -> Value {
    let label = marker(&sample(EventName::Triggered));
    json!({
        "webhookEvent": name,
        "user": { "accountId": who },
        "issue": { "id": "10012", "key": "OPS-12", "fields": { "labels": ["x", label] } },
    })
}

fn hint(markers: Vec<String>) -> Received {
    Received::Ticket(ChangeNotification {
        ticket_id: "10012".into(),
        markers,
        receipt: Some("receipt-1".into()),
    })
}

#[test]
fn a_change_by_somebody_else_is_a_hint() {
    let mark = marker(&sample(EventName::Triggered)).replace("opsknight-", "");
    assert_eq!(
        received(&event("jira:issue_updated", "you-2")),
        Ok(hint(vec![mark.clone()]))
    );
    assert_eq!(
        received(&event("jira:issue_deleted", "you-2")),
        Ok(hint(vec![mark]))
    );
    let comment = json!({
        "webhookEvent": "comment_created",
        "comment": { "author": { "accountId": "you-2" } },
        "issue": { "id": "10012", "fields": {} },
    });
    assert_eq!(received(&comment), Ok(hint(Vec::new())));
}

#[test]
fn our_own_changes_say_nothing_but_our_own_creation_does() {
    assert_eq!(
        received(&event("jira:issue_updated", "me-1")),
        Ok(Received::Nothing)
    );
    let comment = json!({
        "webhookEvent": "comment_created",
        "comment": { "author": { "accountId": "me-1" } },
        "issue": { "id": "10012" },
    });
    assert_eq!(received(&comment), Ok(Received::Nothing));
    let mark = marker(&sample(EventName::Triggered)).replace("opsknight-", "");
    assert_eq!(
        received(&event("jira:issue_created", "me-1")),
        Ok(hint(vec![mark]))
    );
}

#[test]
fn only_whoever_knows_the_secret_is_believed() {
    let body = event("jira:issue_updated", "you-2").to_string();
    let sample = sample(EventName::Triggered);
    let with = |proof: &str| with_call(&sample, proof, &body, |call| JIRA.receive(call));
    let good = signed(&body);
    assert!(with(&good).is_ok());
    let bare = good.strip_prefix("sha256=").unwrap();
    let wrong = [
        "",
        bare,
        "sha256=",
        &good[..good.len() - 1],
        &format!("sha1={bare}"),
        &signed("other"),
    ];
    assert_eq!(wrong.map(with), [const { Err(Refused::NotBelieved) }; 6]);
}

#[test]
fn other_events_want_nothing_and_nonsense_is_refused() {
    assert_eq!(
        received(&json!({ "webhookEvent": "sprint_started" })),
        Ok(Received::Nothing)
    );
    assert_eq!(received(&json!({})), Err(Refused::Unreadable));
    assert_eq!(
        received(&json!({ "webhookEvent": "jira:issue_updated" })),
        Err(Refused::Unreadable)
    );
    let strange = json!({ "webhookEvent": "jira:issue_updated", "issue": { "id": "../1" } });
    assert_eq!(received(&strange), Err(Refused::Unreadable));
}

#[test]
fn the_help_names_all_that_is_filled_in() {
    let help = |sample: &Sample| {
        with_call(sample, "", "", |call| {
            JIRA.callback_help(call, "https://ops.example/cb")
        })
    };
    let text = help(&sample(EventName::Triggered)).unwrap();
    assert!(
        text.contains("URL: https://ops.example/cb\n") && text.contains(&format!("Secret: {}\n", secret()))
    );
    assert!(text.contains("project = \"OPS\"") && text.contains("https://example.atlassian.net"));
    let out = sample(EventName::Triggered).with_option("sync", "out");
    assert_eq!(help(&out), Some(text), "comments come, and its status is shown");
    let body = event("jira:issue_updated", "you-2").to_string();
    let heard = with_call(&out, &signed(&body), &body, |call| JIRA.receive(call));
    assert!(matches!(heard, Ok(Received::Ticket(_))), "{heard:?}");
}
