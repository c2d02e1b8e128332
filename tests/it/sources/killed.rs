//! The server is killed while senders tell it of alerts: what was answered with 2xx is there once, and what was not is sent again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use super::event;
use crate::support::api_client::ApiClient;
use crate::support::seed::Seeded;
use crate::support::server_process::ServerProcess;
use crate::support::test_app::text;

/// How often the server is killed.
const KILLS: u32 = 5;
/// Senders at a time.
const SENDERS: usize = 4;

/// Sends one alert after the other until nobody answers any more; the last one is sent again first. Gives what was answered.
async fn send_on(api: ApiClient, key: String, name: String, answered: Arc<Mutex<BTreeSet<String>>>) {
    for number in 0.. {
        let alert = format!("{name}-{number}");
        if answered.lock().unwrap().contains(&alert) {
            continue;
        }
        let body = event(&key, "trigger", &alert);
        match api.send_as("POST", "/v2/enqueue", Some(body), &[]).await {
            Ok(answer) if answer.status == 202 => {
                answered.lock().unwrap().insert(alert);
            }
            Ok(_) | Err(_) => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_alert_that_was_answered_is_lost_or_doubled_when_the_server_is_killed() {
    let mut random = Seeded::from_environment("sources::killed");
    let data = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(data.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    let service = api
        .post("/api/v1/services", json!({"name": "API"}))
        .await
        .expect(201)
        .json();
    let source = json!({"serviceId": service["id"], "kind": "pagerduty", "name": "Prod", "settings": {"stormAlerts": 10000}});
    let source = api.post("/api/v1/sources", source).await.expect(201).json();
    let key = text(&source["key"]);
    assert!(server.terminate().await);

    let answered = Arc::new(Mutex::new(BTreeSet::new()));
    for _ in 0..KILLS {
        let server = ServerProcess::start(data.path()).await;
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            let api = ApiClient::new(&server.url, "");
            senders.spawn(send_on(
                api,
                key.clone(),
                format!("alert-{sender}"),
                Arc::clone(&answered),
            ));
        }
        tokio::time::sleep(Duration::from_millis(50 + random.below(250))).await;
        server.kill().await;
        senders.join_all().await;
    }

    let server = ServerProcess::start(data.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    let mut titles = Vec::new();
    let mut path = "/api/v1/incidents?limit=200".to_owned();
    loop {
        let page = api.get(&path).await.expect(200).json();
        titles.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| text(&one["title"])),
        );
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("/api/v1/incidents?limit=200&cursor={cursor}");
    }
    let distinct: BTreeSet<_> = titles.iter().cloned().collect();
    assert_eq!(titles.len(), distinct.len(), "an alert has one incident");
    let answered = answered.lock().unwrap().clone();
    assert!(answered.len() > KILLS as usize, "{answered:?}");
    let missing: Vec<_> = answered
        .iter()
        .filter(|alert| !distinct.contains(&format!("{alert} is down")))
        .collect();
    assert_eq!(missing, [""; 0]);
    assert!(server.terminate().await);
}
