//! Several servers share one PostgreSQL: real processes, a real database.

mod alerts;
mod clocks;
mod cluster;
mod database_fails;
mod doors;
mod failover;
mod load;
mod moving;
mod nodes;
mod nodes_fail;
mod offline_export;
mod pooler;
mod proxy;
mod receiver;
mod rolling;
mod sharing;
mod stream;
mod takeover;

#[path = "../../../crates/store-sqlite/tests/it/earlier.rs"]
mod earlier;
#[allow(dead_code, reason = "the store's own tests use more of it")]
#[path = "../../../crates/store-postgres/tests/it/server.rs"]
pub mod postgres;

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use crate::support::api_client::ApiClient;
use crate::support::server_process::ServerProcess;
use load::{Accepted, EVENTS};
use nodes::settle;
use receiver::FleetReceiver;

/// Incidents, each with three events.
const INCIDENTS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_server_accepts_all_of_them_deliver_once_and_in_order() {
    let urls = new_database();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = start(&urls[0], folders[0].path()).await;
    let second = start(&urls[1], folders[1].path()).await;
    let (at_first, at_second) = (
        ApiClient::new(&first.url, &first.key),
        ApiClient::new(&second.url, &second.key),
    );
    let receiver = FleetReceiver::start().await;
    set_up(&at_first, &receiver).await;

    let mut accepted = Vec::new();
    let mut accept = |incident: &str, event| {
        accepted.push(Accepted {
            incident: incident.to_owned(),
            event,
            at: Instant::now(),
        });
    };
    for number in 0..INCIDENTS {
        let incident = json!({"title": format!("incident {number}"), "service": {"name": "Fleet"}});
        let made = at_first
            .post("/api/v1/incidents", incident)
            .await
            .expect(201)
            .json();
        let id = made["id"].as_str().unwrap().to_owned();
        accept(&id, EVENTS[0]);
        // The other server knows of it at once.
        for (action, event) in [("acknowledge", EVENTS[1]), ("resolve", EVENTS[2])] {
            let path = format!("/api/v1/incidents/{id}/{action}");
            at_second.post(&path, json!({})).await.expect(200);
            accept(&id, event);
        }
    }
    let taken_by_both = receiver.count();
    assert!(first.terminate().await, "a soft stop ends cleanly");
    let after_the_first = receiver.count();
    settle(&at_second).await;

    receiver.verify(&accepted, &[]);
    assert!(
        receiver.count() > after_the_first && after_the_first >= taken_by_both,
        "the second server goes on with what the first left: {taken_by_both}, {after_the_first}, {}",
        receiver.count()
    );
    let system = at_second.get("/api/v1/system").await.expect(200).json();
    assert_eq!(system["missing"].as_i64(), Some(0), "{system}");
    assert!(second.terminate().await);
}

#[tokio::test]
async fn a_server_that_shares_a_database_has_pg_dump_make_its_backups() {
    let ([_, url], folder) = (new_database(), tempfile::tempdir().unwrap());
    let server = start(&url, folder.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    let refused = api
        .post("/api/v1/system/backup", json!({"name": "x.db"}))
        .await
        .expect(409);
    assert!(refused.text.contains("pg_dump"), "{}", refused.text);
    let system = api.get("/api/v1/system?deep=true").await.expect(200).json();
    let backend = system["store"]["backend"].as_str().unwrap();
    assert!(backend.starts_with("PostgreSQL "), "{system}");
    assert!(server.terminate().await);
}

/// Two addresses of a new database: over a socket, and encrypted over the network.
fn new_database() -> [String; 2] {
    let server = postgres::server();
    let database = server.new_empty_database();
    let words = server.url(&database);
    let mut words = words.split_whitespace();
    let folder = words.find_map(|word| word.strip_prefix("host=")).unwrap();
    let (port, authority) = (server.port(), server.authority());
    let authority = authority.display();
    [
        format!("postgres:///{database}?host={folder}&port={port}&user=postgres"),
        format!(
            "postgres://postgres@localhost:{port}/{database}?sslmode=verify-full&sslrootcert={authority}"
        ),
    ]
}

/// The address of a new database, for others than these servers.
pub fn new_database_url() -> String {
    let [url, _] = new_database();
    url
}

async fn start(url: &str, data: &Path) -> ServerProcess {
    ServerProcess::start_under(&[], data, |command| {
        command
            .env("OPSKNIGHT_DATABASE", url)
            .env("OPSKNIGHT_MASTER_KEY", "ab".repeat(32));
    })
    .await
}

async fn set_up(api: &ApiClient, receiver: &FleetReceiver) {
    let service = json!({"name": "Fleet"});
    api.post("/api/v1/services", service).await.expect(201);
    let webhook = json!({
        "name": "fleet",
        "url": receiver.url(),
        "secret": "fleet test",
        "events": ["incident.triggered", "incident.acknowledged", "incident.resolved"],
        "concurrency": 2,
    });
    api.post("/api/v1/webhooks", webhook).await.expect(201);
}
