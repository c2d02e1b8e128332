//! Templates that nobody can render now, and filters of another time.

use std::time::Duration;

use serde_json::json;

use super::receiver;
use crate::support::receiver::Reply;
use crate::support::test_app::{TestApp, text};

const TAKEN: Reply =
    Reply::Raw("HTTP/1.1 200 OK\r\ncontent-length: 27\r\n\r\n{\"errcode\":0,\"errmsg\":\"ok\"}");

#[tokio::test]
async fn templates_that_cannot_be_rendered_now_wait_and_spend_no_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[TAKEN]).await;
    app.create_service().await;
    // Saving would try the template: a preset is rendered where it stands, and a header of one's own is not.
    let webhook = app.create_webhook(&url, json!({"kind": "custom"})).await;
    let connection = rusqlite::Connection::open(directory.path().join("opsknight.db")).unwrap();
    let options = "UPDATE webhooks SET options = '{\"template\":\"{\\\"x\\\": {{ attempt }}}\"}'";
    assert_eq!(connection.execute(options, []).unwrap(), 1);
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
    let connection = rusqlite::Connection::open(directory.path().join("opsknight.db")).unwrap();
    let filter = "UPDATE webhooks SET filter = '[1].all(a, [1].all(b, false))'";
    assert_eq!(connection.execute(filter, []).unwrap(), 1);
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
