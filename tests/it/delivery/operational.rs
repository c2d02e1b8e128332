//! Operational events: what happens to one webhook is told by another.

use std::time::Duration;

use serde_json::{Value, json};

use super::{body, header, receiver};
use crate::support::platform::Platform;
use crate::support::receiver::{OK, Reply};
use crate::support::test_app::{PATIENCE, TestApp};

const GONE: Reply = Reply::Raw("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n");
const DOWN: Reply = Reply::Raw("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");

/// What opens a breaker: so many failures in a row.
const FAILURES_TO_OPEN: usize = 10;

/// Lets time pass, a second at a time, until a chat shows a text; says how long that took.
async fn time_until_shown(app: &TestApp, platform: &Platform, text: &str) -> Duration {
    let mut took = Duration::ZERO;
    let shown = async {
        while !platform.texts().iter().any(|shown| shown.contains(text)) {
            app.advance(Duration::from_secs(1));
            took += Duration::from_secs(1);
            app.quiesce().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, shown).await;
    assert!(in_time.is_ok(), "{text} is not among {:?}", platform.texts());
    took
}

#[tokio::test]
async fn a_webhook_that_dies_tells_a_chat_within_a_minute() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (_receiver, url) = receiver(&[DOWN; 2 * FAILURES_TO_OPEN]).await;
    let platform = Platform::start("discord").await;
    app.create_service().await;
    app.create_webhook(
        &url,
        json!({"name": "Status display", "events": ["incident.triggered"]}),
    )
    .await;
    let events = json!(["webhook.degraded", "webhook.recovered"]);
    app.create_webhook(
        &platform.url,
        json!({"name": "Ops chat", "kind": "discord", "events": events}),
    )
    .await;
    for number in 0..FAILURES_TO_OPEN {
        app.trigger(&format!("incident {number}")).await;
    }
    let took = time_until_shown(&app, &platform, "Webhook \"Status display\" is degraded").await;
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert_eq!(platform.texts().len(), 1, "{:?}", platform.texts());
}

#[tokio::test]
async fn a_webhook_that_its_receiver_disabled_is_told_with_the_documented_body() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (_gone, gone_url) = receiver(&[GONE]).await;
    let (mut watcher, url) = receiver(&[OK, OK]).await;
    app.create_service().await;
    let dying = app
        .create_webhook(&gone_url, json!({"name": "Status display"}))
        .await;
    let events = json!(["webhook.disabled"]);
    app.create_webhook(
        &url,
        json!({"name": "Watcher", "events": events, "severities": ["critical"]}),
    )
    .await;
    app.trigger("one").await;
    let request = watcher.next_request().await;
    assert_eq!(header(&request, "x-opsknight-event"), Some("webhook.disabled"));
    assert_eq!(header(&request, "x-opsknight-test"), None);
    let sent: Value = serde_json::from_str(body(&request)).unwrap();
    assert_eq!(
        sent["subject"],
        json!({"type": "webhook", "id": dying, "name": "Status display"})
    );
    assert_eq!((&sent["reason"], &sent["count"]), (&json!("gone"), &json!(1)));
    let document = api::openapi_document();
    let described = &document["webhooks"]["webhook.disabled"]["post"];
    let mut schema = described["requestBody"]["content"]["application/json"]["schema"].clone();
    schema["components"] = document["components"].clone();
    schema["unevaluatedProperties"] = false.into();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let mistakes: Vec<_> = validator
        .iter_errors(&sent)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(mistakes, [""; 0]);
    let told = app.wait_for("event=webhook.disabled&status=delivered", 1).await;
    assert_eq!(told[0]["incident"], Value::Null);
    // The feed tells of incidents alone.
    let feed = app.api.get("/api/v1/events").await.expect(200).json();
    assert_eq!(feed["items"].as_array().unwrap().len(), 1);
    assert!(!watcher.has_further_requests());
}

#[tokio::test]
async fn a_webhook_that_was_disabled_and_is_enabled_by_hand_is_told_as_recovered_once_it_delivers() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver_of_two, gone_url) = receiver(&[GONE, OK]).await;
    let (mut watcher, url) = receiver(&[OK, OK]).await;
    app.create_service().await;
    let id = app
        .create_webhook(&gone_url, json!({"name": "Status display"}))
        .await;
    let events = json!(["webhook.recovered"]);
    app.create_webhook(&url, json!({"name": "Watcher", "events": events}))
        .await;
    app.trigger("one").await;
    app.wait_for("status=dead", 1).await;
    receiver_of_two.next_request().await;
    app.quiesce().await;
    let enable = format!("/api/v1/webhooks/{id}/enable");
    app.api.post(&enable, json!({})).await.expect(200);
    app.quiesce().await;
    assert!(!watcher.has_further_requests(), "it has delivered nothing yet");
    app.trigger("two").await;
    receiver_of_two.next_request().await;
    let told = watcher.next_request().await;
    assert_eq!(header(&told, "x-opsknight-event"), Some("webhook.recovered"));
    app.quiesce().await;
    assert!(!watcher.has_further_requests());
}

#[tokio::test]
async fn what_was_to_be_told_when_the_server_stopped_is_told_after_its_start() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (_gone, gone_url) = receiver(&[GONE]).await;
    let (mut watcher, url) = receiver(&[OK, OK, OK]).await;
    app.create_service().await;
    app.create_webhook(&gone_url, json!({"name": "Status display"}))
        .await;
    let events = json!(["webhook.disabled", "delivery.dead"]);
    app.create_webhook(&url, json!({"name": "Watcher", "events": events}))
        .await;
    app.trigger("one").await;
    app.wait_for("status=dead", 1).await;
    let app = app.restart(directory.path()).await;
    let mut told = Vec::new();
    for _ in 0..2 {
        let request = watcher.next_request().await;
        told.push(header(&request, "x-opsknight-event").unwrap().to_owned());
    }
    told.sort();
    assert_eq!(told, ["delivery.dead", "webhook.disabled"]);
    app.wait_for("status=delivered", 2).await;
    assert!(!watcher.has_further_requests());
}

#[tokio::test]
async fn a_ticket_system_takes_no_operational_events() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let platform = Platform::start("github").await;
    let webhook = json!({
        "name": "Tickets",
        "kind": "github",
        "url": platform.url,
        "options": crate::chat::needed("github"),
        "events": ["incident.triggered", "delivery.dead"],
    });
    let refused = app.api.post("/api/v1/webhooks", webhook).await.expect(422).json();
    assert_eq!(refused["errors"][0]["code"], "not_for_tickets", "{refused}");
}

#[tokio::test]
async fn a_canary_finds_a_dead_receiver_before_an_incident_does() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut canary_receiver, url) = receiver(&[OK, DOWN, OK]).await;
    let (mut watcher, watcher_url) = receiver(&[OK, OK]).await;
    let events = json!(["webhook.degraded", "webhook.recovered"]);
    app.create_webhook(&watcher_url, json!({"name": "Watcher", "events": events}))
        .await;
    let id = app
        .create_webhook(&url, json!({"name": "Status display", "canary": "6h"}))
        .await;
    let first = canary_receiver.next_request().await;
    assert_eq!(header(&first, "x-opsknight-test"), Some("true"));
    assert_eq!(header(&first, "x-opsknight-event"), Some("incident.resolved"));
    assert_eq!(last_canary(&app, &id, 1).await["failure"], Value::Null);
    let app = app.restart(directory.path()).await;
    app.advance(Duration::from_secs(6 * 3600));
    canary_receiver.next_request().await;
    let degraded = watcher.next_request().await;
    assert_eq!(header(&degraded, "x-opsknight-event"), Some("webhook.degraded"));
    assert!(body(&degraded).contains("its canary failed"), "{degraded}");
    assert_eq!(last_canary(&app, &id, 2).await["failure"], "server_error");
    app.advance(Duration::from_secs(600));
    canary_receiver.next_request().await;
    let recovered = watcher.next_request().await;
    assert_eq!(header(&recovered, "x-opsknight-event"), Some("webhook.recovered"));
    assert_eq!(last_canary(&app, &id, 3).await["failure"], Value::Null);
    let metrics = app.api.get("/metrics").await.expect(200);
    let shown = metrics.text.contains("opsknight_webhook_canary_failed{");
    assert!(shown, "{}", metrics.text);
}

/// The result of the last canary, once there were so many tests.
async fn last_canary(app: &TestApp, webhook: &str, tests: usize) -> Value {
    let finished = async {
        loop {
            let shown = app.api.get(&format!("/api/v1/webhooks/{webhook}")).await.json();
            let sent = app.deliveries(&format!("webhook={webhook}&limit=9")).await;
            let last = shown["lastCanary"]["delivery"].clone();
            if sent.len() == tests && sent.first().is_some_and(|newest| newest["id"] == last) {
                return shown["lastCanary"].clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, finished)
        .await
        .expect("the canary's result")
}
