//! A full disk: by the limit of the file in every run, by a really full file system where one may be mounted.

use std::path::Path;
use std::process::Command;

use config::Config;

use crate::support::test_app::{Names, TestApp};

use super::{codes, metric, try_to_trigger};

/// Room for the schema and a few incidents.
const LIMIT_BYTES: u64 = 1024 * 1024;
/// More incidents than fit, each of this length.
const MAX_INCIDENTS: usize = 300;
const LENGTH: usize = 8000;
/// A file system that is soon full.
const DISK_OPTIONS: &str = "size=4m,mode=700";

/// Triggers incidents until one is refused.
async fn fill(app: &TestApp) {
    for number in 0..MAX_INCIDENTS {
        let answer = try_to_trigger(&app.api, &format!("incident {number}"), LENGTH).await;
        if answer.status != 201 {
            assert_eq!(answer.status, 503);
            assert_eq!(answer.json()["code"], "store_unavailable");
            return;
        }
    }
    panic!("everything fitted");
}

/// After each refused change, nothing may say that all is well.
async fn expect_the_truth(app: &TestApp) {
    for round in 1..4 {
        assert_eq!(try_to_trigger(&app.api, "one more", LENGTH).await.status, 503);
        assert_eq!(app.api.get("/readyz").await.status, 503, "round {round}");
    }
    assert_eq!(codes(&app.api, "troubles").await, ["commits_fail"]);
    let system = app.api.get("/api/v1/system").await.expect(200).json();
    let sentence = system["troubles"][0]["sentence"].as_str().unwrap();
    assert!(sentence.contains(" free of "), "{sentence}");
    assert!(system["store"]["disk"]["totalBytes"].as_u64().unwrap() > 0);
    assert!(metric(&app.api, "opsknight_store_failed_commits_total").await >= 4.0);
    let troubles = metric(&app.api, "opsknight_store_troubles{state=\"commits_fail\"}").await;
    assert!((troubles - 1.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_store_at_its_limit_is_not_ready_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let limited = |config: &mut Config| config.max_database_bytes = Some(LIMIT_BYTES);
    let app = TestApp::start_with(folder.path(), &limited, Names::default()).await;
    app.create_service().await;
    assert_eq!(app.api.get("/readyz").await.status, 200);
    fill(&app).await;
    expect_the_truth(&app).await;
    let app = app.restart(folder.path()).await;
    assert_eq!(
        try_to_trigger(&app.api, "there is room again", LENGTH)
            .await
            .status,
        201
    );
    assert_eq!(app.api.get("/readyz").await.status, 200);
    assert_eq!(codes(&app.api, "troubles").await, [""; 0]);
}

/// A small file system, taken away when dropped.
struct SmallDisk<'a>(&'a Path);

impl SmallDisk<'_> {
    fn mount(at: &Path) -> Option<SmallDisk<'_>> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", DISK_OPTIONS, "tmpfs"])
            .arg(at)
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_named_and_space_heals_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(folder.path()) else {
        assert!(std::env::var_os("CI").is_none(), "CI can mount a tmpfs");
        println!(
            "LEFT OUT: a tmpfs cannot be mounted here (it takes root); the test of a full disk did not run"
        );
        return;
    };
    let app = TestApp::start(folder.path()).await;
    app.create_service().await;
    let ballast = folder.path().join("ballast");
    std::fs::write(&ballast, vec![0; 1024 * 1024]).unwrap();
    fill(&app).await;
    expect_the_truth(&app).await;
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(
        try_to_trigger(&app.api, "there is room again", LENGTH)
            .await
            .status,
        201
    );
    // A failure holds for a second of the server's clock.
    app.advance(std::time::Duration::from_secs(1));
    assert_eq!(app.api.get("/readyz").await.status, 200);
    assert_eq!(codes(&app.api, "troubles").await, [""; 0]);
}
