//! An alert's life, from its sender to a receiver of ours, through a restart.

use std::time::Duration;

use serde_json::json;

use super::{create_source, event, incidents, requests, send};
use crate::support::receiver::{OK, Receiver};
use crate::support::test_app::{TestApp, text};

#[tokio::test]
async fn an_event_of_pagerduty_becomes_an_incident_at_a_receiver_and_ends_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let mut receiver = Receiver::start(&[OK]).await;
    app.create_webhook(&format!("http://{}/", receiver.address), json!({}))
        .await;
    let source = create_source(&app, "pagerduty", json!({})).await;
    let answer = send(&app, "/v2/enqueue", event(&source.key, "trigger", "db")).await;
    assert_eq!(answer.expect(202).json()["dedup_key"], "db");
    let told = receiver.next_request().await;
    assert!(
        told.contains("incident.triggered") && told.contains("db is down"),
        "{told}"
    );
    send(&app, "/v2/enqueue", event(&source.key, "trigger", "db"))
        .await
        .expect(202);
    send(&app, "/v2/enqueue", event(&source.key, "acknowledge", "db"))
        .await
        .expect(202);
    assert!(receiver.next_request().await.contains("incident.acknowledged"));
    let app = app.restart(directory.path()).await;
    app.advance(Duration::from_secs(1));
    send(&app, "/v2/enqueue", event(&source.key, "resolve", "db"))
        .await
        .expect(202);
    assert!(receiver.next_request().await.contains("incident.resolved"));
    send(&app, "/v2/enqueue", event(&source.key, "trigger", "db"))
        .await
        .expect(202);
    assert!(receiver.next_request().await.contains("incident.triggered"));
    app.quiesce().await;
    assert!(!receiver.has_further_requests());
    let became: Vec<_> = requests(&app, &source)
        .await
        .iter()
        .rev()
        .map(|request| text(&request["alerts"][0]["outcome"]))
        .collect();
    assert_eq!(
        became,
        ["opened", "counted", "acknowledged", "resolved", "opened"]
    );
    let incident = &incidents(&app).await[0];
    assert_eq!(incident["severity"], "critical");
    assert!(text(&incident["description"]).contains("source: prod"));
}

#[tokio::test]
async fn an_alert_of_prometheus_ends_when_it_is_not_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let source = create_source(&app, "prometheus", json!({})).await;
    let path = format!("/sources/{}/api/v2/alerts", source.key);
    let alerts = json!([{
        "labels": { "alertname": "DiskFull", "instance": "db-1" },
        "annotations": { "summary": "The disk is full" },
        "startsAt": "2026-01-05T11:59:00Z",
        "endsAt": "2026-01-05T12:04:00Z",
    }]);
    send(&app, &path, alerts).await.expect(200);
    assert_eq!(incidents(&app).await[0]["status"], "triggered");
    app.advance(Duration::from_secs(241));
    let resolved = async {
        while incidents(&app).await[0]["status"] != "resolved" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), resolved)
        .await
        .expect("the timer resolves it");
    let alerts = app
        .api
        .get(&format!("/api/v1/sources/{}/alerts", source.id))
        .await;
    assert_eq!(alerts.expect(200).json()["items"][0]["firing"], false);
}

#[tokio::test]
async fn a_test_goes_the_way_of_a_sender_and_says_what_became_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    for kind in [
        "alertmanager",
        "prometheus",
        "grafana",
        "pagerduty",
        "opsgenie",
        "generic",
    ] {
        let source = create_source(&app, kind, json!({})).await;
        let path = format!("/api/v1/sources/{}/test", source.id);
        let outcome = async |moment: &str| {
            let tested = app
                .api
                .post(&path, json!({ "moment": moment }))
                .await
                .expect(200)
                .json();
            text(&tested["request"]["alerts"][0]["outcome"])
        };
        assert_eq!(outcome("fire").await, "opened", "{kind}");
        assert_eq!(outcome("fire").await, "counted", "{kind}");
        assert_eq!(outcome("resolve").await, "resolved", "{kind}");
    }
}

#[tokio::test]
async fn a_source_from_which_nothing_comes_any_more_is_told_of_once() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let mut watcher = Receiver::start(&[OK]).await;
    app.create_webhook(
        &format!("http://{}/", watcher.address),
        json!({"name": "Watcher", "events": ["source.silent"]}),
    )
    .await;
    let source = create_source(&app, "pagerduty", json!({"silentAfterSeconds": 600})).await;
    send(&app, "/v2/enqueue", event(&source.key, "trigger", "db"))
        .await
        .expect(202);
    app.advance(Duration::from_secs(601));
    let told = watcher.next_request().await;
    assert!(told.contains("x-opsknight-event: source.silent"), "{told}");
    assert!(told.contains(&source.id), "{told}");
    app.advance(Duration::from_secs(3600));
    app.quiesce().await;
    let told = app.wait_for("event=source.silent&status=delivered", 1).await;
    assert_eq!(told.len(), 1);
    assert!(!watcher.has_further_requests());
}
