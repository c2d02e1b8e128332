//! Receivers that break: each failure has its own code, and the delivery waits for its retry.

use serde_json::{Value, json};

use super::receiver;
use crate::support::receiver::Reply;
use crate::support::test_app::{TestApp, text};

async fn first_attempt(replies: &[Reply], changes: Value) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (_receiver, url) = receiver(replies).await;
    app.create_service().await;
    app.create_webhook(&url, changes).await;
    app.trigger("break it").await;
    let delivery = text(&app.wait_for("", 1).await[0]["id"]);
    app.wait_for_attempts(&delivery, 1).await["attempts"][0].clone()
}

#[tokio::test]
async fn a_receiver_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    app.create_service().await;
    app.create_webhook(&format!("http://{nobody}/"), json!({})).await;
    app.trigger("refused").await;
    let delivery = text(&app.wait_for("", 1).await[0]["id"]);
    let detail = app.wait_for_attempts(&delivery, 1).await;
    assert_eq!(detail["attempts"][0]["failure"]["code"], "connect_refused");
    assert!(!text(&detail["attempts"][0]["failure"]["advice"]).is_empty());
    assert_eq!(detail["status"], "scheduled");
}

#[tokio::test]
async fn a_receiver_that_never_answers() {
    let attempt = first_attempt(&[Reply::Hang], json!({"timeout": "1s"})).await;
    assert_eq!(attempt["failure"]["code"], "response_timeout");
}

#[tokio::test]
async fn a_receiver_that_closes_without_a_word() {
    let attempt = first_attempt(&[Reply::Close], json!({})).await;
    assert_eq!(attempt["failure"]["code"], "connection_closed");
}

#[tokio::test]
async fn a_receiver_that_speaks_something_else() {
    let attempt = first_attempt(&[Reply::RawThenClose("SSH-2.0-OpenSSH_9.2\r\n")], json!({})).await;
    assert_eq!(attempt["failure"]["code"], "response_invalid");
}

#[tokio::test]
async fn a_receiver_that_answers_with_a_gigabyte_has_taken_the_delivery() {
    let attempt = first_attempt(&[Reply::Flood(1 << 30)], json!({})).await;
    assert_eq!(attempt["outcome"], "delivered");
    assert_eq!(attempt["response"]["bodyIsTruncated"], true);
}

#[tokio::test]
async fn one_bad_receiver_does_not_hold_up_a_good_one() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (_bad, bad_url) = receiver(&[Reply::Hang]).await;
    let (mut good, good_url) = receiver(&[crate::support::receiver::OK]).await;
    app.create_service().await;
    app.create_webhook(&bad_url, json!({"timeout": "30s", "name": "bad"}))
        .await;
    let webhook = app.create_webhook(&good_url, json!({"name": "good"})).await;
    for number in 0..100 {
        app.trigger(&format!("incident {number}")).await;
    }
    for _ in 0..100 {
        good.next_request().await;
    }
    app.wait_for(&format!("webhook={webhook}&status=delivered&limit=200"), 100)
        .await;
}
