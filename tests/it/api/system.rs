//! Health, metrics, the state of the installation, backups.

use api::ApiSettings;
use axum::http::Method;
use serde_json::{Value, json};

use super::server::Server;

#[tokio::test]
async fn a_running_server_lives_and_is_ready_without_a_key() {
    let mut server = Server::start().await;
    server.key.clear();
    assert_eq!(server.get("/healthz").await.json(), json!({ "status": "ok" }));
    assert_eq!(server.get("/readyz").await.json(), json!({ "status": "ok" }));
    assert_eq!(
        server.get("/metrics").await.problem(),
        (401, "unauthorized".into())
    );
}

#[tokio::test]
async fn metrics_show_what_the_store_holds_and_may_be_public() {
    let settings = ApiSettings {
        metrics_are_public: true,
        ..ApiSettings::default()
    };
    let mut server = Server::start_with(settings).await;
    server.service("API").await;
    server.webhook().await;
    server.incident("Down").await;
    server.key.clear();
    let text = server.get("/metrics").await.text();
    assert!(
        text.contains("opsknight_deliveries{state=\"scheduled\"} 1"),
        "{text}"
    );
    assert!(text.contains("opsknight_balance_missing 0"));
    assert!(
        text.contains("opsknight_incidents_open{severity=\"error\"} 1"),
        "{text}"
    );
    assert!(
        !text.contains("opsknight_service_incidents_open{"),
        "a service is named to everybody"
    );
}

#[tokio::test]
async fn metrics_name_the_services_of_open_incidents_to_those_with_a_key() {
    let server = Server::start().await;
    server.service("API").await;
    server.service("Idle").await;
    let incident = server.incident("Down").await;
    let of_services = async || {
        let text = server.get("/metrics").await.text();
        let lines = text
            .lines()
            .filter(|line| line.starts_with("opsknight_service_incidents_open{"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let named = of_services().await;
    assert!(
        named.len() == 1 && named[0].ends_with("name=\"API\"} 1"),
        "{named:?}"
    );
    assert!(!incident.is_empty());
}

#[tokio::test]
async fn metrics_are_told_in_the_format_that_was_asked_for() {
    let server = Server::start().await;
    let metrics = async |accept: &str| {
        let request = server.request(Method::GET, "/metrics").header("accept", accept);
        let answer = server.send(request, "").await;
        (answer.header("content-type").to_owned(), answer.text())
    };
    let (content_type, text) = metrics("*/*").await;
    assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert!(
        text.contains("# TYPE opsknight_events_accepted_total counter\n"),
        "{text}"
    );
    assert!(!text.contains("# EOF"));
    let of_prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    let (content_type, text) = metrics(of_prometheus).await;
    assert_eq!(
        content_type,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(
        text.contains("# TYPE opsknight_events_accepted counter\n") && text.ends_with("# EOF\n"),
        "{text}"
    );
}

#[tokio::test]
async fn the_system_shows_that_nothing_is_lost() {
    let server = Server::start().await;
    server.service("API").await;
    server.webhook().await;
    server.incident("Down").await;
    let system = server.get("/api/v1/system?deep=true").await.json();
    assert_eq!(system["findings"], json!([]));
    assert_eq!(
        (&system["missing"], &system["deliveries"]["scheduled"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(
        (&system["balance"][0]["accepted"], &system["balance"][0]["open"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn a_check_of_everything_tells_how_far_it_is_and_ends_with_what_it_found() {
    let server = Server::start().await;
    server.service("API").await;
    server.webhook().await;
    server.incident("Down").await;
    let answer = server.get("/api/v1/system/check").await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (last, before) = lines.split_last().unwrap();
    assert_eq!(*last, json!({ "findings": [] }));
    // Lines that the reader does not take in time are left out, but never the first ones.
    assert_eq!(before[0], json!({ "step": "pages", "done": 0, "of": 1 }));
    let is_progress = |line: &Value| line["step"].is_string() && line["done"].is_u64() && line["of"].is_u64();
    assert!(before.iter().all(is_progress), "{before:?}");
}

#[tokio::test]
async fn one_deep_check_runs_at_a_time_whichever_way_it_is_asked_for() {
    let server = Server::start().await;
    let running = server.actions.deep_check();
    assert!(running.is_some());
    for path in ["/api/v1/system/check", "/api/v1/system?deep=true"] {
        let refused = server.get(path).await;
        assert_eq!(refused.header("retry-after"), "30");
        assert_eq!(refused.problem(), (429, "deep_check_runs".into()));
    }
    assert_eq!(server.get("/api/v1/system").await.status, 200);
    drop(running);
    assert_eq!(server.get("/api/v1/system?deep=true").await.status, 200);
    assert_eq!(server.get("/api/v1/system?deep=true").await.status, 200);
}

#[tokio::test]
async fn a_backup_is_written_once_and_only_into_its_folder() {
    let server = Server::start().await;
    let back_up = async |name: &str| {
        server
            .post("/api/v1/system/backup", json!({ "name": name }))
            .await
    };
    assert_eq!(back_up("monday.db").await.status, 201);
    assert_eq!(
        back_up("monday.db").await.problem(),
        (409, "already_exists".into())
    );
    assert_eq!(
        back_up("../monday.db").await.problem(),
        (422, "invalid_fields".into())
    );
}

#[tokio::test]
async fn rekeying_counts_the_secrets() {
    let server = Server::start().await;
    server.webhook().await;
    let rekeyed = server.post("/api/v1/system/rekey", json!({})).await.json();
    assert!(rekeyed["count"].as_u64().unwrap() >= 1);
}

#[tokio::test]
async fn backups_and_new_master_keys_are_in_the_audit_log() {
    let server = Server::start().await;
    server
        .post("/api/v1/system/backup", json!({ "name": "monday.db" }))
        .await;
    server.post("/api/v1/system/rekey", json!({})).await;
    let log = server.get("/api/v1/audit").await.json();
    let entries = [1, 0].map(|index| (&log["items"][index]["action"], &log["items"][index]["subject"]));
    let expected = [
        (&json!("system.backup"), &json!("monday.db")),
        (&json!("system.rekey"), &json!("master-key")),
    ];
    assert_eq!(entries, expected);
    assert_eq!(log["items"][0]["actor"]["kind"], "key");
}
