//! Who may send, and what a sender is answered that may not, or whose request cannot be read.

use serde_json::json;

use super::{create_source, event, incidents, requests, send};
use crate::support::test_app::{TestApp, text};

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
