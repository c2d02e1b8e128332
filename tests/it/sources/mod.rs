//! Alert sources: a sender's requests in over HTTP, incidents, and the requests at a receiver out.

mod door;
mod judges;
mod killed;
mod life;
mod newcomer;
mod prometheus;
mod storms;

use serde_json::{Value, json};

use crate::support::api_client::ApiAnswer;
use crate::support::test_app::{TestApp, text};

/// A source as the API tells of it.
pub struct TestSource {
    pub id: String,
    pub key: String,
}

/// A source of a kind for `API Gateway`, with settings.
pub async fn create_source(app: &TestApp, kind: &str, settings: Value) -> TestSource {
    let services = app.api.get("/api/v1/services").await.expect(200).json();
    let source = json!({
        "serviceId": services["items"][0]["id"],
        "kind": kind,
        "name": "Prod",
        "settings": settings,
    });
    let source = app.api.post("/api/v1/sources", source).await.expect(201).json();
    TestSource {
        id: text(&source["id"]),
        key: text(&source["key"]),
    }
}

/// Sends a request as a sender, who has no key of the API.
pub async fn send(app: &TestApp, path: &str, body: Value) -> ApiAnswer {
    app.api.send_as("POST", path, Some(body), &[]).await.unwrap()
}

/// An event as clients of PagerDuty send one.
fn event(key: &str, action: &str, alert: &str) -> Value {
    json!({
        "routing_key": key,
        "event_action": action,
        "dedup_key": alert,
        "payload": { "summary": format!("{alert} is down"), "source": "prod", "severity": "critical" },
    })
}

/// The requests that a source has kept.
async fn requests(app: &TestApp, source: &TestSource) -> Vec<Value> {
    let path = format!("/api/v1/sources/{}/requests", source.id);
    let kept = app.api.get(&path).await.expect(200).json();
    kept["items"].as_array().unwrap().clone()
}

/// The incidents, newest first.
async fn incidents(app: &TestApp) -> Vec<Value> {
    let page = app
        .api
        .get("/api/v1/incidents?limit=200")
        .await
        .expect(200)
        .json();
    page["items"].as_array().unwrap().clone()
}
