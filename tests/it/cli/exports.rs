//! `opsknight export`: whole files from a real server, and going on after whatever broke it off.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use hex::ToHex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Run, piped, program};
use crate::api::parquet;
use crate::support::receiver::{OK, Receiver};
use crate::support::test_app::{PATIENCE, TestApp};
use tables::{Column, columns};

/// How many rows the server made of a script has: more bytes than are written between two checkpoints.
const ROWS: usize = 3000;
/// How long each is, about.
const ROW_BYTES: usize = 8000;

/// What a connection of the server does after so many rows.
#[derive(Clone, Copy)]
enum Act {
    /// Nothing more, and keeps the connection.
    StallAfter(usize),
    /// Closes it.
    BreakAfter(usize),
    /// Comes to the end.
    Finish,
}

/// A server of one export that does what its script says, a connection after the other.
struct ScriptedServer {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

fn row(number: usize) -> String {
    let pad = "x".repeat(ROW_BYTES);
    format!("{{\"id\":{number},\"pad\":\"{pad}\",\"cursor\":\"c{number}\"}}\n")
}

fn whole() -> String {
    (0..ROWS).map(row).collect()
}

impl ScriptedServer {
    fn start(script: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            let mut kept = Vec::new();
            for act in script {
                let (stream, _) = listener.accept().unwrap();
                kept.push(serve(stream, act, &seen));
            }
            thread::park();
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn command(&self, folder: &Path) -> std::process::Command {
        let mut command = program();
        command
            .env("OPSKNIGHT_URL", &self.url)
            .env("OPSKNIGHT_API_KEY", "ok_test")
            .args(["export", "--what", "incidents", "--since", "7d", "--json", "--to"])
            .arg(folder);
        command
    }

    fn export(&self, folder: &Path) -> Run {
        self.command(folder).output().unwrap().into()
    }
}

fn serve(mut stream: TcpStream, act: Act, asked: &Mutex<Vec<String>>) -> Option<TcpStream> {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    while !lines.next().unwrap().unwrap().is_empty() {}
    let cursor = line
        .split("cursor=c")
        .nth(1)
        .and_then(|rest| rest.split(['&', ' ']).next());
    let first = cursor.map_or(0, |number| number.parse::<usize>().unwrap() + 1);
    asked.lock().unwrap().push(line);
    let end = match act {
        Act::StallAfter(rows) | Act::BreakAfter(rows) => rows,
        Act::Finish => ROWS,
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    for number in first..end {
        let row = row(number);
        // A client that was killed takes no more.
        if write!(stream, "{:x}\r\n{row}\r\n", row.len()).is_err() {
            break;
        }
    }
    match act {
        Act::StallAfter(_) => return Some(stream),
        // A row that is cut off in its middle.
        Act::BreakAfter(_) => stream.write_all(b"ffff\r\n{\"id\":").unwrap(),
        Act::Finish => stream.write_all(b"0\r\n\r\n").unwrap(),
    }
    None
}

/// Waits until a run has put something on disk for good.
fn wait_for_checkpoint(folder: &Path, child: &mut Child) {
    let since = Instant::now();
    let (_keep_open, never) = mpsc::channel::<()>();
    while !folder.join("incidents.ndjson.manifest.json").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the export has ended");
        assert!(since.elapsed() < PATIENCE, "the export reaches no checkpoint");
        // Always times out: nobody sends.
        let _ = never.recv_timeout(Duration::from_millis(5));
    }
}

fn expect_whole(folder: &Path, manifest: &Value) {
    let file = fs::read_to_string(folder.join("incidents.ndjson")).unwrap();
    assert!(file == whole(), "the file is the export, byte for byte");
    assert_eq!(manifest["rows"], ROWS);
    assert_eq!(manifest["bytes"], file.len());
    assert_eq!(manifest["sha256"], Sha256::digest(file).encode_hex::<String>());
    assert_eq!(manifest["isComplete"], true);
    let kept = fs::read(folder.join("incidents.ndjson.manifest.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&kept).unwrap(), *manifest);
    assert!(!folder.join("incidents.ndjson.part").exists());
}

#[test]
fn an_export_that_was_killed_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let server = ScriptedServer::start(vec![Act::StallAfter(2000), Act::Finish]);
    let mut child = piped(&mut server.command(folder.path())).spawn().unwrap();
    wait_for_checkpoint(folder.path(), &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let second = server.export(folder.path());
    assert_eq!(second.code, Some(0), "{}", second.err);
    expect_whole(folder.path(), &serde_json::from_str(&second.out).unwrap());
    let asked = server.asked();
    assert!(
        !asked[0].contains("cursor=") && asked[1].contains("cursor=c"),
        "{asked:?}"
    );
    let since = |line: &str| {
        line.split("since=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap()
            .to_owned()
    };
    assert!(asked[1].contains(&format!(
        "since={}",
        since(&asked[0]).trim_end_matches(" HTTP/1.1")
    )));
}

#[test]
fn an_interruption_that_passes_is_not_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let server = ScriptedServer::start(vec![Act::BreakAfter(1000), Act::BreakAfter(1001), Act::Finish]);
    let run = server.export(folder.path());
    assert_eq!(run.code, Some(0), "{}", run.err);
    expect_whole(folder.path(), &serde_json::from_str(&run.out).unwrap());
    let asked = server.asked();
    let cursors = asked[1..]
        .iter()
        .map(|line| line.contains("cursor=c999") || line.contains("cursor=c1000"));
    assert_eq!(cursors.collect::<Vec<_>>(), [true, true]);
}

#[test]
fn a_file_that_is_there_or_was_changed_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = ScriptedServer::start(vec![Act::StallAfter(2000)]);
    let mut child = piped(&mut server.command(folder.path())).spawn().unwrap();
    wait_for_checkpoint(folder.path(), &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut other = server.command(folder.path());
    let other: Run = other.args(["--until", "1d"]).output().unwrap().into();
    assert_eq!(other.code, Some(1));
    assert!(other.err.contains("asked for something else"), "{}", other.err);
    let part = folder.path().join("incidents.ndjson.part");
    let mut changed = fs::read(&part).unwrap();
    changed[3] ^= 1;
    fs::write(&part, changed).unwrap();
    let refused = server.export(folder.path());
    assert!(refused.err.contains("is not what"), "{}", refused.err);
    fs::write(folder.path().join("incidents.ndjson"), "mine").unwrap();
    let refused = server.export(folder.path());
    assert!(refused.err.contains("is there already"), "{}", refused.err);
}

#[test]
fn parquet_does_not_notice_an_interruption_and_begins_anew_when_it_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let server = ScriptedServer::start(vec![Act::StallAfter(2000), Act::BreakAfter(1000), Act::Finish]);
    let command = || {
        let mut command = server.command(folder.path());
        command.args(["--format", "parquet"]);
        command
    };
    let mut child = piped(&mut command()).spawn().unwrap();
    let part = folder.path().join("incidents.parquet.part");
    let (since, (_keep_open, never)) = (Instant::now(), mpsc::channel::<()>());
    while server.asked().is_empty() || !part.exists() {
        assert!(since.elapsed() < PATIENCE, "the export does not begin");
        // Always times out: nobody sends.
        let _ = never.recv_timeout(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(&part, "left by an earlier run").unwrap();
    let run: Run = command().output().unwrap().into();
    assert_eq!(run.code, Some(0), "{}", run.err);
    let cursors = server
        .asked()
        .iter()
        .map(|line| line.contains("cursor=c999"))
        .collect::<Vec<_>>();
    assert_eq!(cursors, [false, false, true]);
    let manifest: Value = serde_json::from_str(&run.out).unwrap();
    let path = folder.path().join("incidents.parquet");
    let file = fs::read(&path).unwrap();
    assert_eq!(
        (&manifest["rows"], &manifest["bytes"]),
        (&ROWS.into(), &file.len().into())
    );
    assert_eq!(manifest["sha256"], Sha256::digest(&file).encode_hex::<String>());
    assert!(!part.exists());
    if let Some(found) = parquet::read(&path) {
        let rows: Vec<_> = whole()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        parquet::expect(&found, columns::INCIDENTS, &rows);
    }
}

fn columns_of(what: &str) -> &'static [Column] {
    match what {
        "incidents" => columns::INCIDENTS,
        "events" => columns::EVENTS,
        "deliveries" => columns::DELIVERIES,
        _ => columns::ATTEMPTS,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_export_of_a_real_server_comes_whole() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let receiver = Receiver::start(&[OK]).await;
    app.create_webhook(&format!("http://{}/", receiver.address), serde_json::json!({}))
        .await;
    for number in 0..3 {
        app.trigger(&format!("Down, \"again\" {number}\u{a0}")).await;
    }
    app.quiesce().await;
    let (url, key) = (app.base(), app.api.key().to_owned());
    let folder = tempfile::tempdir().unwrap();
    for what in ["incidents", "events", "deliveries", "attempts"] {
        for (format, names) in [("ndjson", Some(0)), ("csv", Some(1)), ("parquet", None)] {
            let mut command = program();
            command.args([
                "export", "--url", &url, "--key", &key, "--what", what, "--format", format, "--to",
            ]);
            command.arg(folder.path());
            let run = tokio::task::spawn_blocking(move || Run::from(command.output().unwrap()));
            let run = run.await.unwrap();
            assert_eq!(run.code, Some(0), "{}", run.err);
            assert!(
                run.out.starts_with(&format!("3 {what} in {what}.{format} (")),
                "{}",
                run.out
            );
            let path = folder.path().join(format!("{what}.{format}"));
            if let Some(names) = names {
                let file = fs::read_to_string(path).unwrap();
                assert_eq!(file.lines().count(), 3 + names, "{file}");
            } else if let Some(found) = parquet::read(&path) {
                let lines = fs::read_to_string(folder.path().join(format!("{what}.ndjson"))).unwrap();
                let rows: Vec<Value> = lines
                    .lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect();
                parquet::expect(&found, columns_of(what), &rows);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_without_a_server_is_the_same_byte_for_byte() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let receiver = Receiver::start(&[OK]).await;
    app.create_webhook(&format!("http://{}/", receiver.address), serde_json::json!({}))
        .await;
    for number in 0..3 {
        app.trigger(&format!("Down, \"again\" {number}\u{a0}")).await;
    }
    app.quiesce().await;
    let data = directory.path().to_str().unwrap().to_owned();
    let (url, key) = (app.base(), app.api.key().to_owned());
    let export = async |from: Vec<&str>, what: &str, format: &str| {
        let mut command = program();
        command
            .args(["export", "--what", what, "--format", format, "--to", "-"])
            .args(from);
        let run = tokio::task::spawn_blocking(move || Run::from(command.output().unwrap()));
        run.await.unwrap()
    };
    let held = export(vec!["--data", &data], "incidents", "csv").await;
    assert_eq!(held.code, Some(1));
    assert!(held.err.contains("(source_unavailable)"), "{}", held.err);
    let kinds = ["incidents", "events", "deliveries", "attempts"];
    let mut asked = Vec::new();
    for what in kinds {
        for format in ["ndjson", "csv"] {
            let run = export(vec!["--url", &url, "--key", &key], what, format).await;
            assert!(run.out.contains("cursor"), "{}", run.err);
            asked.push((what, format, run.out));
        }
    }
    app.stop().await;
    for (what, format, expected) in asked {
        let run = export(vec!["--data", &data], what, format).await;
        assert_eq!((run.code, run.out), (Some(0), expected), "{}", run.err);
    }
    let nothing = tempfile::tempdir().unwrap();
    let absent = export(vec!["--data", nothing.path().to_str().unwrap()], "events", "csv").await;
    assert!(absent.err.contains("(no_data)"), "{}", absent.err);
    let wrong = export(
        vec!["--data", &data, "--since", "1d", "--until", "never"],
        "events",
        "csv",
    )
    .await;
    assert_eq!(wrong.code, Some(2), "{}", wrong.err);
}
