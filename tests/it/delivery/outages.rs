//! What waits through an outage: fallbacks, and what a webhook still wants afterwards.

use std::time::Duration;

use model::access::Role;
use serde_json::{Value, json};

use super::{body, header, receiver};
use crate::support::api_client::ApiClient;
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::server_process::ServerProcess;
use crate::support::test_app::{TestApp, text};
use crate::web::people::person;

const FAIL: Reply = Reply::Raw("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n");
const NO_RETRIES: [&str; 0] = [];

async fn switch(app: &TestApp, webhook: &str, action: &str) {
    let path = format!("/api/v1/webhooks/{webhook}/{action}");
    app.api.post(&path, json!({})).await.expect(200);
}

async fn change(app: &TestApp, webhook: &str, change: Value, status: u16) -> Value {
    let path = format!("/api/v1/webhooks/{webhook}");
    let changed = app.api.send("PATCH", &path, Some(change), &[]).await.unwrap();
    changed.expect(status).json()
}

async fn delivery(app: &TestApp, id: &Value) -> Value {
    let path = format!("/api/v1/deliveries/{}", text(id));
    app.api.get(&path).await.expect(200).json()
}

#[tokio::test]
async fn what_is_dead_is_delivered_by_the_fallback_once_whatever_events_it_chooses() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut down, down_url) = receiver(&[FAIL]).await;
    let (mut standby, standby_url) = receiver(&[OK]).await;
    app.create_service().await;
    let chooses_nothing = json!({"name": "standby", "events": ["incident.escalated"], "filter": "false"});
    let fallback = app.create_webhook(&standby_url, chooses_nothing).await;
    let settings = json!({"retrySchedule": NO_RETRIES, "fallbackWebhook": fallback});
    let webhook = app.create_webhook(&down_url, settings).await;
    app.trigger("taken over").await;
    let failed = down.next_request().await;
    let taken = standby.next_request().await;
    assert_eq!(body(&taken), body(&failed), "the same bytes");
    assert_ne!(
        header(&taken, "x-opsknight-delivery"),
        header(&failed, "x-opsknight-delivery")
    );
    let original = app
        .wait_for(&format!("webhook={webhook}&status=dead"), 1)
        .await
        .remove(0);
    let taken = app
        .wait_for(&format!("webhook={fallback}&status=delivered"), 1)
        .await
        .remove(0);
    assert_eq!(
        (&original["takenOverBy"], &taken["fallbackOf"]),
        (&taken["id"], &original["id"])
    );
    assert_eq!(
        delivery(&app, &original["id"]).await["isDeliveredByFallback"],
        true
    );
    let page = person(&app, Role::Admin).await;
    let shown = page
        .get(&format!("/deliveries/{}", text(&original["id"])))
        .await
        .expect(200)
        .html;
    assert!(shown.contains("Delivered by fallback"), "{shown}");
    let shown = page
        .get(&format!("/settings/integrations/{fallback}"))
        .await
        .expect(200)
        .html;
    assert!(shown.contains("Takes over from"), "{shown}");

    let replay = format!("/api/v1/deliveries/{}/replay", text(&original["id"]));
    app.api.post(&replay, json!({})).await.expect(200);
    down.next_request().await;
    app.wait_for(&format!("webhook={webhook}&status=dead"), 1).await;
    app.quiesce().await;
    assert!(!standby.has_further_requests(), "once, however often it dies");
    assert_eq!(
        app.api.get("/api/v1/system").await.expect(200).json()["missing"],
        0
    );
}

#[tokio::test]
async fn what_is_late_is_taken_over_and_the_original_arrives_after_all() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut slow, slow_url) = receiver(&[FAIL, OK]).await;
    let (mut standby, standby_url) = receiver(&[OK]).await;
    app.create_service().await;
    let fallback = app
        .create_webhook(&standby_url, json!({"events": ["incident.escalated"]}))
        .await;
    let late = json!({"retrySchedule": ["5m"], "fallbackWebhook": fallback, "fallbackAfter": "1m"});
    let webhook = app.create_webhook(&slow_url, late).await;
    app.trigger("late").await;
    slow.next_request().await;
    app.quiesce().await;
    app.advance(Duration::from_secs(50));
    app.quiesce().await;
    assert!(!standby.has_further_requests(), "not late yet");
    app.advance(Duration::from_secs(20));
    standby.next_request().await;
    app.wait_for(&format!("webhook={fallback}&status=delivered"), 1)
        .await;
    app.advance(Duration::from_secs(400));
    slow.next_request().await;
    let original = app
        .wait_for(&format!("webhook={webhook}&status=delivered"), 1)
        .await;
    assert!(!original[0]["takenOverBy"].is_null());
}

#[tokio::test]
async fn circles_and_unknown_fallbacks_are_refused_beside_their_field() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let first = app
        .create_webhook("http://127.0.0.1:9009/", json!({"name": "first"}))
        .await;
    let second = app
        .create_webhook(
            "http://127.0.0.1:9009/",
            json!({"name": "second", "fallbackWebhook": first}),
        )
        .await;
    let field = |problem: &Value| {
        (
            problem["errors"][0]["field"].clone(),
            problem["errors"][0]["code"].clone(),
        )
    };
    let circle = change(&app, &first, json!({"fallbackWebhook": second}), 422).await;
    assert_eq!(field(&circle), (json!("fallbackWebhook"), json!("conflict")));
    let unknown = json!({"fallbackWebhook": "whk_0190b6c88f3e7d2a8e4c5f6a7b8c9d05"});
    let unknown = change(&app, &first, unknown, 422).await;
    assert_eq!(field(&unknown), (json!("fallbackWebhook"), json!("unknown")));
    let alone = change(&app, &first, json!({"fallbackAfter": "1m"}), 422).await;
    assert_eq!(field(&alone), (json!("fallbackAfter"), json!("conflict")));
    let untimed = change(&app, &first, json!({"afterOutage": "expire"}), 422).await;
    assert_eq!(field(&untimed), (json!("expireAfter"), json!("missing")));
    let path = format!("/api/v1/webhooks/{first}");
    let deleted = app
        .api
        .send("DELETE", &path, None, &[])
        .await
        .unwrap()
        .expect(409)
        .json();
    assert!(text(&deleted["detail"]).contains("second"), "{deleted:#}");
    change(&app, &second, json!({"fallbackWebhook": null}), 200).await;
    app.api
        .send("DELETE", &path, None, &[])
        .await
        .unwrap()
        .expect(204);
}

#[tokio::test]
async fn an_alert_needs_every_event() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let webhook = json!({
        "name": "pager", "kind": "pagerduty", "events": ["incident.triggered"], "afterOutage": "newest",
        "options": {"routingKey": "0123456789abcdef0123456789abcdef"},
    });
    let refused = app.api.post("/api/v1/webhooks", webhook).await.expect(422).json();
    let errors = refused["errors"].as_array().unwrap();
    assert!(
        errors.iter().any(|error| error["field"] == "afterOutage"),
        "{refused:#}"
    );
}

#[tokio::test]
async fn after_a_long_pause_only_the_newest_event_of_each_incident_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    let webhook = app.create_webhook(&url, json!({"afterOutage": "newest"})).await;
    switch(&app, &webhook, "disable").await;
    let incident = app.trigger("long over").await;
    app.act(&incident, "acknowledge").await;
    app.act(&incident, "resolve").await;
    app.advance(Duration::from_secs(600));
    switch(&app, &webhook, "enable").await;
    let sent = receiver.next_request().await;
    assert_eq!(header(&sent, "x-opsknight-event"), Some("incident.resolved"));
    app.wait_for("status=superseded", 2).await;
    // Those of one moment are listed in any order.
    let superseded = app
        .wait_for("status=superseded&event=incident.triggered", 1)
        .await;
    app.quiesce().await;
    assert!(!receiver.has_further_requests());
    let system = app.api.get("/api/v1/system").await.expect(200).json();
    assert_eq!(
        (&system["deliveries"]["dead"], &system["missing"]),
        (&json!(0), &json!(0))
    );
    let replay = format!("/api/v1/deliveries/{}/replay", text(&superseded[0]["id"]));
    app.api.post(&replay, json!({})).await.expect(200);
    let sent = receiver.next_request().await;
    assert_eq!(header(&sent, "x-opsknight-event"), Some("incident.triggered"));
}

#[tokio::test]
async fn what_is_too_old_expires_at_the_next_start_and_younger_events_are_sent() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    let expire = json!({"afterOutage": "expire", "expireAfter": "10m"});
    let webhook = app.create_webhook(&url, expire).await;
    switch(&app, &webhook, "disable").await;
    app.trigger("old").await;
    app.advance(Duration::from_secs(660));
    app.trigger("young").await;
    switch(&app, &webhook, "enable").await;
    assert!(receiver.next_request().await.contains("young"));
    app.wait_for("status=expired", 1).await;
    app.quiesce().await;
    assert!(!receiver.has_further_requests());
}

#[tokio::test]
async fn what_died_before_a_kill_is_taken_over_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut down = Receiver::start(&[FAIL]).await;
    let mut standby = Receiver::start(&[Reply::Hang, OK]).await;
    let server = ServerProcess::start(directory.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    api.post("/api/v1/services", json!({"name": "API"}))
        .await
        .expect(201);
    let fallback = json!({
        "name": "standby", "url": format!("http://{}/", standby.address), "events": ["incident.escalated"],
    });
    let fallback = api.post("/api/v1/webhooks", fallback).await.expect(201).json();
    let webhook = json!({
        "name": "down", "url": format!("http://{}/", down.address), "events": ["incident.triggered"],
        "retrySchedule": NO_RETRIES, "fallbackWebhook": fallback["id"],
    });
    api.post("/api/v1/webhooks", webhook).await.expect(201);
    let incident = json!({"title": "killed", "service": {"name": "API"}});
    api.post("/api/v1/incidents", incident).await.expect(201);
    down.next_request().await;
    let first = standby.next_request().await;
    server.kill().await;
    let server = ServerProcess::start(directory.path()).await;
    let again = tokio::time::timeout(Duration::from_secs(20), standby.next_request())
        .await
        .unwrap();
    assert_eq!(
        header(&again, "x-opsknight-delivery"),
        header(&first, "x-opsknight-delivery")
    );
    let api = ApiClient::new(&server.url, &server.key);
    let listed = api.get("/api/v1/deliveries").await.expect(200).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert!(server.terminate().await);
}
