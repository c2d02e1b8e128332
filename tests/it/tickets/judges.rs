//! Foreign clients from PyPI judge the simulated ticket systems, and only then our tickets in them. `./check` makes their
//! environment (`tests/judges/requirements.txt`) and says if it cannot; in CI a missing one fails otherwise. What we write in wiki
//! markup is read by Atlassian's own program, from npm.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{Desk, KINDS};
use crate::support::platform::Platform;
use crate::support::programs::{judges, node_packages, root};

/// The environment that `./check` makes; nothing if it said that it could not.
pub fn python() -> Option<PathBuf> {
    let python = judges().join("bin/python");
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

/// Where a judge is.
pub fn script(name: &str) -> PathBuf {
    root().join("tests/judges").join(name)
}

/// Runs a judge and says what it said.
pub async fn judge(script: &str, arguments: &[&str]) {
    let Some(python) = python() else { return };
    let script = self::script(script);
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
    for kind in KINDS {
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
            "servicenow" => ("1", "6"),
            "github" => ("open", "closed"),
            _ => ("opened", "closed"),
        };
        judge(&script, &[&desk.system.address, &incident, new]).await;
        desk.app.act(&incident, "resolve").await;
        desk.settle(2).await;
        judge(&script, &[&desk.system.address, &incident, done]).await;
    }
}

/// Lines of a description, each with the addresses in it.
const LINES: [(&str, &[&str]); 15] = [
    (
        "see https://wiki.example.com/run?x=1#step-4 now",
        &["https://wiki.example.com/run?x=1#step-4"],
    ),
    (
        "GET https://api.example.com/{id}/x failed",
        &["https://api.example.com/{id}/x"],
    ),
    (
        "https://a.example/a|b and https://a.example/~ada/~bob",
        &["https://a.example/a|b", "https://a.example/~ada/~bob"],
    ),
    (
        "(https://a.example/c), https://a.example/d.",
        &["https://a.example/c", "https://a.example/d"],
    ),
    ("[https://a.example/c]", &["https://a.example/c"]),
    (
        "https://a.example/x_y_z-*b*--c---d",
        &["https://a.example/x_y_z-*b*--c---d"],
    ),
    ("https://a.example/!x.png!y", &["https://a.example/!x.png!y"]),
    (
        "https://a.example/q?a=[1]&b=2",
        &["https://a.example/q?a=[1]&b=2"],
    ),
    ("*https://a.example/bold*", &["https://a.example/bold"]),
    (
        "{code} {noformat} [~ada] [x|y] !x.png! *b* _i_ -s- ??c?? #1 |t|",
        &[],
    ),
    ("h1. no heading", &[]),
    ("# no list", &[]),
    ("bq. no quote ~sub~ ^sup^ +ins+", &[]),
    ("C:\\temp\\{id} \\\\server", &[]),
    ("a_b-c d--e f---g", &[]),
];

/// What Atlassian's program makes of wiki markup; nothing if `./check` could not install it.
async fn read_wiki(markup: &str) -> Option<Vec<Value>> {
    let folder = node_packages("wiki")?;
    let mut reader = tokio::process::Command::new("node")
        .arg(root().join("tests/judges/wiki/read.cjs"))
        .env("NODE_PATH", folder.join("node_modules"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = reader.stdin.take().unwrap();
    input.write_all(markup.as_bytes()).await.unwrap();
    drop(input);
    let output = reader.wait_with_output().await.unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// What the reader shows: each piece's text, and its address if it is a link.
fn shown(pieces: &[Value]) -> (String, Vec<String>) {
    let text = |piece: &Value| piece["text"].as_str().unwrap().replace('\u{2060}', "");
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8()
            .unwrap()
            .into_owned()
    };
    let links = pieces.iter().filter_map(|piece| piece["link"].as_str());
    let texts = pieces.iter().map(|piece| match piece["link"].is_string() {
        true => decoded(&text(piece)),
        false => text(piece),
    });
    (texts.collect(), links.map(decoded).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn atlassians_own_reader_shows_what_people_wrote_and_their_addresses_whole() {
    for (line, addresses) in LINES {
        let desk = Desk::start("jira", json!({"description": "{{ description }}"})).await;
        let draft = json!({"title": "x", "service": {"name": "API Gateway"}, "description": line});
        desk.app.api.post("/api/v1/incidents", draft).await.expect(201);
        desk.settle(1).await;
        let issue = desk
            .ada("GET", "/rest/api/2/issue/OPS-1", Value::Null)
            .await
            .expect(200)
            .json();
        let markup = issue["fields"]["description"].as_str().unwrap();
        let Some(pieces) = read_wiki(markup).await else {
            return;
        };
        assert!(
            pieces.iter().all(|piece| piece["node"].is_null()),
            "{line}: {markup}: {pieces:?}"
        );
        let marked = pieces
            .iter()
            .find(|piece| piece["marks"].as_array().is_some_and(|marks| !marks.is_empty()));
        assert_eq!(marked, None, "{line}: {markup}");
        let (text, links) = shown(&pieces);
        assert_eq!(text.trim_end(), line, "{markup}");
        assert_eq!(links, addresses, "{markup}");
    }
}
