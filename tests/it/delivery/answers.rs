//! What counts as what: the receiver's answer, and what becomes of the delivery.

use serde_json::{Value, json};

use super::receiver;
use crate::support::receiver::Reply;
use crate::support::test_app::{TestApp, text};

/// One incident to a receiver that answers so; the delivery after its first attempt, and the webhook.
async fn after_answer(reply: &'static str) -> (Value, Value) {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (_receiver, url) = receiver(&[Reply::Raw(reply)]).await;
    app.create_service().await;
    let webhook = app.create_webhook(&url, json!({})).await;
    app.trigger("what does this answer mean").await;
    let delivery = text(&app.wait_for("", 1).await[0]["id"]);
    let detail = app.wait_for_attempts(&delivery, 1).await;
    let webhook = app
        .api
        .get(&format!("/api/v1/webhooks/{webhook}"))
        .await
        .expect(200)
        .json();
    (detail, webhook)
}

fn verdict(detail: &Value) -> (&str, &str) {
    (
        detail["status"].as_str().unwrap(),
        detail["attempts"][0]["failure"]["code"]
            .as_str()
            .unwrap_or("none"),
    )
}

#[tokio::test]
async fn no_content_is_delivered() {
    let (detail, _) = after_answer("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(verdict(&detail), ("delivered", "none"));
}

#[tokio::test]
async fn gone_is_dead_and_disables_the_webhook() {
    let (detail, webhook) = after_answer("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(verdict(&detail), ("dead", "gone"));
    assert_eq!(webhook["status"], "disabled");
    assert!(text(&webhook["statusReason"]).contains("410"), "{webhook}");
}

#[tokio::test]
async fn a_redirect_to_a_metadata_address_is_not_followed() {
    let (detail, _) = after_answer(
        "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/meta-data\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    assert_eq!(verdict(&detail), ("scheduled", "redirect"));
    assert_eq!(detail["attempts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_retried() {
    let (detail, _) = after_answer("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno").await;
    assert_eq!(verdict(&detail), ("scheduled", "client_error"));
    assert_eq!(detail["attempts"][0]["status"], 404);
}

#[tokio::test]
async fn metrics_count_events_and_attempts() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (_receiver, url) = receiver(&[crate::support::receiver::OK]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({})).await;
    app.trigger("counted").await;
    app.wait_for("status=delivered", 1).await;
    let metrics = app.api.get("/metrics").await.expect(200).text;
    assert!(metrics.contains("opsknight_events_accepted_total 1"), "{metrics}");
    assert!(
        metrics.contains(r#"opsknight_attempts_total{outcome="delivered"} 1"#),
        "{metrics}"
    );
}
