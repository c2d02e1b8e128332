//! What a receiver says back of our credentials is on record nowhere, whatever part of them it says.

use std::path::Path;

use serde_json::json;

use super::receiver;
use crate::support::receiver::Reply;
use crate::support::test_app::TestApp;

/// Each is a part of what is sent below.
const SECRETS: [&str; 4] = [
    "sk_live_0123456789",
    "ops:hunter222",
    "hunter222",
    "abcdef-session",
];
const ECHO: Reply = Reply::RawThenClose(
    "HTTP/1.1 500 Oh\r\nconnection: close\r\nx-echo: sk_live_0123456789\r\n\r\n\
     you are ops:hunter222, that is hunter222, with sk_live_0123456789 and the session abcdef-session",
);

fn holds(folder: &Path, secret: &str) -> bool {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files.into_iter().any(|path| match path.is_dir() {
        true => holds(&path, secret),
        false => {
            let bytes = std::fs::read(&path).unwrap();
            bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes())
        }
    })
}

#[tokio::test]
async fn credentials_that_a_receiver_echoes_are_on_record_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (_receiver, url) = receiver(&[ECHO]).await;
    app.create_service().await;
    let headers = json!({
        "Authorization": "Bearer sk_live_0123456789",
        "X-Proof": "Basic b3BzOmh1bnRlcjIyMg==",
        "Cookie": "theme=dark; session=abcdef-session",
    });
    app.create_webhook(&url, json!({ "headers": headers })).await;
    app.trigger("disk full").await;
    let delivery = app.wait_for("", 1).await[0]["id"].as_str().unwrap().to_owned();
    let detail = app.wait_for_attempts(&delivery, 1).await;
    let response = &detail["attempts"][0]["response"];
    assert_eq!(
        response["body"],
        "you are ***, that is ***, with *** and the session ***"
    );
    let said = detail.to_string();
    assert_eq!(SECRETS.map(|secret| said.contains(secret)), [false; 4]);
    assert_eq!(SECRETS.map(|secret| holds(directory.path(), secret)), [false; 4]);
}
