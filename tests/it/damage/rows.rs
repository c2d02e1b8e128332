//! Rows that a foreign tool has changed or deleted: the deep check compares them with each other.

use rusqlite::Connection;
use serde_json::json;

use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::test_app::{TestApp, text};

use super::{codes, database};

const REFUSING: Reply = Reply::Raw("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n");

#[tokio::test]
async fn the_deep_check_sees_what_was_changed_behind_the_servers_back() {
    let folder = tempfile::tempdir().unwrap();
    let app = TestApp::start(folder.path()).await;
    app.create_service().await;
    let (well, ill) = (Receiver::start(&[OK]).await, Receiver::start(&[REFUSING]).await);
    let url = |receiver: &Receiver| format!("http://{}/", receiver.address);
    let well = app.create_webhook(&url(&well), json!({})).await;
    let once = json!({"name": "ill", "retrySchedule": []});
    let ill = app.create_webhook(&url(&ill), once).await;
    let unused = json!({"name": "unused", "events": ["incident.resolved"]});
    app.create_webhook("http://127.0.0.1:8999/", unused).await;
    let titles = ["deleted", "resolved", "changed", "rewritten"];
    for title in titles {
        app.trigger(title).await;
    }
    app.wait_for(&format!("webhook={well}&status=delivered"), titles.len())
        .await;
    let dead = app
        .wait_for(&format!("webhook={ill}&status=dead"), titles.len())
        .await;
    assert_eq!(codes(&app.api, "findings").await, [""; 0]);

    let connection = Connection::open(database(folder.path())).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    let rewritten = text(&dead[0]["id"]).replace("dlv_", "");
    connection
        .execute_batch(&format!(
            "DELETE FROM incidents WHERE title = 'deleted';
             UPDATE events SET body = CAST(replace(CAST(body AS TEXT), 'changed', 'chanced') AS BLOB);
             DELETE FROM attempts WHERE delivery_id = (SELECT min(id) FROM deliveries WHERE state = 'dead');
             UPDATE deliveries SET state = 'delivered' WHERE id = unhex('{rewritten}');
             DELETE FROM webhooks WHERE name = 'unused';"
        ))
        .unwrap();
    let mut found = codes(&app.api, "findings").await;
    found.sort();
    found.dedup();
    let expected = [
        "attempts_differ",
        "event_changed",
        "incident_missing",
        "not_delivered",
        "reference_missing",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn webhooks_that_do_not_deliver_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let app = TestApp::start(folder.path()).await;
    app.create_service().await;
    let gone = Receiver::start(&[Reply::Raw("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n")]).await;
    let url = format!("http://{}/", gone.address);
    let gone = app.create_webhook(&url, json!({"name": "gone"})).await;
    let paused = app.create_webhook(&url, json!({"name": "paused"})).await;
    let disable = format!("/api/v1/webhooks/{paused}/disable");
    app.api.post(&disable, json!({})).await.expect(200);
    app.trigger("for one that is gone").await;
    app.wait_for(&format!("webhook={gone}&status=dead"), 1).await;
    let system = app.api.get("/api/v1/system").await.expect(200).json();
    let unwell = system["unwellWebhooks"].as_array().unwrap();
    let told: Vec<_> = unwell
        .iter()
        .map(|webhook| {
            (
                text(&webhook["name"]),
                webhook["dead"].as_u64(),
                webhook["disabledByFailure"].is_object(),
            )
        })
        .collect();
    assert_eq!(told, [("gone".to_owned(), Some(1), true)]);
}
