//! Within one webhook the events of one incident arrive in order; nothing else waits.

use std::time::Duration;

use serde_json::json;

use super::{header, receiver};
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::test_app::TestApp;

const FAIL: Reply = Reply::Raw("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n");

async fn next_event(receiver: &mut Receiver) -> String {
    header(&receiver.next_request().await, "x-opsknight-event")
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_later_event_waits_until_the_earlier_one_is_delivered() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[FAIL, OK]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({})).await;
    let incident = app.trigger("in order").await;
    assert_eq!(next_event(&mut receiver).await, "incident.triggered");
    app.wait_for("status=scheduled", 1).await;
    app.act(&incident, "acknowledge").await;
    app.act(&incident, "resolve").await;
    app.wait_for("status=queued", 2).await;
    app.quiesce().await;
    assert!(!receiver.has_further_requests());
    app.advance(Duration::from_secs(70));
    let events = [
        next_event(&mut receiver).await,
        next_event(&mut receiver).await,
        next_event(&mut receiver).await,
    ];
    assert_eq!(
        events,
        ["incident.triggered", "incident.acknowledged", "incident.resolved"]
    );
}

#[tokio::test]
async fn a_later_event_goes_once_the_earlier_one_is_dead() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[FAIL, OK]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({"retrySchedule": []})).await;
    let incident = app.trigger("dies at once").await;
    app.act(&incident, "acknowledge").await;
    assert_eq!(next_event(&mut receiver).await, "incident.triggered");
    assert_eq!(next_event(&mut receiver).await, "incident.acknowledged");
    app.wait_for("status=dead", 1).await;
}

#[tokio::test]
async fn other_incidents_do_not_wait() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[FAIL, OK]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({})).await;
    app.trigger("stuck").await;
    receiver.next_request().await;
    app.trigger("free").await;
    assert!(receiver.next_request().await.contains("free"));
}

#[tokio::test]
async fn a_webhook_without_ordering_gets_events_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[FAIL, OK]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({"ordering": "none"})).await;
    let incident = app.trigger("any order").await;
    assert_eq!(next_event(&mut receiver).await, "incident.triggered");
    app.act(&incident, "acknowledge").await;
    assert_eq!(next_event(&mut receiver).await, "incident.acknowledged");
}

#[tokio::test]
async fn three_hundred_webhooks_get_one_event() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    for _ in 0..300 {
        app.create_webhook(&url, json!({})).await;
    }
    let incident = app.trigger("to everybody").await;
    for _ in 0..300 {
        assert!(receiver.next_request().await.contains(&incident));
    }
    let system = app.api.get("/api/v1/system").await.expect(200).json();
    assert_eq!(system["missing"], 0);
}
