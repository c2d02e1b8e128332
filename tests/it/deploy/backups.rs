//! The backup units: what they run makes a copy, old copies go, and a server that is started on one has everything.

use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::process::Command;

use super::text;
use crate::fleet::postgres;
use crate::support::api_client::ApiClient;
use crate::support::receiver::{OK, Receiver};
use crate::support::server_process::ServerProcess;

const OPSKNIGHT: &str = env!("CARGO_BIN_EXE_opsknight");
const MASTER_KEY: &str = "abababababababababababababababababababababababababababababababab";
/// What keeps a restored server from sending to real receivers, as `docs/operations.md` has it.
const DRILL: [&str; 2] = [
    "outbound.proxy=http://127.0.0.1:39999",
    "outbound.allow=127.0.0.1",
];

/// The commands of a unit, as systemd hands them to a shell, with other paths in place of some.
fn commands(unit: &str, paths: &[(&str, &str)]) -> Vec<String> {
    let unit = text(unit);
    let lines = unit.lines().filter_map(|line| line.strip_prefix("ExecStart="));
    lines
        .map(|line| {
            let plain = line.replace("$$", "$").replace("%%", "%");
            paths
                .iter()
                .fold(plain, |line, (path, other)| line.replace(path, other))
        })
        .collect()
}

/// Runs them one after another, as systemd does.
async fn run(commands: &[String], environment: &[(&str, &str)]) {
    for command in commands {
        let output = Command::new("sh")
            .args(["-c", command])
            .envs(environment.iter().copied())
            .output();
        let output = output.await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command}: {said}");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The one copy that was made today.
fn copy_of_today(folder: &Path) -> PathBuf {
    let names = names(folder);
    let copies: Vec<_> = names.iter().filter(|name| name.starts_with("daily-2")).collect();
    assert_eq!(copies.len(), 1, "{names:?}");
    folder.join(copies[0])
}

/// A file of three weeks ago.
fn make_old(path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    let three_weeks = std::time::Duration::from_secs(21 * 24 * 3600);
    let modified_at = file.metadata().unwrap().modified().unwrap();
    file.set_modified(modified_at.checked_sub(three_weeks).unwrap())
        .unwrap();
}

/// An incident, and a webhook that was told of it.
async fn fill(api: &ApiClient) {
    let mut receiver = Receiver::start(&[OK]).await;
    api.post("/api/v1/services", json!({"name": "API"}))
        .await
        .expect(201);
    let webhook = json!({
        "name": "kept",
        "url": format!("http://{}/", receiver.address),
        "secret": "a secret that the master key opens",
        "events": ["incident.triggered"],
    });
    api.post("/api/v1/webhooks", webhook).await.expect(201);
    let incident = json!({"title": "kept", "service": {"name": "API"}});
    api.post("/api/v1/incidents", incident).await.expect(201);
    receiver.next_request().await;
}

/// A server on the copy has the incident, and nothing to say about its store.
async fn verify(server: ServerProcess) {
    let api = ApiClient::new(&server.url, &server.key);
    let incidents = api.get("/api/v1/incidents").await.expect(200).json();
    assert_eq!(incidents["items"][0]["title"], "kept", "{incidents}");
    let output = Command::new(OPSKNIGHT)
        .args(["doctor", "--deep", "--url", &server.url, "--key", &server.key])
        .output();
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // The tests' PostgreSQL is set up to be quick.
    let of_the_tests = ["(fsync_off)", "(full_page_writes_off)", "(autovacuum_off)"];
    let failed = said.lines().filter(|line| line.starts_with("FAILED"));
    let of_data = failed.filter(|line| !of_the_tests.iter().any(|code| line.contains(code)));
    assert_eq!(of_data.count(), 0, "{said}");
    assert!(server.terminate().await);
}

#[tokio::test]
async fn the_nightly_copy_of_an_sqlite_can_be_restored_and_old_ones_go() {
    let (data, secrets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = ServerProcess::start(data.path()).await;
    fill(&ApiClient::new(&server.url, &server.key)).await;
    let key = secrets.path().join("key");
    std::fs::write(&key, &server.key).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let backups = data.path().join("backups");
    std::fs::create_dir_all(&backups).unwrap();
    for name in ["daily-old.db", "by-hand.db"] {
        make_old(&backups.join(name));
    }
    let folder = format!("{}/", backups.display());
    let paths = [
        ("/usr/local/bin/opsknight", OPSKNIGHT),
        ("/var/lib/opsknight/backups/", folder.as_str()),
    ];
    let environment = [
        ("OPSKNIGHT_URL", server.url.as_str()),
        ("OPSKNIGHT_API_KEY_FILE", key.to_str().unwrap()),
    ];
    run(&commands("deploy/opsknight-backup.service", &paths), &environment).await;
    assert_eq!(names(&backups)[0], "by-hand.db", "what people made stays");
    let drill = tempfile::tempdir().unwrap();
    std::fs::copy(copy_of_today(&backups), drill.path().join("opsknight.db")).unwrap();
    std::fs::copy(data.path().join("master.key"), drill.path().join("master.key")).unwrap();
    verify(start_drill(drill.path(), &[]).await).await;
    assert!(server.terminate().await);
}

#[tokio::test]
async fn the_nightly_dump_of_a_postgresql_can_be_restored_and_old_ones_go() {
    let (data, dumps) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (host, port) = socket();
    let database = postgres::server().new_empty_database();
    let url = |database: &str| format!("postgres:///{database}?host={host}&port={port}&user=postgres");
    let server = start_drill(data.path(), &[("OPSKNIGHT_DATABASE", &url(&database))]).await;
    let api = ApiClient::new(&server.url, &server.key);
    api.post("/api/v1/services", json!({"name": "API"}))
        .await
        .expect(201);
    let incident = json!({"title": "kept", "service": {"name": "API"}});
    api.post("/api/v1/incidents", incident).await.expect(201);
    make_old(&dumps.path().join("daily-old.dump"));
    let copy = postgres::server().new_empty_database();
    let environment = [
        ("STATE_DIRECTORY", dumps.path().to_str().unwrap()),
        ("PGHOST", host.as_str()),
        ("PGPORT", port.as_str()),
        ("PGUSER", "postgres"),
        ("PGDATABASE", database.as_str()),
    ];
    run(
        &commands("deploy/opsknight-backup-postgres.service", &[]),
        &environment,
    )
    .await;
    assert_eq!(names(dumps.path()).len(), 1);
    let dump = copy_of_today(dumps.path());
    let restore = format!(
        "pg_restore --exit-on-error --no-owner --dbname={copy} {}",
        dump.display()
    );
    run(&[restore], &environment).await;
    let drill = tempfile::tempdir().unwrap();
    verify(start_drill(drill.path(), &[("OPSKNIGHT_DATABASE", &url(&copy))]).await).await;
    assert!(server.terminate().await);
}

/// Where the tests' own PostgreSQL listens.
fn socket() -> (String, String) {
    let server = postgres::server();
    let words = server.url("postgres");
    let host = words
        .split_whitespace()
        .find_map(|word| word.strip_prefix("host="));
    (host.unwrap().to_owned(), server.port().to_string())
}

/// A server that reaches no receiver; on an SQLite it has the master key of its folder.
async fn start_drill(data: &Path, environment: &[(&str, &str)]) -> ServerProcess {
    ServerProcess::start_under(&[], data, |command| {
        for setting in DRILL {
            command.args(["--set", setting]);
        }
        if !environment.is_empty() {
            command.env("OPSKNIGHT_MASTER_KEY", MASTER_KEY);
        }
        command.envs(environment.iter().copied());
    })
    .await
}

#[test]
fn the_drill_in_the_documents_is_the_one_that_is_tested() {
    let operations = text("docs/operations.md");
    let settings = DRILL.map(|setting| format!("--set {setting}")).join(" ");
    assert_eq!(
        operations.matches(&settings).count(),
        2,
        "for SQLite and for PostgreSQL"
    );
}
