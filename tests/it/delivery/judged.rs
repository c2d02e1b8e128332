//! Answers that only their body tells from good ones, templates that nobody can render now, and filters of another time.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::receiver;
use crate::support::receiver::Reply;
use crate::support::test_app::{TestApp, text};

const REFUSED: Reply = Reply::Raw(
    "HTTP/1.1 200 OK\r\ncontent-length: 53\r\n\r\n{\"errcode\":310000,\"errmsg\":\"keywords not in content\"}",
);
const TAKEN: Reply =
    Reply::Raw("HTTP/1.1 200 OK\r\ncontent-length: 27\r\n\r\n{\"errcode\":0,\"errmsg\":\"ok\"}");

/// Changes the only webhook behind the server's back, as an older version may have left it.
fn change(directory: &Path, statement: &str) {
    let connection = rusqlite::Connection::open(directory.join("opsknight.db")).unwrap();
    assert_eq!(connection.execute(statement, []).unwrap(), 1);
}

#[tokio::test]
async fn an_error_in_the_body_of_a_200_is_a_failed_attempt_and_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (_receiver, url) = receiver(&[REFUSED, TAKEN]).await;
    app.create_service().await;
    let options = json!({"kind": "custom", "options": {"preset": "dingtalk"}});
    app.create_webhook(&url, options).await;
    app.trigger("Disk full").await;
    let delivery = text(&app.wait_for("", 1).await[0]["id"]);
    let detail = app.wait_for_attempts(&delivery, 1).await;
    let failure = &detail["attempts"][0]["failure"];
    assert_eq!(
        (failure["code"].as_str(), detail["status"].as_str()),
        (Some("message_refused"), Some("scheduled"))
    );
    assert_eq!(
        failure["detail"],
        "the receiver answered 200, but says \"keywords not in content\""
    );
    app.advance(Duration::from_secs(70));
    let detail = app.wait_for_attempts(&delivery, 2).await;
    assert_eq!(detail["status"], "delivered");
}

#[tokio::test]
async fn a_success_condition_that_could_take_long_is_refused_with_words() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let webhook = json!({
        "name": "bot",
        "kind": "custom",
        "url": "http://127.0.0.1:9009/hooks",
        "events": ["incident.triggered"],
        "options": {"success": "body.all(a, body.all(b, a != b))"},
    });
    let error = app.api.post("/api/v1/webhooks", webhook).await.expect(422).json()["errors"][0].clone();
    assert_eq!(error["field"], "options.success");
    assert_eq!(error["detail"], "the expression loops over lists more than once");
}

#[tokio::test]
async fn templates_that_cannot_be_rendered_now_wait_and_spend_no_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[TAKEN]).await;
    app.create_service().await;
    // Saving would try the template.
    let webhook = app.create_webhook(&url, json!({"kind": "custom"})).await;
    let options = "UPDATE webhooks SET options = '{\"template\":\"{\\\"x\\\": {{ attempt }}}\"}'";
    change(directory.path(), options);
    let app = app
        .restart_with_program(directory.path(), "/no/such/program")
        .await;
    app.trigger("Disk full").await;
    let delivery = text(&app.wait_for("", 1).await[0]["id"]);
    let detail = app.wait_for_attempts(&delivery, 1).await;
    assert_eq!(detail["attempts"][0]["failure"]["code"], "server_exhausted");
    assert_eq!(detail["status"], "scheduled");
    let seen = app
        .api
        .get(&format!("/api/v1/webhooks/{webhook}"))
        .await
        .expect(200)
        .json();
    assert_eq!(seen["status"], "enabled");
    let app = app.restart(directory.path()).await;
    app.advance(Duration::from_secs(10));
    let request = receiver.next_request().await;
    assert!(request.ends_with("{\"x\": 2}"), "{request}");
    assert_eq!(app.wait_for_attempts(&delivery, 2).await["status"], "delivered");
}

#[tokio::test]
async fn a_stored_filter_that_would_be_refused_today_lets_everything_through() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[TAKEN]).await;
    app.create_service().await;
    let webhook = app
        .create_webhook(&url, json!({"filter": "severity == 'critical'"}))
        .await;
    let filter = "UPDATE webhooks SET filter = '[1].all(a, [1].all(b, false))'";
    change(directory.path(), filter);
    let app = app.restart(directory.path()).await;
    app.trigger("Disk full").await;
    receiver.next_request().await;
    let path = format!("/api/v1/webhooks/{webhook}");
    let change = json!({"name": "renamed"});
    app.api
        .send("PATCH", &path, Some(change), &[])
        .await
        .unwrap()
        .expect(200);
    let change = json!({"filter": "[1].all(a, [1].all(b, false))"});
    let refused = app
        .api
        .send("PATCH", &path, Some(change), &[])
        .await
        .unwrap()
        .expect(422)
        .json();
    assert_eq!(
        refused["errors"][0]["detail"],
        "the expression loops over lists more than once"
    );
}
