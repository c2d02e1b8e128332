//! Exports as Parquet, read by pyarrow and DuckDB: each value in its place, as what it is.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::server::Server;
use crate::tickets::judges::{python, script};
use model::time::Timestamp;
use tables::{Column, ColumnKind, ParquetWriter, columns};

/// More rows than a group has.
const MANY_ROWS: usize = 120_000;

/// What foreign readers find in a file; nothing if this machine has none.
pub fn read(file: &Path) -> Option<Value> {
    let output = Command::new(python()?)
        .arg(script("parquet_file.py"))
        .arg(file)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Expects that both readers find these rows.
pub fn expect(found: &Value, columns: &[Column], rows: &[Value]) {
    assert_eq!(found["rows"], rows.len());
    let names: Vec<_> = columns.iter().map(|column| column.name).collect();
    assert_eq!(found["names"], json!(names));
    for column in columns {
        let [arrow, duck] = ["arrow", "duckdb"].map(|reader| &found[reader][column.name]);
        let (arrow_type, duck_type) = match column.kind {
            ColumnKind::Text => ("string", "VARCHAR"),
            ColumnKind::Time => ("timestamp[ms, tz=UTC]", "TIMESTAMP WITH TIME ZONE"),
            ColumnKind::Integer => ("int64", "BIGINT"),
            ColumnKind::Number => ("double", "DOUBLE"),
            ColumnKind::Flag => ("bool", "BOOLEAN"),
        };
        assert_eq!(
            (&arrow["type"], &duck["type"]),
            (&json!(arrow_type), &json!(duck_type))
        );
        let digest = digest(column, rows);
        for reader in [arrow, duck] {
            assert_eq!(reader["digest"], digest, "{}: {:?}", column.name, rows.first());
        }
    }
}

fn digest(column: &Column, rows: &[Value]) -> String {
    let mut digest = Sha256::new();
    for row in rows {
        let value = row.pointer(column.pointer).unwrap_or(&Value::Null);
        let text = match (column.kind, value) {
            (_, Value::Null) => "-".to_owned(),
            (ColumnKind::Time, Value::String(text)) => {
                text.parse::<Timestamp>().unwrap().as_millis().to_string()
            }
            (ColumnKind::Number, number) => format!("{:?}", number.as_f64().unwrap()),
            (_, Value::String(text)) => text.clone(),
            (_, other) => other.to_string(),
        };
        digest.update(text.as_bytes());
        digest.update(b"\x1f");
    }
    hex::encode(digest.finalize())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_is_read_by_foreign_readers_as_the_api_shows_it() {
    let server = Server::start().await;
    server.service("API").await;
    let url = "http://127.0.0.1:9/";
    let webhook =
        json!({ "name": "nobody", "url": url, "events": ["incident.triggered", "incident.resolved"] });
    assert_eq!(server.post("/api/v1/webhooks", webhook).await.status, 201);
    for title in ["=1+1", "two \u{2028} lines, \"quoted\"", "Ärger 💥", "\u{ffff}"] {
        let incident = server.incident(title).await;
        let path = format!("/api/v1/incidents/{incident}/resolve");
        assert_eq!(server.post(&path, json!({})).await.status, 200);
    }
    server.incident("still open").await;
    let folder = tempfile::tempdir().unwrap();
    for (what, columns) in [
        ("incidents", columns::INCIDENTS),
        ("events", columns::EVENTS),
        ("deliveries", columns::DELIVERIES),
        ("attempts", columns::ATTEMPTS),
    ] {
        let lines = server.get(&format!("/api/v1/export/{what}")).await.text();
        let rows: Vec<_> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let answer = server.get(&format!("/api/v1/export/{what}?format=parquet")).await;
        assert_eq!(answer.header("content-type"), "application/vnd.apache.parquet");
        let name = format!("attachment; filename=\"{what}.parquet\"");
        assert_eq!(answer.header("content-disposition"), name);
        let file = folder.path().join(what);
        std::fs::write(&file, &answer.body).unwrap();
        let Some(found) = read(&file) else { return };
        expect(&found, columns, &rows);
    }
}

#[test]
fn a_file_of_several_groups_and_many_pages_is_read_by_foreign_readers() {
    let row = |number: usize| {
        let text =
            (!number.is_multiple_of(3)).then(|| format!("{} {}", "é".repeat(number % 50), number * 7919));
        let flag = (!number.is_multiple_of(5)).then_some(number.is_multiple_of(2));
        let time = Timestamp::from_millis(1_705_314_600_007 + i64::try_from(number).unwrap() * 1001);
        json!({
            "id": format!("att_{number}"), "number": number, "startedAt": time, "failure": { "detail": text },
            "timings": { "totalMs": f64::from(u32::try_from(number).unwrap()) / 4.0 },
            "request": { "headers": [["a", "b"]] }, "response": { "bodyIsBase64": flag },
        })
    };
    let rows: Vec<_> = (0..MANY_ROWS).map(row).collect();
    let mut writer = ParquetWriter::new(columns::ATTEMPTS);
    let mut file = Vec::new();
    for row in &rows {
        writer.add(row).unwrap();
        file.append(&mut writer.take());
    }
    file.append(&mut writer.finish().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("attempts.parquet");
    std::fs::write(&path, file).unwrap();
    let Some(found) = read(&path) else { return };
    assert_eq!(found["groups"], 2);
    expect(&found, columns::ATTEMPTS, &rows);
}
