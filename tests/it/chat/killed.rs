//! The program is killed between two requests of an incident's message, and must come back to it.

use std::time::Duration;

use serde_json::json;

use crate::support::api_client::ApiClient;
use crate::support::platform::Platform;
use crate::support::server_process::ServerProcess;
use crate::support::test_app::text;

const INCIDENTS: usize = 4;
const KILLS: usize = 2;

async fn start(data: &std::path::Path) -> (ServerProcess, ApiClient) {
    let server = ServerProcess::start(data).await;
    let api = ApiClient::new(&server.url, &server.key);
    (server, api)
}

async fn act_on_all(api: &ApiClient, incidents: &[String], action: &str) {
    for incident in incidents {
        let path = format!("/api/v1/incidents/{incident}/{action}");
        api.post(&path, json!({})).await.expect(200);
    }
}

/// Waits until every delivery is delivered; the platform's pace is real here.
async fn settle(api: &ApiClient, count: usize) {
    let delivered = async {
        let path = "/api/v1/deliveries?status=delivered&limit=200";
        while api.get(path).await.expect(200).json()["items"]
            .as_array()
            .unwrap()
            .len()
            < count
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), delivered).await;
    assert!(in_time.is_ok(), "not everything was delivered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_comes_back_to_its_message_when_the_program_is_killed_in_between() {
    let directory = tempfile::tempdir().unwrap();
    let platform = Platform::start("discord").await;
    let (server, api) = start(directory.path()).await;
    api.post("/api/v1/services", json!({"name": "API Gateway"}))
        .await
        .expect(201);
    let webhook = json!({"name": "room", "kind": "discord", "url": platform.url, "retrySchedule": ["1s", "1s", "1s"],
        "events": ["incident.triggered", "incident.acknowledged", "incident.resolved"]});
    api.post("/api/v1/webhooks", webhook).await.expect(201);
    let mut incidents = Vec::new();
    for number in 0..INCIDENTS {
        let draft = json!({"title": format!("incident number {number}"), "service": {"name": "API Gateway"}});
        incidents.push(text(
            &api.post("/api/v1/incidents", draft).await.expect(201).json()["id"],
        ));
    }
    server.kill().await;
    let (server, api) = start(directory.path()).await;
    act_on_all(&api, &incidents, "acknowledge").await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    server.kill().await;
    let (_server, api) = start(directory.path()).await;
    act_on_all(&api, &incidents, "resolve").await;
    settle(&api, 3 * INCIDENTS).await;
    let texts = platform.texts();
    assert!(texts.len() <= INCIDENTS + KILLS, "{texts:#?}");
    let of = |number: usize| {
        texts
            .iter()
            .rfind(|text| text.contains(&format!("incident number {number}")))
    };
    let ends: Vec<_> = (0..INCIDENTS)
        .map(|number| of(number).is_some_and(|text| text.contains("Resolved")))
        .collect();
    assert_eq!(ends, [true; INCIDENTS], "{texts:#?}");
}
