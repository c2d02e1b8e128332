//! Who may send, and what a sender is answered that may not, or whose request cannot be read.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{TestSource, create_source, event, incidents, requests, send};
use crate::support::test_app::{PATIENCE, TestApp, text};

/// How many requests of one source are in hand at a time.
const MAX_OF_SOURCE: usize = 16;

#[tokio::test]
async fn only_the_present_key_of_an_enabled_source_is_believed() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let source = create_source(&app, "pagerduty", json!({})).await;
    let one = format!("/api/v1/sources/{}", source.id);
    let unknown = send(&app, "/v2/enqueue", event("nobodys", "trigger", "db"))
        .await
        .expect(400);
    assert_eq!(unknown.json()["code"], "unknown_source");
    send(&app, "/sources/nobodys", event("", "trigger", "db"))
        .await
        .expect(404);
    let rotated = app
        .api
        .post(&format!("{one}/rotate-key"), json!({}))
        .await
        .expect(200)
        .json();
    let key = text(&rotated["key"]);
    assert_ne!(key, source.key);
    send(&app, "/v2/enqueue", event(&source.key, "trigger", "db"))
        .await
        .expect(400);
    send(&app, "/v2/enqueue", event(&key, "trigger", "db"))
        .await
        .expect(202);
    let off = json!({ "settings": { "enabled": false } });
    app.api
        .send("PATCH", &one, Some(off), &[])
        .await
        .unwrap()
        .expect(200);
    let refused = send(&app, &format!("/sources/{key}"), event("", "trigger", "x"))
        .await
        .expect(403);
    assert_eq!(refused.json()["code"], "source_disabled");
    assert_eq!(incidents(&app).await.len(), 1);
}

#[tokio::test]
async fn guessing_keys_is_slowed_down_and_a_right_key_still_works() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let source = create_source(&app, "generic", json!({})).await;
    let mut last = 0;
    for guess in 0..40 {
        last = send(&app, &format!("/sources/guess-{guess}"), json!({}))
            .await
            .status;
    }
    assert_eq!(last, 429);
    let alert = json!({ "title": "db is down", "status": "firing", "key": "db" });
    let answer = send(&app, &format!("/sources/{}", source.key), alert).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text);
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_in_the_senders_words_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let source = create_source(&app, "pagerduty", json!({})).await;
    let body = json!({ "routing_key": source.key, "event_action": "unresolve", "dedup_key": "x" });
    let answer = send(&app, "/v2/enqueue", body).await.expect(400);
    assert_eq!(answer.json()["status"], "invalid event");
    let kept = requests(&app, &source).await;
    assert_eq!(kept[0]["refusal"]["code"], "request_unreadable");
    assert_eq!(kept[0]["status"], 400);
    send(&app, "/v2/nothing", json!({})).await.expect(404);
}

#[tokio::test]
async fn a_secret_of_grafana_is_checked_and_never_told() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let source = create_source(&app, "grafana", json!({})).await;
    let one = format!("/api/v1/sources/{}", source.id);
    let change = json!({ "secret": "a grafana secret" });
    let changed = app
        .api
        .send("PATCH", &one, Some(change), &[])
        .await
        .unwrap()
        .expect(200);
    assert_eq!(changed.json()["hasSecret"], true);
    assert!(!changed.text.contains("a grafana secret"));
    let body = json!({ "alerts": [] });
    send(&app, &format!("/sources/{}", source.key), body)
        .await
        .expect(401);
    let tested = app
        .api
        .post(&format!("{one}/test"), json!({ "moment": "fire" }))
        .await
        .expect(200);
    assert_eq!(tested.json()["request"]["alerts"][0]["outcome"], "opened");
}

#[tokio::test]
async fn mistakes_of_a_source_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let services = app.api.get("/api/v1/services").await.json();
    let draft = json!({
        "serviceId": services["items"][0]["id"],
        "kind": "generic",
        "name": "",
        "settings": { "mapping": { "title": "body.(", "nothing": "x" }, "stormAlerts": 0, "silentAfterSeconds": 5 },
    });
    let problem = app.api.post("/api/v1/sources", draft).await.expect(422).json();
    let fields: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| text(&error["field"]))
        .collect();
    for field in [
        "name",
        "settings.mapping.title",
        "settings.mapping.nothing",
        "settings.stormAlerts",
    ] {
        assert!(fields.contains(&field.to_owned()), "{field} in {fields:?}");
    }
    let unknown =
        json!({ "serviceId": "svc_0190b6c88f3e7d2a8e4c5f6a7b8c9d01", "kind": "generic", "name": "x" });
    app.api.post("/api/v1/sources", unknown).await.expect(422);
}

/// The codes of the refusals that a source has kept, newest first.
async fn refusals(app: &TestApp, source: &TestSource) -> Vec<String> {
    let kept = requests(app, source).await;
    kept.iter()
        .map(|request| text(&request["refusal"]["code"]))
        .collect()
}

#[tokio::test]
async fn what_a_door_sends_away_unread_is_shown_a_few_times_and_then_once_a_minute() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let source = create_source(&app, "generic", json!({})).await;
    let path = format!("/sources/{}", source.key);
    let packed = async || {
        let headers = [("content-encoding", "gzip")];
        let answer = app.api.send_as("POST", &path, Some(json!({})), &headers).await;
        answer.unwrap().expect(400);
    };
    for _ in 0..10 {
        packed().await;
    }
    let kept = requests(&app, &source).await;
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(text(&kept[0]["refusal"]["detail"]).contains("packed"));
    let large = json!({ "title": "x".repeat(300 * 1024) });
    send(&app, &path, large).await.expect(413);
    app.advance(Duration::from_secs(60));
    packed().await;
    packed().await;
    let shown = ["request_unreadable", "request_too_large", "request_unreadable"];
    assert_eq!(refusals(&app, &source).await[..3], shown);
    assert_eq!(requests(&app, &source).await.len(), 5);
}

#[tokio::test]
async fn a_wrong_signature_and_a_source_that_is_off_are_shown_without_pushing_out_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let source = create_source(&app, "grafana", json!({})).await;
    let one = format!("/api/v1/sources/{}", source.id);
    let change = async |change: Value| {
        let answer = app.api.send("PATCH", &one, Some(change), &[]).await;
        answer.unwrap().expect(200);
    };
    change(json!({ "secret": "a grafana secret" })).await;
    let path = format!("/sources/{}", source.key);
    for _ in 0..10 {
        send(&app, &path, json!({ "alerts": [] })).await.expect(401);
    }
    change(json!({ "settings": { "enabled": false } })).await;
    send(&app, &path, json!({ "alerts": [] })).await.expect(403);
    let expected = [
        "source_disabled",
        "signature_invalid",
        "signature_invalid",
        "signature_invalid",
    ];
    assert_eq!(refusals(&app, &source).await, expected);
}

#[tokio::test]
async fn a_sender_that_finds_no_room_is_told_to_come_again_and_its_source_shows_it() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let source = create_source(&app, "generic", json!({})).await;
    let address = app.base().replace("http://", "");
    let mut slow = Vec::new();
    for _ in 0..MAX_OF_SOURCE {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST /sources/{} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n",
            source.key
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let path = format!("/sources/{}", source.key);
    // Until the last of the slow ones has come in, there is room for one that is read.
    let refused = async {
        loop {
            let answer = send(&app, &path, json!({})).await;
            if answer.status == 503 {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, refused).await.expect("no room");
    assert_eq!(answer.header("retry-after"), "5");
    let refusals = refusals(&app, &source).await;
    assert!(refusals.contains(&"overloaded".to_owned()), "{refusals:?}");
}
