//! Batches to ClickHouse's own engine: into the table that our page has people make, read back by SQL.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::judge_server::JudgeServer;
use crate::support::test_app::{TestApp, text};

/// How long an event waits for others by default.
const WAIT: Duration = Duration::from_secs(5);

/// Lets time pass once what came before has arrived.
async fn pass(app: &TestApp) {
    app.quiesce().await;
    app.advance(WAIT);
    app.quiesce().await;
}

fn webhook(name: &str, options: &Value) -> Value {
    json!({"name": name, "kind": "batch", "options": options})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clickhouse_has_each_event_once_though_one_is_sent_again() {
    let Some(mut engine) = JudgeServer::start("clickhouse_server.py").await else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let app = TestApp::start(data.path()).await;
    app.create_service().await;
    let url = text(&engine.set_up["url"]);
    let options = json!({"format": "clickhouse", "compression": "gzip"});
    app.create_webhook(&url, webhook("store", &options)).await;
    let titles = [
        "Überlauf {{ 7*7 }} \"q\" \\ <b> \u{7} 👩‍🚒",
        "'; DROP TABLE opsknight_events; --",
        "Disk full",
    ];
    let incident = app.trigger(titles[0]).await;
    for title in &titles[1..] {
        app.trigger(title).await;
    }
    pass(&app).await;
    app.act(&incident, "resolve").await;
    pass(&app).await;
    let delivered = app.deliveries("status=delivered").await;
    assert_eq!(delivered.len(), 4);
    let again = format!("/api/v1/deliveries/{}/replay", text(&delivered[0]["id"]));
    app.api.post(&again, json!({})).await.expect(200);
    pass(&app).await;
    assert_eq!(app.deliveries("status=delivered").await.len(), 4);
    let rows = engine.received().await;
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 4, "{rows:#?}");
    let told = |row: &Value| (text(&row["event"]), text(&row["title"]));
    let mut found: Vec<_> = rows.iter().map(told).collect();
    found.sort();
    let mut expected: Vec<_> = titles
        .iter()
        .map(|title| ("incident.triggered".to_owned(), (*title).to_owned()))
        .collect();
    expected.push(("incident.resolved".to_owned(), titles[0].to_owned()));
    expected.sort();
    assert_eq!(found, expected);
    let now = app.source().now().as_seconds();
    let at = |row: &Value| row["at"].as_i64().unwrap();
    assert!(
        rows.iter().all(|row| (0..60).contains(&(now - at(row)))),
        "{rows:#?}"
    );

    let missing = json!({"format": "clickhouse", "index": "missing"});
    app.create_webhook(&url, webhook("wrong", &missing)).await;
    app.trigger("refused").await;
    pass(&app).await;
    let waiting = app.deliveries("status=scheduled").await;
    assert_eq!(waiting.len(), 1);
    let path = format!("/api/v1/deliveries/{}", text(&waiting[0]["id"]));
    let delivery = app.api.get(&path).await.expect(200).json();
    let failure = &delivery["attempts"][0]["failure"];
    assert_eq!(failure["code"], "settings_refused", "{failure:#}");
    assert!(text(&failure["detail"]).contains("missing"), "{failure:#}");
}
