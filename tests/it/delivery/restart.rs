//! What a new start finds: claims of a killed run, another master key.

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::api_client::ApiClient;
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::server_process::ServerProcess;

#[tokio::test]
async fn what_was_in_flight_at_a_kill_is_sent_again_right_after_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(&[Reply::Hang, OK]).await;
    let server = ServerProcess::start(directory.path()).await;
    trigger_one(&server, receiver.address).await;
    let first = receiver.next_request().await;
    server.kill().await;
    let server = ServerProcess::start(directory.path()).await;
    // Far below the lease of a node, which protects its claims against other nodes.
    let again = tokio::time::timeout(Duration::from_secs(20), receiver.next_request())
        .await
        .unwrap();
    assert_eq!(
        super::header(&again, "x-opsknight-delivery"),
        super::header(&first, "x-opsknight-delivery")
    );
    assert!(server.terminate().await);
}

#[tokio::test]
async fn another_master_key_is_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(directory.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    let webhook = serde_json::json!({
        "name": "sealed",
        "url": "http://127.0.0.1:9009/hooks",
        "events": ["incident.triggered"],
    });
    assert_eq!(api.post("/api/v1/webhooks", webhook).await.status, 201);
    assert!(server.terminate().await);
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_opsknight"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(directory.path())
        .env("OPSKNIGHT_MASTER_KEY", "ab".repeat(32))
        .output()
        .await
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(complaint.contains("OPSKNIGHT_PREVIOUS_MASTER_KEY"), "{complaint}");
}

#[tokio::test]
async fn a_second_signal_ends_the_wait_for_what_is_in_flight() {
    let directory = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(&[Reply::Hang]).await;
    let server = ServerProcess::start(directory.path()).await;
    trigger_one(&server, receiver.address).await;
    receiver.next_request().await;
    assert!(server.terminate_twice().await);
}

/// A webhook to a receiver, and one incident for it.
async fn trigger_one(server: &ServerProcess, receiver: SocketAddr) {
    let api = ApiClient::new(&server.url, &server.key);
    api.post("/api/v1/services", serde_json::json!({"name": "API"}))
        .await
        .expect(201);
    let webhook = serde_json::json!({
        "name": "receiver",
        "url": format!("http://{receiver}/"),
        "events": ["incident.triggered"],
    });
    api.post("/api/v1/webhooks", webhook).await.expect(201);
    let incident = serde_json::json!({"title": "in flight", "service": {"name": "API"}});
    api.post("/api/v1/incidents", incident).await.expect(201);
}
