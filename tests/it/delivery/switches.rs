//! Disabling, deleting, filtering and pacing a webhook.

use std::time::Duration;

use serde_json::json;

use super::{header, receiver};
use crate::support::receiver::OK;
use crate::support::test_app::TestApp;

#[tokio::test]
async fn while_disabled_deliveries_are_held_and_then_released_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    let webhook = app.create_webhook(&url, json!({})).await;
    app.api
        .post(&format!("/api/v1/webhooks/{webhook}/disable"), json!({}))
        .await
        .expect(200);
    let incident = app.trigger("held").await;
    app.act(&incident, "acknowledge").await;
    app.act(&incident, "resolve").await;
    app.wait_for("status=held", 3).await;
    app.quiesce().await;
    assert!(!receiver.has_further_requests());
    app.api
        .post(&format!("/api/v1/webhooks/{webhook}/enable"), json!({}))
        .await
        .expect(200);
    for event in ["incident.triggered", "incident.acknowledged", "incident.resolved"] {
        assert_eq!(
            header(&receiver.next_request().await, "x-opsknight-event"),
            Some(event)
        );
    }
    app.wait_for("status=delivered", 3).await;
}

#[tokio::test]
async fn a_webhook_that_drops_gets_nothing_of_what_happened_while_disabled() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    let webhook = app.create_webhook(&url, json!({"whenDisabled": "drop"})).await;
    app.api
        .post(&format!("/api/v1/webhooks/{webhook}/disable"), json!({}))
        .await
        .expect(200);
    app.trigger("dropped").await;
    app.api
        .post(&format!("/api/v1/webhooks/{webhook}/enable"), json!({}))
        .await
        .expect(200);
    app.trigger("delivered").await;
    assert!(receiver.next_request().await.contains("delivered"));
    assert_eq!(app.deliveries("").await.len(), 1);
}

#[tokio::test]
async fn deliveries_of_a_deleted_webhook_die_with_their_own_code() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (_receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    let webhook = app.create_webhook(&url, json!({"enabled": false})).await;
    app.trigger("never sent").await;
    app.wait_for("status=held", 1).await;
    app.api
        .send("DELETE", &format!("/api/v1/webhooks/{webhook}"), None, &[])
        .await
        .unwrap()
        .expect(204);
    let dead = app.wait_for("status=dead", 1).await;
    assert_eq!(dead[0]["lastFailure"]["code"], "webhook_deleted");
}

#[tokio::test]
async fn only_what_the_webhook_wants_is_delivered() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    let wants = json!({
        "events": ["incident.triggered", "incident.resolved"],
        "severities": ["critical"],
        "filter": "title.contains(\"database\") || event == \"incident.resolved\"",
    });
    app.create_webhook(&url, wants).await;
    app.trigger("a disk").await;
    let incident = app.trigger("the database").await;
    app.act(&incident, "acknowledge").await;
    app.act(&incident, "resolve").await;
    assert!(receiver.next_request().await.contains("the database"));
    assert_eq!(
        header(&receiver.next_request().await, "x-opsknight-event"),
        Some("incident.resolved")
    );
    assert_eq!(
        app.wait_for("status=delivered", 2).await.len(),
        app.deliveries("").await.len()
    );
}

#[tokio::test]
async fn a_rate_spreads_deliveries_over_time() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({"rate": "1/m"})).await;
    app.trigger("first").await;
    app.trigger("second").await;
    receiver.next_request().await;
    app.wait_for("status=delivered", 1).await;
    app.advance(Duration::from_secs(59));
    app.quiesce().await;
    assert!(!receiver.has_further_requests(), "one a minute");
    app.advance(Duration::from_secs(1));
    receiver.next_request().await;
}

#[tokio::test]
async fn an_unacknowledged_incident_escalates_once_per_step() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[OK]).await;
    let user = app
        .api
        .post("/api/v1/users", json!({"name": "Zoë", "role": "responder"}))
        .await
        .expect(201)
        .json();
    let policy = json!({"name": "night", "steps": [{"waitMinutes": 5, "assignee": {"id": user["id"]}}]});
    let policy = app
        .api
        .post("/api/v1/escalation-policies", policy)
        .await
        .expect(201)
        .json();
    let service = json!({"name": "API Gateway", "escalationPolicy": {"id": policy["id"]}});
    app.api.post("/api/v1/services", service).await.expect(201);
    app.create_webhook(&url, json!({"events": ["incident.escalated"]}))
        .await;
    app.trigger("nobody looks").await;
    app.advance(Duration::from_secs(5 * 60));
    let request = receiver.next_request().await;
    assert!(
        request.contains(r#""assignee":{"id":"usr_"#) && request.contains("Zoë"),
        "{request}"
    );
    let app = app.restart(directory.path()).await;
    app.advance(Duration::from_secs(3600));
    let incident = app.trigger("another").await;
    app.act(&incident, "escalate").await;
    assert!(
        receiver.next_request().await.contains("another"),
        "no step fires twice"
    );
}
