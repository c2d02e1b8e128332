//! A write-ahead log that was damaged or deleted between two runs: SQLite drops what was committed without a word.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::api_client::ApiClient;
use crate::support::server_process::ServerProcess;

use super::{codes, database, metric};

/// Incidents that are in the log and not yet in the database.
const INCIDENTS: usize = 20;

/// A server with a service and its incidents, killed; what a client had seen of the feed.
async fn kill_in_work(directory: &Path) -> i64 {
    // The schema and the key are in the database itself; what follows is not yet.
    assert!(ServerProcess::start(directory).await.terminate().await);
    let server = ServerProcess::start(directory).await;
    let api = ApiClient::new(&server.url, &server.key);
    let service = json!({"name": "API Gateway"});
    api.post("/api/v1/services", service).await.expect(201);
    for number in 0..INCIDENTS {
        let incident = json!({"title": format!("incident {number}"), "service": {"name": "API Gateway"}});
        api.post("/api/v1/incidents", incident).await.expect(201);
    }
    let system = api.get("/api/v1/system").await.expect(200).json();
    server.kill().await;
    system["store"]["lastEvent"].as_i64().unwrap()
}

/// Starts on what is left and expects to be told of the loss until it is accepted; says how many events are missing.
async fn expect_the_truth(directory: &Path, expected: &[&str]) -> u64 {
    let server = ServerProcess::start(directory).await;
    let api = ApiClient::new(&server.url, &server.key);
    assert_eq!(codes(&api, "troubles").await, expected);
    let lost = metric(&api, "opsknight_store_lost_events").await;
    assert!(lost >= 1.0, "{lost}");
    assert!(server.terminate().await);
    // It is not forgotten by a restart.
    let server = ServerProcess::start(directory).await;
    let api = ApiClient::new(&server.url, &server.key);
    assert_eq!(codes(&api, "troubles").await, ["events_lost"]);
    let accepted = api
        .post("/api/v1/system/accept-loss", json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(codes(&api, "troubles").await, [""; 0]);
    let audit = api.get("/api/v1/audit").await.expect(200).json();
    assert_eq!(audit["items"][0]["action"], "system.accept_loss");
    assert!(server.terminate().await);
    accepted["events"].as_u64().unwrap()
}

#[tokio::test]
async fn a_damaged_log_is_told_with_what_it_cost() {
    let folder = tempfile::tempdir().unwrap();
    kill_in_work(folder.path()).await;
    let log = folder.path().join("opsknight.db-wal");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let lost = expect_the_truth(folder.path(), &["log_damaged", "events_lost"]).await;
    assert!((1..=INCIDENTS as u64).contains(&lost), "{lost}");
    let kept = fs::read(folder.path().join("opsknight.db-wal.damaged")).unwrap();
    assert_eq!(kept, bytes);
}

#[tokio::test]
async fn a_deleted_log_is_told_and_no_event_number_comes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let seen = kill_in_work(folder.path()).await;
    fs::remove_file(folder.path().join("opsknight.db-wal")).unwrap();
    fs::remove_file(folder.path().join("opsknight.db-shm")).unwrap();
    expect_the_truth(folder.path(), &["events_lost"]).await;
    let server = ServerProcess::start(folder.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    api.post("/api/v1/services", json!({"name": "Web"}))
        .await
        .expect(201);
    let incident = json!({"title": "after", "service": {"name": "Web"}});
    api.post("/api/v1/incidents", incident).await.expect(201);
    let system = api.get("/api/v1/system").await.expect(200).json();
    assert!(system["store"]["lastEvent"].as_i64().unwrap() > seen);
}

#[tokio::test]
async fn a_restored_backup_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let server = ServerProcess::start(folder.path()).await;
    assert!(server.terminate().await);
    fs::copy(database(folder.path()), &copy).unwrap();
    kill_in_work(folder.path()).await;
    fs::rename(&copy, database(folder.path())).unwrap();
    for name in ["opsknight.db-wal", "opsknight.db-shm"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let lost = expect_the_truth(folder.path(), &["events_lost"]).await;
    assert_eq!(lost, INCIDENTS as u64);
}

#[tokio::test]
async fn a_kill_alone_loses_nothing_and_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    kill_in_work(folder.path()).await;
    let server = ServerProcess::start(folder.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    assert_eq!(codes(&api, "troubles").await, [""; 0]);
    assert_eq!(codes(&api, "findings").await, [""; 0]);
}
