//! From a data directory into a PostgreSQL, with the real command: everything arrives once, whatever interrupts it, and
//! servers serve one of the two only.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::process::Command;

use super::earlier::{schemas, write_version};
use super::{new_database, settle};
use crate::support::api_client::ApiClient;
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::seed::Seeded;
use crate::support::server_process::ServerProcess;

/// The key of folders that no server has made.
const KEY: &str = "abababababababababababababababababababababababababababababababab";
/// Many rows, so that there is time to interrupt.
const FILL: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
    INSERT INTO audit SELECT unhex(printf('%032x', i)), i, 'system', 'test.fill', 'row ' || i, 'x' || char(0) || i FROM n;
    WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
    INSERT INTO events (sequence, id, incident_id, name, at, actor, body)
    SELECT i, unhex(printf('%032x', i)), unhex(printf('%032x', 7)), 'incident.triggered', i, 'system', x'7b7d' FROM n;
    WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
    INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, node, claim, created_at)
    SELECT unhex(printf('%032x', i)), unhex(printf('%032x', 3)), unhex(printf('%032x', 7)), i,
        iif(i = 1000, 'claimed', 'queued'), i, iif(i = 1000, 5, NULL), iif(i = 1000, 6, NULL), i FROM n;
    UPDATE ledger SET accepted = accepted + 5001 WHERE webhook_id = unhex(printf('%032x', 3));
    DELETE FROM events WHERE sequence = 6000;";

/// A user with a passkey.
const PASSKEY: &str = "
    INSERT INTO users (id, email, name, role, created_at) VALUES (zeroblob(16), 'ada@example.com', 'Ada', 'admin', 0);
    INSERT INTO passkeys (id, user_id, name, credential_id, public_key, sign_count, created_at)
    VALUES (zeroblob(16), zeroblob(16), 'Ada''s phone', x'03', CAST('key' AS BLOB), 4294967295, 0);";

/// A folder as a version with this schema left it.
fn folder_of_version(version: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    drop(write_version(&schemas(), version, folder.path()));
    folder
}

fn command(folder: &Path, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_opsknight"));
    command
        .args(["migrate", "--json", "--from"])
        .arg(format!("sqlite:{}", folder.display()))
        .env("OPSKNIGHT_DATABASE", url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What the command says: its report, or the error.
async fn migrate(folder: &Path, url: &str, key: Option<&str>) -> Result<Value, String> {
    let mut command = command(folder, url);
    if let Some(key) = key {
        command.env("OPSKNIGHT_MASTER_KEY", key);
    }
    let output = command.output().await.unwrap();
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

/// What a server says that must not start.
async fn refusal(arguments: &[&str], data: &Path, key: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_opsknight"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(arguments);
    command.env("OPSKNIGHT_MASTER_KEY", key).kill_on_drop(true);
    let output = command.output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

fn rows(report: &Value, table: &str) -> u64 {
    let tables = report["tables"].as_array().unwrap();
    let found = tables.iter().find(|found| found["name"] == table).unwrap();
    found["rows"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_data_directory_holds_is_delivered_from_the_database_it_was_moved_to() {
    let (folder, data, [url, _]) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        new_database(),
    );
    // The first request hangs, and is in flight when the server dies.
    let mut receiver = Receiver::start(&[Reply::Hang, OK]).await;
    let server = ServerProcess::start(folder.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    api.post("/api/v1/services", json!({"name": "Moved"}))
        .await
        .expect(201);
    let webhook = json!({
        "name": "moved",
        "url": format!("http://{}/", receiver.address),
        "events": ["incident.triggered", "incident.acknowledged"],
        "headers": {"X-Token": "sealed too"},
    });
    let webhook = api.post("/api/v1/webhooks", webhook).await.expect(201).json();
    let secret = webhook["secret"].as_str().unwrap().to_owned();
    let incident = json!({"title": "before", "service": {"name": "Moved"}});
    let incident = api.post("/api/v1/incidents", incident).await.expect(201).json();
    let id = incident["id"].as_str().unwrap();
    let acknowledge = format!("/api/v1/incidents/{id}/acknowledge");
    api.post(&acknowledge, json!({})).await.expect(200);
    let hung = receiver.next_request().await;
    let refused = migrate(folder.path(), &url, None).await.unwrap_err();
    assert!(
        refused.contains("another OpsKnight uses") && refused.contains("(source_unavailable)"),
        "{refused}"
    );
    let key = server.key.clone();
    server.kill().await;
    let connection = Connection::open(folder.path().join("opsknight.db")).unwrap();
    connection.execute_batch(PASSKEY).unwrap();
    drop(connection);

    let report = migrate(folder.path(), &url, None).await.unwrap();
    assert_eq!(
        (report["released"].as_u64(), rows(&report, "deliveries")),
        (Some(1), 2)
    );
    assert_eq!(
        (rows(&report, "events"), report["resealed"].as_u64()),
        (2, Some(0))
    );
    let client = super::postgres::server().connect(database_name(&url)).await;
    let passkey = "SELECT convert_from(public_key, 'UTF8') || ' ' || sign_count || ' ' || name FROM passkeys";
    let passkey: String = client.query_one(passkey, &[]).await.unwrap().get(0);
    assert_eq!(passkey, "key 4294967295 Ada's phone");
    let again = migrate(folder.path(), &url, None).await.unwrap();
    assert_eq!(again["wasMovedBefore"], true);

    let key_file = folder.path().join("master.key");
    let server = ServerProcess::start_under(&[], data.path(), |command| {
        command
            .env("OPSKNIGHT_DATABASE", &url)
            .env("OPSKNIGHT_MASTER_KEY_FILE", &key_file);
    })
    .await;
    // The key of the old server is one of the new.
    let api = ApiClient::new(&server.url, &key);
    settle(&api).await;
    let judge = standardwebhooks::Webhook::new(&secret).unwrap();
    let delivery_of = |request: &str| header(request, "webhook-id");
    let first = receiver.next_request().await;
    assert_eq!(delivery_of(&first), delivery_of(&hung));
    let second = receiver.next_request().await;
    for (request, event) in [(&first, "incident.triggered"), (&second, "incident.acknowledged")] {
        let body = request.split_once("\r\n\r\n").unwrap().1;
        let at = header(request, "webhook-timestamp").parse().unwrap();
        let signature = judge.sign(&delivery_of(request), at, body.as_bytes()).unwrap();
        assert_eq!(header(request, "webhook-signature"), signature);
        assert_eq!(header(request, "x-token"), "sealed too");
        assert_eq!(serde_json::from_str::<Value>(body).unwrap()["event"], event);
    }
    let system = api.get("/api/v1/system").await.expect(200).json();
    assert_eq!(system["missing"], 0, "{system}");
    let feed = api.get("/api/v1/events").await.expect(200).json();
    assert_eq!(feed["items"].as_array().unwrap().len(), 2);
    assert!(server.terminate().await);

    let refused = refusal(&[], folder.path(), "").await;
    assert!(refused.contains("(data_moved)"), "{refused}");
    let forced = ServerProcess::start_under(&[], folder.path(), |command| {
        command.arg("--force-moved");
    })
    .await;
    assert!(forced.terminate().await);
    // From now on it is a data directory like any other.
    assert!(ServerProcess::start(folder.path()).await.terminate().await);
    let refused = migrate(folder.path(), &url, None).await.unwrap_err();
    assert!(refused.contains("(target_not_empty)"), "{refused}");
}

fn header(request: &str, name: &str) -> String {
    let lines = request
        .lines()
        .map_while(|line| line.split_once(": ").or(Some((line, ""))));
    let found = lines
        .into_iter()
        .find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.unwrap_or_default().1.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_each_earlier_version_is_moved_with_every_row() {
    let schemas = schemas();
    for version in (1..=schemas.len()).filter(|version| schemas[version - 1].rows.is_some()) {
        let folder = folder_of_version(version);
        let [url, _] = new_database();
        let report = migrate(folder.path(), &url, Some(KEY)).await.unwrap();
        let connection = Connection::open(folder.path().join("opsknight.db")).unwrap();
        for table in [
            "users",
            "incidents",
            "events",
            "deliveries",
            "attempts",
            "ticket_links",
            "memories",
        ] {
            let sql = format!("SELECT count(*) FROM {table}");
            let count: u32 = connection.query_row(&sql, (), |row| row.get(0)).unwrap();
            assert_eq!(
                rows(&report, table),
                u64::from(count),
                "{table} of version {version}"
            );
        }
        // Their secrets were never sealed.
        assert!(report["unreadable"].as_u64().unwrap() > 0, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_killed_again_and_again_goes_on_and_ends_with_everything() {
    let mut random = Seeded::from_environment("fleet::moving");
    let (folder, data, [url, _]) = (folder_of_version(9), tempfile::tempdir().unwrap(), new_database());
    let connection = Connection::open(folder.path().join("opsknight.db")).unwrap();
    connection.execute_batch(FILL).unwrap();
    drop(connection);
    let mut kills = 0;
    for _ in 0..8 {
        let mut child = command(folder.path(), &url)
            .env("OPSKNIGHT_MASTER_KEY", KEY)
            .spawn()
            .unwrap();
        let wait = Duration::from_millis(30 + random.below(500));
        if tokio::time::timeout(wait, child.wait()).await.is_err() {
            child.kill().await.unwrap();
            kills += 1;
        }
    }
    let client = super::postgres::server().connect(database_name(&url)).await;
    let sql = "SELECT 1 FROM pg_tables WHERE tablename = 'transfer'";
    if !client.query(sql, &[]).await.unwrap().is_empty() {
        let sql = "SELECT 1 FROM transfer WHERE finished_at IS NULL";
        if !client.query(sql, &[]).await.unwrap().is_empty() {
            let refused = refusal(&["--database", &url], data.path(), KEY).await;
            assert!(refused.contains("(transfer_unfinished)"), "{refused}");
            let refused = refusal(&[], folder.path(), KEY).await;
            assert!(refused.contains("(data_moved)"), "{refused}");
            let other = folder_of_version(9);
            let refused = migrate(other.path(), &url, Some(KEY)).await.unwrap_err();
            assert!(refused.contains("(other_transfer)"), "{refused}");
        }
    }
    let report = migrate(folder.path(), &url, Some(KEY)).await.unwrap();
    assert!(kills > 0, "the command was never interrupted");
    let count = async |sql: &str| client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(
        count("SELECT count(*) FROM audit WHERE action = 'test.fill'").await,
        8001
    );
    assert_eq!(
        count("SELECT count(*) FROM deliveries WHERE due_at >= 1000").await,
        5001
    );
    assert_eq!(
        count("SELECT count(*) FROM deliveries WHERE state = 'claimed'").await,
        0
    );
    assert_eq!(
        count("SELECT count(*) FROM audit WHERE detail LIKE 'x' || U&'\\FFFD' || '%'").await,
        8001
    );
    // Numbers of the feed are never used twice, though the last event is gone.
    let next = "SELECT nextval(pg_get_serial_sequence('events', 'sequence'))";
    assert_eq!(count(next).await, 6001);
    if report["wasMovedBefore"] != true {
        assert_eq!(report["replaced"].as_u64(), Some(8001));
        assert!(rows(&report, "audit") >= 8001);
    }
}

fn database_name(url: &str) -> &str {
    url.split(['/', '?'])
        .find(|part| part.starts_with("empty_"))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_and_a_folder_without_data_change_nothing() {
    let (folder, [url, _]) = (tempfile::tempdir().unwrap(), new_database());
    let refused = migrate(folder.path(), &url, Some(KEY)).await.unwrap_err();
    assert!(refused.contains("(no_data)"), "{refused}");
    let server = ServerProcess::start(folder.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    let webhook =
        json!({"name": "sealed", "url": "http://127.0.0.1:8123/", "events": ["incident.triggered"]});
    api.post("/api/v1/webhooks", webhook).await.expect(201);
    assert!(server.terminate().await);
    let refused = migrate(folder.path(), &url, Some(KEY)).await.unwrap_err();
    assert!(refused.contains("(wrong_key)"), "{refused}");
    let server = ServerProcess::start(folder.path()).await;
    assert!(server.terminate().await, "it was not moved");

    let resealed = async |key: &'static str| {
        let mut command = command(folder.path(), &url);
        command
            .env("OPSKNIGHT_TARGET_MASTER_KEY", key)
            .output()
            .await
            .unwrap()
    };
    let output = resealed(KEY).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["resealed"], 1);
    let data = tempfile::tempdir().unwrap();
    let key_of_old = std::fs::read_to_string(folder.path().join("master.key")).unwrap();
    let refused = refusal(&["--database", &url], data.path(), key_of_old.trim()).await;
    assert!(refused.contains("sealed under another master key"), "{refused}");
    assert!(
        super::start(&url, data.path()).await.terminate().await,
        "KEY opens it"
    );
}
