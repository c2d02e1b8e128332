//! What the server says of itself when its disk is full, its files are gone, its log is damaged, its rows were changed:
//! never that all is well.

mod disk;
mod files;
mod log;
mod rows;

use std::path::Path;

use serde_json::{Value, json};

use crate::support::api_client::{ApiAnswer, ApiClient};

/// The database of a data directory.
fn database(directory: &Path) -> std::path::PathBuf {
    directory.join("opsknight.db")
}

/// Tries to trigger an incident whose description is so long.
async fn try_to_trigger(api: &ApiClient, title: &str, length: usize) -> ApiAnswer {
    let incident = json!({
        "title": title,
        "description": "x".repeat(length),
        "service": {"name": "API Gateway"},
    });
    api.post("/api/v1/incidents", incident).await
}

/// The codes of a list of findings in the server's view of itself.
async fn codes(api: &ApiClient, list: &str) -> Vec<String> {
    let system = api.get("/api/v1/system?deep=true").await.expect(200).json();
    let findings = system[list].as_array().unwrap();
    let code = |finding: &Value| finding["code"].as_str().unwrap().to_owned();
    findings.iter().map(code).collect()
}

/// One value of `/metrics`.
async fn metric(api: &ApiClient, name: &str) -> f64 {
    let text = api.get("/metrics").await.expect(200).text;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
        .parse()
        .unwrap()
}
