//! The program is killed at random moments under load, started again, and must have lost nothing.
//!
//! `./check` does it some ten times, `./check --long` more than two hundred times. The seed is printed; `CHECK_SEED` sets it.

#![allow(clippy::print_stdout, reason = "the counts belong into the report")]

mod load;
mod receiver;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::api_client::ApiClient;
use crate::support::seed::Seeded;
use crate::support::server_process::ServerProcess;
use load::Load;
use receiver::CrashReceiver;

/// How often the program is stopped, one way or the other.
const ROUNDS: u32 = 12;
/// The same for the long test: at least 200 of them are kills.
const LONG_ROUNDS: u32 = 280;
/// Every so many rounds the program is stopped softly instead.
const SOFT_STOP_EVERY: u32 = 4;
/// How long everything may take to be delivered in the end, before the test says that it never will be.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_accepted_is_lost_when_the_program_is_killed_under_load() {
    let mut random = Seeded::from_environment("crash");
    let directory = tempfile::tempdir().unwrap();
    let receiver = CrashReceiver::start(random.next_u64()).await;
    let mut load = Load::new(8);
    set_up(directory.path(), &receiver).await;

    let rounds = if std::env::var_os("CHECK_LONG").is_some() {
        LONG_ROUNDS
    } else {
        ROUNDS
    };
    for round in 0..rounds {
        let ends_softly = round % SOFT_STOP_EVERY == SOFT_STOP_EVERY - 1;
        receiver.next_run(ends_softly);
        let server = ServerProcess::start(directory.path()).await;
        load.start(&ApiClient::new(&server.url, &server.key));
        tokio::time::sleep(Duration::from_millis(20 + random.below(400))).await;
        if ends_softly {
            assert!(server.terminate().await, "a soft stop ends cleanly");
        } else {
            server.kill().await;
        }
        load.stop().await;
    }

    receiver.next_run(true);
    let server = ServerProcess::start(directory.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    load.finish(&api).await;
    settle(&api).await;
    receiver.verify(&load.accepted());
    let system = api.get("/api/v1/system").await.expect(200).json();
    let missing = system["missing"].as_i64();
    assert_eq!(missing, Some(0), "{system}");
    println!("{} {}", load.summary(), receiver.summary());
    assert!(server.terminate().await);
}

/// One webhook whose receiver always answers well, one whose receiver fails every third request at first.
async fn set_up(directory: &std::path::Path, receiver: &CrashReceiver) {
    let server = ServerProcess::start(directory).await;
    let api = ApiClient::new(&server.url, &server.key);
    api.post("/api/v1/services", json!({"name": "Crash"}))
        .await
        .expect(201);
    for name in ["steady", "flaky"] {
        let webhook = json!({
            "name": name,
            "url": format!("{}/{name}", receiver.url()),
            "secret": "crash test",
            "events": ["incident.triggered", "incident.acknowledged", "incident.resolved"],
            "retrySchedule": ["200ms", "200ms", "200ms", "1s", "1s", "1s", "1s", "1s", "1s", "1s"],
        });
        api.post("/api/v1/webhooks", webhook).await.expect(201);
    }
    assert!(server.terminate().await);
}

/// Waits until no delivery is open any more.
async fn settle(api: &ApiClient) {
    let settled = async {
        loop {
            let counts = api.get("/api/v1/system").await.expect(200).json()["deliveries"].clone();
            let open =
                ["scheduled", "queued", "claimed", "held"].map(|state| counts[state].as_u64().unwrap());
            if open.iter().sum::<u64>() == 0 {
                let dead = api
                    .get("/api/v1/deliveries?status=dead&limit=1")
                    .await
                    .expect(200)
                    .json();
                let dead = match dead["items"][0]["id"].as_str() {
                    Some(id) => {
                        api.get(&format!("/api/v1/deliveries/{id}"))
                            .await
                            .expect(200)
                            .text
                    }
                    None => String::new(),
                };
                assert_eq!(
                    counts["dead"],
                    Value::from(0),
                    "nothing dies in this test: {dead}"
                );
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(SETTLE_LIMIT, settled)
        .await
        .expect("everything accepted is delivered in the end");
}
