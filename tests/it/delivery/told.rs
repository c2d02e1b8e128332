//! What the log and the metrics say of webhooks.

use std::fs::File;
use std::time::Duration;

use serde_json::json;

use super::receiver;
use crate::support::api_client::ApiClient;
use crate::support::receiver::{OK, Reply};
use crate::support::server_process::ServerProcess;
use crate::support::test_app::{PATIENCE, TestApp, text};

const FAIL: Reply = Reply::Raw("HTTP/1.1 500 Oops\r\ncontent-length: 6\r\n\r\nhushed");

#[tokio::test]
async fn the_default_log_says_once_that_a_webhook_is_degraded_and_has_dead_deliveries() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let file = File::create(&log).unwrap();
    std::fs::create_dir(directory.path().join("data")).unwrap();
    let server = ServerProcess::start_under(&[], &directory.path().join("data"), |command| {
        command.env_remove("OPSKNIGHT_LOG").stderr(file);
    })
    .await;
    let api = ApiClient::new(&server.url, &server.key);
    api.post("/api/v1/services", json!({"name": "API"}))
        .await
        .expect(201);
    let (_receiver, url) = receiver(&[FAIL]).await;
    let webhook = json!({"name": "pager", "url": url, "events": ["incident.triggered"], "retrySchedule": [],
        "concurrency": 1});
    let webhook = text(&api.post("/api/v1/webhooks", webhook).await.expect(201).json()["id"]);
    for number in 0..12 {
        let incident = json!({"title": format!("{number}"), "service": {"name": "API"}});
        api.post("/api/v1/incidents", incident).await.expect(201);
    }
    let all_died = async {
        while api.get("/api/v1/system").await.expect(200).json()["deliveries"]["dead"] != 12 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all_died).await.unwrap();
    assert!(server.terminate().await);
    let log = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&webhook)).collect();
    assert_eq!(lines.len(), 2, "{log}");
    let expect = |line: &str, words: &str| {
        let parts = ["WARN", "pager", "server_error", words];
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    };
    expect(lines[0], "dead");
    expect(lines[1], "degraded");
    assert!(!log.contains("hushed") && !log.contains(&url), "{log}");
}

#[tokio::test]
async fn metrics_tell_one_webhook_from_another() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (_receiver, good) = receiver(&[OK]).await;
    let (_other, bad) = receiver(&[FAIL]).await;
    app.create_service().await;
    let well = app.create_webhook(&good, json!({"name": "well"})).await;
    let ill = app
        .create_webhook(&bad, json!({"name": "ill", "retrySchedule": []}))
        .await;
    let off = app
        .create_webhook(&good, json!({"name": "off", "enabled": false}))
        .await;
    app.trigger("Down").await;
    app.wait_for("status=delivered", 1).await;
    app.wait_for("status=dead", 1).await;
    let metrics = app.api.get("/metrics").await.expect(200).text;
    let expected = [
        format!("opsknight_webhook_attempts_total{{webhook=\"{well}\",name=\"well\",outcome=\"success\"}} 1"),
        format!("opsknight_webhook_attempts_total{{webhook=\"{ill}\",name=\"ill\",outcome=\"failure\"}} 1"),
        format!("opsknight_webhook_deliveries{{webhook=\"{ill}\",name=\"ill\",state=\"dead\"}} 1"),
        format!("opsknight_webhook_deliveries{{webhook=\"{off}\",name=\"off\",state=\"waiting\"}} 1"),
        format!("opsknight_webhook_state{{webhook=\"{off}\",name=\"off\",state=\"disabled\"}} 1"),
        format!("opsknight_webhook_state{{webhook=\"{well}\",name=\"well\",state=\"enabled\"}} 1"),
        format!("opsknight_webhook_oldest_due_seconds{{webhook=\"{well}\",name=\"well\"}} 0"),
    ];
    for line in &expected {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(metrics.contains(&format!(
        "opsknight_webhook_attempt_seconds_total{{webhook=\"{well}\""
    )));
}
