//! The files are deleted, moved or replaced while the server has them open.

use std::fs;
use std::path::Path;

use crate::support::test_app::TestApp;

use super::{codes, database, try_to_trigger};

/// A server with one incident.
async fn server(directory: &Path) -> TestApp {
    let app = TestApp::start(directory).await;
    app.create_service().await;
    app.trigger("before").await;
    app
}

async fn expect_refusal(app: &TestApp) {
    let refused = try_to_trigger(&app.api, "into the void", 10).await;
    assert_eq!(refused.status, 503);
    let problem = refused.json();
    assert_eq!(problem["code"], "store_files_replaced", "{problem}");
    assert_eq!(app.api.get("/readyz").await.status, 503);
    assert_eq!(codes(&app.api, "troubles").await, ["files_replaced"]);
}

#[tokio::test]
async fn nothing_is_accepted_once_a_file_was_deleted() {
    for name in ["opsknight.db", "opsknight.db-wal", "opsknight.lock"] {
        let folder = tempfile::tempdir().unwrap();
        let app = server(folder.path()).await;
        fs::remove_file(folder.path().join(name)).unwrap();
        expect_refusal(&app).await;
    }
}

#[tokio::test]
async fn a_backup_that_is_put_in_place_of_the_running_database_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let app = server(folder.path()).await;
    let backup = serde_json::json!({"name": "backup.db"});
    app.api.post("/api/v1/system/backup", backup).await.expect(201);
    let copy = folder.path().join("backups/backup.db");
    fs::rename(copy, database(folder.path())).unwrap();
    expect_refusal(&app).await;
}

#[tokio::test]
async fn what_the_server_still_holds_can_be_copied_and_started_with() {
    let folder = tempfile::tempdir().unwrap();
    let app = server(folder.path()).await;
    for name in ["opsknight.db", "opsknight.db-wal", "opsknight.db-shm"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    expect_refusal(&app).await;
    let backup = serde_json::json!({"name": "rescue.db"});
    app.api.post("/api/v1/system/backup", backup).await.expect(201);
    let other = tempfile::tempdir().unwrap();
    fs::copy(folder.path().join("backups/rescue.db"), database(other.path())).unwrap();
    for name in ["master.key", "dev.key"] {
        fs::copy(folder.path().join(name), other.path().join(name)).unwrap();
    }
    let rescued = TestApp::start(other.path()).await;
    let incidents = rescued.api.get("/api/v1/incidents").await.expect(200).json();
    assert_eq!(incidents["items"][0]["title"], "before");
}

#[tokio::test]
async fn files_that_come_back_are_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let app = server(folder.path()).await;
    let aside = folder.path().join("aside");
    fs::rename(database(folder.path()), &aside).unwrap();
    expect_refusal(&app).await;
    fs::rename(&aside, database(folder.path())).unwrap();
    app.trigger("after").await;
    app.advance(std::time::Duration::from_secs(1));
    assert_eq!(app.api.get("/readyz").await.status, 200);
    assert_eq!(codes(&app.api, "troubles").await, [""; 0]);
}
