//! An export of a database itself, beside the server that runs on it.

use std::process::Output;

use serde_json::json;
use tokio::process::Command;

use super::{new_database, start};
use crate::support::api_client::ApiClient;

async fn export(what: &str, from: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_opsknight"));
    command.args(["export", "--what", what, "--to", "-"]).args(from);
    command.kill_on_drop(true).output().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_database_holds_is_exported_as_its_server_does() {
    let (folder, [url, _]) = (tempfile::tempdir().unwrap(), new_database());
    let nothing = export("events", &["--database", &url]).await;
    let said = String::from_utf8(nothing.stderr).unwrap();
    assert!(said.contains("(other_schema)"), "{said}");
    let server = start(&url, folder.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    api.post("/api/v1/services", json!({"name": "API"}))
        .await
        .expect(201);
    for title in ["Down", "Down again"] {
        let incident = json!({"title": title, "service": {"name": "API"}});
        api.post("/api/v1/incidents", incident).await.expect(201);
    }
    for what in ["incidents", "events", "deliveries", "attempts"] {
        let asked = export(what, &["--url", &server.url, "--key", &server.key]).await;
        let read = export(what, &["--database", &url]).await;
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        assert_eq!(read.stdout, asked.stdout, "{what}");
    }
    let events = export("events", &["--database", &url]).await;
    assert_eq!(String::from_utf8(events.stdout).unwrap().lines().count(), 2);
    assert!(server.terminate().await);
}
