//! Exports: what they hold, in which order, where they go on, and who gets them.

use std::process::{Command, Stdio};

use axum::http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::server::{Answer, Server};

/// Texts that are hard to keep in a cell, or that a spreadsheet would calculate.
const HOSTILE: [&str; 8] = [
    "=HYPERLINK(\"http://evil.example\",\"x\")",
    "+1+1",
    "-2",
    "@SUM(A1)",
    "two\nlines, \"quoted\", 'and' a comma",
    "ends with a quote\"",
    "Ärger 💥",
    "\r=1",
];
/// More than one page of the store.
const MORE_THAN_A_PAGE: usize = 230;

fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What Python's own reader finds in CSV.
fn read_by_python(csv: &str) -> Vec<Vec<String>> {
    let script = "import csv, io, json, sys; text = sys.stdin.buffer.read().decode(); \
                  print(json.dumps(list(csv.reader(io.StringIO(text, newline=''), strict=True))))";
    let mut python = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), csv.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn trigger_many(server: &Server) -> Vec<String> {
    server.service("API").await;
    let mut ids = Vec::new();
    for number in 0..MORE_THAN_A_PAGE {
        ids.push(server.incident(&format!("incident {number}")).await);
    }
    ids
}

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_export_of_many_pages_holds_each_incident_once_newest_first() {
    let server = Server::start().await;
    let mut expected = trigger_many(&server).await;
    expected.sort_unstable_by(|a, b| b.cmp(a));
    let answer = server.get("/api/v1/export/incidents").await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"incidents.ndjson\""
    );
    let rows = lines(&answer);
    assert_eq!(ids(&rows), expected);
    let listed = server.get("/api/v1/incidents?limit=1").await.json();
    let mut first = rows[0].clone();
    first.as_object_mut().unwrap().remove("cursor");
    assert_eq!(first, listed["items"][0]);
}

#[tokio::test]
async fn an_export_goes_on_behind_the_cursor_of_any_row() {
    let server = Server::start().await;
    trigger_many(&server).await;
    for what in ["incidents", "events"] {
        let path = format!("/api/v1/export/{what}");
        let rows = lines(&server.get(&path).await);
        assert_eq!(rows.len(), MORE_THAN_A_PAGE, "{what}");
        for at in [0, 100, 199, MORE_THAN_A_PAGE - 1] {
            let cursor = rows[at]["cursor"].as_str().unwrap();
            let rest = lines(&server.get(&format!("{path}?cursor={cursor}")).await);
            assert_eq!(rest, rows[at + 1..], "{what} {at}");
        }
        let cursor = rows[0]["cursor"].as_str().unwrap();
        let csv = server
            .get(&format!("{path}?format=csv&cursor={cursor}"))
            .await
            .text();
        assert_eq!(
            read_by_python(&csv).len(),
            MORE_THAN_A_PAGE - 1,
            "{what} has no line of names"
        );
    }
}

#[tokio::test]
async fn events_come_oldest_first_as_in_the_feed() {
    let server = Server::start().await;
    trigger_many(&server).await;
    let feed = server.get("/api/v1/events?limit=200").await.json();
    let rows = lines(&server.get("/api/v1/export/events").await);
    assert_eq!(rows[..200], feed["items"].as_array().unwrap()[..]);
}

#[tokio::test]
async fn a_period_and_filters_choose_the_rows() {
    let server = Server::start().await;
    server.service("API").await;
    let incident = server.incident("Down").await;
    let other = server.incident("Up").await;
    let path = format!("/api/v1/incidents/{incident}/resolve");
    assert_eq!(server.post(&path, json!({})).await.status, 200);
    for (query, expected) in [
        ("status=resolved", vec![incident.as_str()]),
        ("q=up", vec![other.as_str()]),
        ("since=2100-01-01T00:00:00Z", vec![]),
        ("until=2020-01-01T00:00:00Z", vec![]),
        (
            "since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z&status=triggered",
            vec![other.as_str()],
        ),
    ] {
        let rows = lines(&server.get(&format!("/api/v1/export/incidents?{query}")).await);
        assert_eq!(ids(&rows), expected, "{query}");
    }
    for (query, expected) in [
        ("since=2100-01-01T00:00:00Z", 0),
        ("until=2100-01-01T00:00:00Z", 3),
    ] {
        let rows = lines(&server.get(&format!("/api/v1/export/events?{query}")).await);
        assert_eq!(rows.len(), expected, "{query}");
    }
}

#[tokio::test]
async fn hostile_texts_arrive_as_texts_and_nothing_is_calculated() {
    let server = Server::start().await;
    server.service("API").await;
    for title in HOSTILE {
        let (one_line, service) = (title.replace(['\n', '\r'], ""), json!({ "name": "API" }));
        let body = json!({ "title": one_line, "description": title, "service": service });
        assert_eq!(
            server.post("/api/v1/incidents", body).await.status,
            201,
            "{title}"
        );
    }
    let listed = server.get("/api/v1/incidents").await.json();
    let csv = server.get("/api/v1/export/incidents?format=csv").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let rows = read_by_python(&csv.text());
    let column = |name: &str| rows[0].iter().position(|column| column == name).unwrap();
    let (title, description) = (column("title"), column("description"));
    let items = listed["items"].as_array().unwrap();
    assert_eq!(rows.len(), items.len() + 1);
    for (row, item) in rows[1..].iter().zip(items) {
        for (cell, value) in [
            (&row[title], &item["title"]),
            (&row[description], &item["description"]),
        ] {
            let text = value.as_str().unwrap();
            let kept = cell.strip_prefix('\'').unwrap_or(cell);
            assert_eq!(kept, text);
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
        }
    }
}

#[tokio::test]
async fn each_export_needs_the_scope_of_its_list() {
    let mut server = Server::start().await;
    let all = [
        ("incidents", "incidents:read"),
        ("events", "events:read"),
        ("deliveries", "deliveries:read"),
        ("attempts", "deliveries:read"),
    ];
    for (what, scope) in all {
        let (_, key) = server.with_scopes(&[scope]).await;
        let admin = std::mem::replace(&mut server.key, key);
        for (other, needed) in all {
            let status = server.get(&format!("/api/v1/export/{other}")).await.status;
            let expected = if needed == scope { 200 } else { 403 };
            assert_eq!(status, expected, "{what} {other}");
        }
        server.key = admin;
    }
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused_before_anything_is_written() {
    let server = Server::start().await;
    for (query, expected) in [
        ("incidents?format=xml", (422, "invalid_query")),
        ("incidents?limit=3", (422, "invalid_query")),
        ("incidents?cursor=x", (400, "invalid_cursor")),
        ("attempts?since=yesterday", (422, "invalid_query")),
        ("deliveries?status=gone", (422, "invalid_query")),
    ] {
        let (status, code) = server.get(&format!("/api/v1/export/{query}")).await.problem();
        assert_eq!((status, code.as_str()), expected, "{query}");
    }
}

#[tokio::test]
async fn an_export_whose_reader_takes_nothing_holds_its_place_and_others_are_told_to_wait() {
    let server = Server::start().await;
    trigger_many(&server).await;
    // Rows of 10 KB: more than sockets take before their reader does.
    for number in 0..600 {
        let body = json!({ "title": format!("long {number}"), "description": "x".repeat(10_000),
            "service": { "name": "API" } });
        assert_eq!(server.post("/api/v1/incidents", body).await.status, 201);
    }
    let open = async || {
        let request = server.request(Method::GET, "/api/v1/export/incidents");
        server.stream(request).await
    };
    let mut held = vec![open().await, open().await, open().await, open().await];
    let refused = server.get("/api/v1/export/incidents").await;
    assert_eq!(refused.problem(), (503, "too_many_exports".to_owned()));
    assert_eq!(refused.header("retry-after"), "10");
    let whole = held.pop().unwrap().collect().await.unwrap().to_bytes();
    let count = whole.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(count, MORE_THAN_A_PAGE + 600);
}

#[tokio::test]
async fn an_export_breaks_off_when_its_key_is_revoked_or_the_server_stops() {
    let mut server = Server::start().await;
    trigger_many(&server).await;
    for number in 0..600 {
        let body = json!({ "title": format!("long {number}"), "description": "x".repeat(10_000),
            "service": { "name": "API" } });
        assert_eq!(server.post("/api/v1/incidents", body).await.status, 201);
    }
    let (id, key) = server.with_scopes(&["incidents:read"]).await;
    let admin = std::mem::replace(&mut server.key, key);
    let of_key = server
        .stream(server.request(Method::GET, "/api/v1/export/incidents"))
        .await;
    server.key = admin;
    let of_admin = server
        .stream(server.request(Method::GET, "/api/v1/export/incidents"))
        .await;
    let revoked = server
        .post(&format!("/api/v1/api-keys/{id}/revoke"), json!({}))
        .await;
    assert_eq!(revoked.status, 200);
    assert!(
        of_key.collect().await.is_err(),
        "a part is not taken for the whole"
    );
    server.stop.send_replace(true);
    assert!(
        of_admin.collect().await.is_err(),
        "a part is not taken for the whole"
    );
}
