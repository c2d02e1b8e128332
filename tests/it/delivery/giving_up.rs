//! Giving up deliveries that wait or are held.

use std::time::Duration;

use model::access::Role;
use serde_json::{Value, json};

use super::{header, receiver};
use crate::support::receiver::{OK, Reply};
use crate::support::test_app::{TestApp, text};
use crate::web::people::person;

const FAIL: Reply = Reply::Raw("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n");

async fn give_up(app: &TestApp, delivery: &str, status: u16) -> Value {
    let path = format!("/api/v1/deliveries/{delivery}/give-up");
    app.api.post(&path, json!({})).await.expect(status).json()
}

async fn switch(app: &TestApp, webhook: &str, action: &str) {
    let path = format!("/api/v1/webhooks/{webhook}/{action}");
    app.api.post(&path, json!({})).await.expect(200);
}

/// Who gave up deliveries, by the audit log.
async fn audited(app: &TestApp) -> Vec<Value> {
    let log = app.api.get("/api/v1/audit").await.expect(200).json();
    let entries = log["items"].as_array().unwrap().clone();
    entries
        .into_iter()
        .filter(|entry| entry["action"] == "delivery.give_up")
        .collect()
}

#[tokio::test]
async fn a_held_delivery_that_is_given_up_is_never_sent_and_its_lane_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    let webhook = app.create_webhook(&url, json!({})).await;
    switch(&app, &webhook, "disable").await;
    let incident = app.trigger("poison").await;
    app.act(&incident, "acknowledge").await;
    let held = app.wait_for("status=held", 2).await;
    let (first, second) = (text(&held[1]["id"]), text(&held[0]["id"]));

    let given_up = give_up(&app, &first, 200).await;
    assert_eq!(
        (&given_up["status"], &given_up["lastFailure"]["code"]),
        (&json!("dead"), &json!("given_up"))
    );
    assert!(
        !given_up["givenUpBy"].is_null() && !given_up["finishedAt"].is_null(),
        "{given_up:#}"
    );
    assert_eq!(give_up(&app, &first, 200).await, given_up, "twice is once");
    let audited = audited(&app).await;
    assert_eq!(audited.len(), 1);
    assert_eq!(audited[0]["subject"], json!(first));

    switch(&app, &webhook, "enable").await;
    let sent = receiver.next_request().await;
    assert_eq!(header(&sent, "x-opsknight-delivery"), Some(second.as_str()));
    app.wait_for("status=delivered", 1).await;
    assert_eq!(give_up(&app, &second, 409).await["code"], "not_waiting");
    let system = app.api.get("/api/v1/system").await.expect(200).json();
    assert_eq!(
        system["deliveries"]["dead"], 0,
        "what was given up asks for nothing"
    );
    assert_eq!(system["missing"], 0);
}

#[tokio::test]
async fn recovering_leaves_alone_what_was_given_up_and_a_replay_sends_it() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[FAIL, OK]).await;
    app.create_service().await;
    let webhook = app.create_webhook(&url, json!({})).await;
    app.trigger("waits for its second attempt").await;
    receiver.next_request().await;
    let delivery = text(&app.wait_for("status=scheduled", 1).await[0]["id"]);
    app.wait_for_attempts(&delivery, 1).await;
    give_up(&app, &delivery, 200).await;
    app.advance(Duration::from_secs(3600));
    let recover = format!("/api/v1/webhooks/{webhook}/recover");
    let recovered = app
        .api
        .post(&recover, json!({"since": "2026-01-05T00:00:00Z"}))
        .await;
    assert_eq!(recovered.expect(200).json()["count"], 0);
    app.quiesce().await;
    assert!(!receiver.has_further_requests());

    let replay = format!("/api/v1/deliveries/{delivery}/replay");
    let replayed = app.api.post(&replay, json!({})).await.expect(200).json();
    assert_eq!(
        (&replayed["givenUpBy"], &replayed["lastFailure"]),
        (&Value::Null, &Value::Null)
    );
    let again = receiver.next_request().await;
    assert_eq!(header(&again, "x-opsknight-attempt"), Some("2"));
    app.wait_for("status=delivered", 1).await;
}

#[tokio::test]
async fn what_is_being_sent_cannot_be_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[Reply::Hang]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({})).await;
    app.trigger("under way").await;
    receiver.next_request().await;
    let delivery = text(&app.wait_for("status=claimed", 1).await[0]["id"]);
    assert_eq!(give_up(&app, &delivery, 409).await["code"], "not_waiting");
}

#[tokio::test]
async fn a_responder_gives_up_on_the_pages_of_the_delivery_and_of_its_incident() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (_receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({"enabled": false})).await;
    let incident = app.trigger("held").await;
    let delivery = text(&app.wait_for("status=held", 1).await[0]["id"]);
    let page = format!("/deliveries/{delivery}");
    let action = format!("{page}/give-up");
    let viewer = person(&app, Role::Viewer).await;
    for path in [page.clone(), format!("/incidents/{incident}")] {
        assert!(!viewer.get(&path).await.expect(200).html.contains(&action));
    }
    let responder = person(&app, Role::Responder).await;
    for path in [page.clone(), format!("/incidents/{incident}")] {
        assert!(
            responder.get(&path).await.expect(200).html.contains(&action),
            "{path}"
        );
    }
    let back = format!("/incidents/{incident}");
    let done = responder.submit(&action, &[("back", &back)]).await.expect(303);
    assert!(done.location().starts_with(&back) && done.location().ends_with("did=given-up"));
    let shown = responder.get(&page).await.expect(200).html;
    assert!(
        shown.contains("Given up") && shown.contains("gave it up while it waited"),
        "{shown}"
    );
    assert!(!shown.contains(&action));
    let late = responder.submit(&action, &[]).await.expect(303);
    assert!(late.location().ends_with("did=given-up"));
}
