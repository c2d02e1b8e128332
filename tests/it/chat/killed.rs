//! The program is killed while a request of an incident's message is under way, and must come back to it.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::support::api_client::ApiClient;
use crate::support::platform::{Hold, Platform};
use crate::support::server_process::ServerProcess;
use crate::support::test_app::text;
use crate::tickets::killed::wait_until_held;

/// What happens to an incident, each with a request of its own.
const ACTIONS: [&str; 3] = ["trigger", "acknowledge", "resolve"];

async fn start(data: &Path) -> (ServerProcess, ApiClient) {
    let server = ServerProcess::start(data).await;
    let api = ApiClient::new(&server.url, &server.key);
    (server, api)
}

/// Does something to an incident, or makes it.
async fn act(api: &ApiClient, incident: &mut String, title: &str, action: &str) {
    if action == "trigger" {
        let draft = json!({"title": title, "service": {"name": "API Gateway"}});
        *incident = text(&api.post("/api/v1/incidents", draft).await.expect(201).json()["id"]);
        return;
    }
    let path = format!("/api/v1/incidents/{incident}/{action}");
    api.post(&path, json!({})).await.expect(200);
}

/// Waits until so many are delivered; the platform's pace is real here.
async fn settle(api: &ApiClient, count: usize) {
    let delivered = async {
        let path = "/api/v1/deliveries?status=delivered&limit=200";
        while api.get(path).await.expect(200).json()["items"]
            .as_array()
            .unwrap()
            .len()
            < count
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), delivered).await;
    assert!(in_time.is_ok(), "not everything was delivered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_comes_back_to_its_message_when_the_program_is_killed_in_between() {
    let directory = tempfile::tempdir().unwrap();
    let platform = Platform::start("discord").await;
    let (mut server, mut api) = start(directory.path()).await;
    api.post("/api/v1/services", json!({"name": "API Gateway"}))
        .await
        .expect(201);
    let webhook = json!({"name": "room", "kind": "discord", "url": platform.url, "retrySchedule": ["1s", "1s", "1s"],
        "events": ["incident.triggered", "incident.acknowledged", "incident.resolved"]});
    api.post("/api/v1/webhooks", webhook).await.expect(201);
    let cases = ACTIONS
        .iter()
        .flat_map(|held| [(*held, Hold::Before), (*held, Hold::After)]);
    let mut delivered = 0;
    for (held, hold) in cases {
        let title = format!("killed {hold:?} the request to {held}");
        let mut incident = String::new();
        for action in ACTIONS {
            if action == held {
                platform.hold(1, hold);
            }
            act(&api, &mut incident, &title, action).await;
            if action == held {
                wait_until_held(&platform).await;
                server.kill().await;
                platform.let_go();
                (server, api) = start(directory.path()).await;
            }
            delivered += 1;
            settle(&api, delivered).await;
        }
        let texts = platform.texts();
        let of_it: Vec<_> = texts.iter().filter(|text| text.contains(&title)).collect();
        // Only of a message that was made, and of which nobody heard, there may be another.
        let most = 1 + usize::from(held == "trigger" && hold == Hold::After);
        assert!((1..=most).contains(&of_it.len()), "{title}: {texts:#?}");
        assert!(of_it[of_it.len() - 1].contains("Resolved"), "{title}: {texts:#?}");
    }
}
