//! Foreign clients from PyPI judge the simulated ticket systems, and only then our tickets in them. `./check` makes their
//! environment (`tests/judges/requirements.txt`) and says if it cannot; in CI a missing one fails otherwise.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Desk, KINDS};
use crate::support::platform::Platform;

/// Simulated systems for which there is no kind yet.
const CODE_HOSTS: [&str; 2] = ["github", "gitlab"];

/// The environment that `./check` makes; nothing if it said that it could not.
fn python() -> Option<PathBuf> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let python = target.join("judges/bin/python");
    if python.exists() {
        return Some(python);
    }
    let is_said = std::env::var_os("CHECK_MISSING_JUDGES").is_some_and(|said| !said.is_empty());
    assert!(
        is_said || std::env::var_os("CI").is_none(),
        "the judges are missing: run ./check, which installs tests/judges/requirements.txt"
    );
    eprintln!("not judged: {} is missing", python.display());
    None
}

/// Runs a judge and says what it said.
async fn judge(script: &str, arguments: &[&str]) {
    let Some(python) = python() else { return };
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .join("tests/judges")
        .join(script);
    let output = tokio::process::Command::new(python)
        .arg(&script)
        .args(arguments)
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}: {}", script.display(), said.concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_clients_use_the_simulated_systems_like_real_ones() {
    for kind in KINDS.into_iter().chain(CODE_HOSTS) {
        let system = Platform::start(kind).await;
        judge(&format!("{kind}_simulator.py"), &[&system.address]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_clients_see_our_ticket_as_we_mean_it() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        let incident = desk.app.trigger("Database connection timeout").await;
        desk.settle(1).await;
        let script = format!("{kind}_ticket.py");
        let (new, done) = match kind {
            "jira" => ("new", "done"),
            _ => ("1", "6"),
        };
        judge(&script, &[&desk.system.address, &incident, new]).await;
        desk.app.act(&incident, "resolve").await;
        desk.settle(2).await;
        judge(&script, &[&desk.system.address, &incident, done]).await;
    }
}
