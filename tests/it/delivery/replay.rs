//! Replaying and recovering dead deliveries.

use serde_json::json;

use super::{header, receiver};
use crate::support::receiver::{OK, Reply};
use crate::support::test_app::{TestApp, text};

const FAIL: Reply = Reply::Raw("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n");

#[tokio::test]
async fn a_dead_delivery_is_replayed_with_a_fresh_schedule_and_its_history() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[FAIL, OK]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({"retrySchedule": []})).await;
    app.trigger("once more").await;
    receiver.next_request().await;
    let delivery = text(&app.wait_for("status=dead", 1).await[0]["id"]);
    app.api
        .post(&format!("/api/v1/deliveries/{delivery}/replay"), json!({}))
        .await
        .expect(200);
    let again = receiver.next_request().await;
    assert_eq!(header(&again, "x-opsknight-delivery"), Some(delivery.as_str()));
    assert_eq!(header(&again, "x-opsknight-attempt"), Some("2"));
    let detail = app.wait_for_attempts(&delivery, 2).await;
    let outcomes: Vec<_> = detail["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| text(&a["outcome"]))
        .collect();
    assert_eq!(outcomes, ["failed", "delivered"]);
}

#[tokio::test]
async fn everything_dead_since_a_time_is_recovered() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (_receiver, url) = receiver(&[FAIL, FAIL, FAIL, OK]).await;
    app.create_service().await;
    let webhook = app
        .create_webhook(&url, json!({"retrySchedule": [], "concurrency": 1}))
        .await;
    for title in ["one", "two", "three"] {
        app.trigger(title).await;
    }
    app.wait_for("status=dead", 3).await;
    app.advance(std::time::Duration::from_secs(1));
    let path = format!("/api/v1/webhooks/{webhook}/recover");
    let dry = app
        .api
        .post(&path, json!({"since": "2026-01-05T00:00:00Z", "dryRun": true}))
        .await
        .expect(200);
    assert_eq!(dry.json()["count"], 3);
    assert_eq!(app.deliveries("status=dead").await.len(), 3);
    let done = app
        .api
        .post(&path, json!({"since": "2026-01-05T00:00:00Z"}))
        .await
        .expect(200);
    assert_eq!(
        (&done.json()["count"], &done.json()["isDone"]),
        (&json!(3), &json!(true))
    );
    app.wait_for("status=delivered", 3).await;
}
