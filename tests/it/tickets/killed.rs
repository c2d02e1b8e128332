//! `kill -9` between every two requests of a ticket's life: each incident ends with exactly one ticket, in its place.

use std::path::Path;
use std::time::Duration;

use clock::Env;
use serde_json::{Value, json};

use super::{KINDS, needed};
use crate::support::api_client::ApiClient;
use crate::support::platform::{Hold, Platform};
use crate::support::server_process::ServerProcess;
use crate::support::test_app::text;

/// How long a request that must come may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The events of one life.
const EVENTS: usize = 3;

async fn start(data: &Path) -> (ServerProcess, ApiClient) {
    let server = ServerProcess::start(data).await;
    let api = ApiClient::new(&server.url, &server.key);
    (server, api)
}

/// Triggers an incident, and acknowledges and resolves it; its title is its number.
async fn live(api: &ApiClient, number: usize) {
    let draft = json!({"title": format!("life {number:03}"), "service": {"name": "API Gateway"}});
    let id = text(&api.post("/api/v1/incidents", draft).await.expect(201).json()["id"]);
    for action in ["acknowledge", "resolve"] {
        let path = format!("/api/v1/incidents/{id}/{action}");
        api.post(&path, json!({})).await.expect(200);
    }
}

async fn settle(api: &ApiClient, count: usize) {
    let delivered = async {
        loop {
            let all = all_deliveries(api).await;
            if all
                .iter()
                .filter(|delivery| delivery["status"] == "delivered")
                .count()
                >= count
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, delivered).await;
    assert!(
        in_time.is_ok(),
        "not everything was delivered: {:#?}",
        all_deliveries(api).await
    );
}

async fn all_deliveries(api: &ApiClient) -> Vec<Value> {
    let page = api.get("/api/v1/deliveries?limit=200").await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

/// Waits until a request is being held.
pub async fn wait_until_held(system: &Platform) {
    let held = async {
        while !system.is_holding() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, held)
        .await
        .expect("the request comes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_incident_has_one_ticket_however_often_the_program_is_killed() {
    for kind in KINDS {
        let directory = tempfile::tempdir().unwrap();
        let system = Platform::start(kind).await;
        system.take_time_from(Env::system());
        let (mut server, mut api) = start(directory.path()).await;
        api.post("/api/v1/services", json!({"name": "API Gateway"}))
            .await
            .expect(201);
        let webhook = json!({"name": "desk", "kind": kind, "url": system.url, "options": needed(kind),
            "retrySchedule": ["1s", "1s", "1s"],
            "events": ["incident.triggered", "incident.acknowledged", "incident.resolved"]});
        api.post("/api/v1/webhooks", webhook).await.expect(201);
        // The first learns what there is to learn, the second shows how many requests a life takes.
        live(&api, 0).await;
        settle(&api, EVENTS).await;
        let before = system.seen().len();
        live(&api, 1).await;
        settle(&api, 2 * EVENTS).await;
        let requests = system.seen()[before..].to_vec();
        let mut lives = 2;
        for number in 1..=requests.len() {
            // One that makes the ticket and never arrives is waited out for minutes: exactly_once moves the clock for that.
            let is_create = requests[number - 1].method == "POST" && number == 1;
            let holds = if is_create {
                vec![Hold::After]
            } else {
                vec![Hold::After, Hold::Before]
            };
            for hold in holds {
                system.hold(number, hold);
                live(&api, lives).await;
                lives += 1;
                wait_until_held(&system).await;
                server.kill().await;
                system.let_go();
                (server, api) = start(directory.path()).await;
                settle(&api, EVENTS * lives).await;
            }
        }
        assert!(lives > 2 + requests.len(), "{kind}: {requests:#?}");
        let texts = system.texts();
        let with_title = |number: usize| {
            let title = format!("life {number:03}");
            texts.iter().filter(|text| text.contains(&title)).count()
        };
        let counts: Vec<_> = (0..lives).map(with_title).collect();
        assert_eq!(counts, vec![1; lives], "{kind}: {texts:#?}");
        let links = every_link(&api).await;
        let phases: Vec<_> = links.iter().map(|link| link["ticket"]["phase"].clone()).collect();
        assert_eq!(phases, vec![json!("done"); lives], "{kind}: {links:#?}");
    }
}

async fn every_link(api: &ApiClient) -> Vec<Value> {
    let page = api.get("/api/v1/incidents?limit=200").await.expect(200).json();
    let mut links = Vec::new();
    for incident in page["items"].as_array().unwrap() {
        let path = format!("/api/v1/incidents/{}", incident["id"].as_str().unwrap());
        links.extend(
            api.get(&path).await.expect(200).json()["links"]
                .as_array()
                .unwrap()
                .clone(),
        );
    }
    links
}
