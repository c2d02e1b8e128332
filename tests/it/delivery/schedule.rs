//! When a failed delivery is tried again.

use std::time::Duration;

use serde_json::json;

use super::{body, header, receiver};
use crate::support::receiver::{OK, Reply};
use crate::support::test_app::{TestApp, text};

const FAIL: Reply = Reply::Raw("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n");

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// A delay with the tenth that may be added to it.
fn at_most(delay: Duration) -> Duration {
    delay + delay / 10 + Duration::from_millis(1)
}

#[tokio::test]
async fn a_failed_delivery_is_retried_after_one_five_and_fifteen_minutes_with_the_same_bytes_and_then_dead() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[FAIL]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({})).await;
    let incident = app.trigger("slow database").await;
    let first = receiver.next_request().await;
    let delivery = text(&app.wait_for("status=scheduled", 1).await[0]["id"]);
    app.wait_for_attempts(&delivery, 1).await;
    let renamed = json!({"title": "renamed meanwhile"});
    app.api
        .send(
            "PATCH",
            &format!("/api/v1/incidents/{incident}"),
            Some(renamed),
            &[],
        )
        .await
        .unwrap()
        .expect(200);
    let mut attempt = 1;
    for delay in [minutes(1), minutes(5), minutes(15)] {
        app.advance(delay - Duration::from_millis(1));
        app.quiesce().await;
        assert!(!receiver.has_further_requests(), "no retry comes before its time");
        app.advance(at_most(delay) - delay + Duration::from_millis(1));
        let retry = receiver.next_request().await;
        attempt += 1;
        assert_eq!(body(&retry), body(&first));
        assert_eq!(header(&retry, "x-opsknight-delivery"), Some(delivery.as_str()));
        assert_eq!(
            header(&retry, "x-opsknight-attempt"),
            Some(attempt.to_string().as_str())
        );
        app.wait_for_attempts(&delivery, attempt).await;
    }
    let dead = app.wait_for("status=dead", 1).await;
    assert_eq!(
        (&dead[0]["attemptsMade"], &dead[0]["lastFailure"]["code"]),
        (&json!(4), &json!("server_error"))
    );
}

#[tokio::test]
async fn a_retry_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[FAIL, OK]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({})).await;
    app.trigger("restart me").await;
    receiver.next_request().await;
    let delivery = text(&app.wait_for("status=scheduled", 1).await[0]["id"]);
    app.wait_for_attempts(&delivery, 1).await;
    let app = app.restart(directory.path()).await;
    app.advance(at_most(minutes(1)));
    let retry = receiver.next_request().await;
    assert_eq!(header(&retry, "x-opsknight-attempt"), Some("2"));
    app.wait_for("status=delivered", 1).await;
}

#[tokio::test]
async fn a_webhook_may_have_a_schedule_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[FAIL]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({"retrySchedule": ["2s"]})).await;
    app.trigger("twice").await;
    receiver.next_request().await;
    let delivery = text(&app.wait_for("status=scheduled", 1).await[0]["id"]);
    app.wait_for_attempts(&delivery, 1).await;
    app.advance(at_most(Duration::from_secs(2)));
    receiver.next_request().await;
    assert_eq!(app.wait_for("status=dead", 1).await[0]["attemptsMade"], 2);
}

#[tokio::test]
async fn retry_after_is_honoured_in_both_forms() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let slow_down = Reply::Raw("HTTP/1.1 429 Slow\r\nretry-after: 600\r\ncontent-length: 0\r\n\r\n");
    let not_yet = Reply::Raw(
        "HTTP/1.1 503 Later\r\nretry-after: Mon, 05 Jan 2026 13:00:00 GMT\r\ncontent-length: 0\r\n\r\n",
    );
    let (mut receiver, url) = receiver(&[slow_down, not_yet, OK]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({})).await;
    app.trigger("busy").await;
    receiver.next_request().await;
    let delivery = text(&app.wait_for("status=scheduled", 1).await[0]["id"]);
    app.wait_for_attempts(&delivery, 1).await;
    app.advance(at_most(minutes(1)));
    app.quiesce().await;
    assert!(
        !receiver.has_further_requests(),
        "the receiver asked for ten minutes"
    );
    app.advance(at_most(minutes(10)) - at_most(minutes(1)));
    receiver.next_request().await;
    let detail = app.wait_for_attempts(&delivery, 2).await;
    let due = text(&detail["dueAt"]);
    assert!(due.as_str() >= "2026-01-05T13:00:00.000Z", "{due}");
    app.advance(minutes(60));
    receiver.next_request().await;
    app.wait_for("status=delivered", 1).await;
}
