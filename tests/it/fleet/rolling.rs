//! Servers are replaced one by one by newer ones while requests come: none is refused, nothing is lost, nothing comes twice.
//!
//! The older program is `CHECK_OLD_BINARY`, which `./check --long` builds. Without it both are this one, and what a newer one
//! would add to the schema is added by SQL in between.

#![allow(clippy::print_stdout, reason = "what was compared belongs into the report")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use super::load::Accepted;
use super::receiver::FleetReceiver;
use super::{new_database, postgres, settle};
use crate::support::api_client::ApiClient;
use crate::support::server_process::ServerProcess;

/// Names the program before the last migration.
const OLD_BINARY: &str = "CHECK_OLD_BINARY";
/// Callers at once.
const CALLERS: usize = 2;
/// The pause of a caller between two incidents.
const PAUSE: Duration = Duration::from_millis(100);
/// How long both generations carry the load.
const CARRYING: Duration = Duration::from_secs(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A server that a proxy knows.
#[derive(Clone)]
struct Upstream {
    api: ApiClient,
    under_way: Arc<AtomicUsize>,
}

/// A tiny proxy: in turn, and only to those that say they are ready.
#[derive(Default)]
struct Rotation {
    upstreams: Mutex<Vec<Upstream>>,
    turn: AtomicUsize,
    accepted: Mutex<Vec<Accepted>>,
    refused: Mutex<Vec<String>>,
    has_ended: AtomicBool,
}

impl Rotation {
    fn add(&self, server: &ServerProcess) -> Upstream {
        let upstream = Upstream {
            api: ApiClient::new(&server.url, &server.key),
            under_way: Arc::default(),
        };
        self.upstreams.lock().unwrap().push(upstream.clone());
        upstream
    }

    /// No new request goes there, and those under way end.
    async fn take_out(&self, upstream: &Upstream) {
        let is_another = |other: &Upstream| !Arc::ptr_eq(&other.under_way, &upstream.under_way);
        self.upstreams.lock().unwrap().retain(is_another);
        while upstream.under_way.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn next(&self) -> Upstream {
        let upstreams = self.upstreams.lock().unwrap();
        let turn = self.turn.fetch_add(1, Ordering::SeqCst);
        let upstream = upstreams[turn % upstreams.len()].clone();
        upstream.under_way.fetch_add(1, Ordering::SeqCst);
        upstream
    }

    /// Sends a request to the next server that is ready; the answer, if it is as expected.
    async fn post(&self, path: &str, body: serde_json::Value, status: u16) -> Option<serde_json::Value> {
        loop {
            let upstream = self.next();
            let ready = upstream.api.send("GET", "/readyz", None, &[]).await;
            if !ready.is_ok_and(|answer| answer.status == 200) {
                upstream.under_way.fetch_sub(1, Ordering::SeqCst);
                tokio::time::sleep(LOOK_INTERVAL).await;
                continue;
            }
            let answer = upstream.api.send("POST", path, Some(body), &[]).await;
            upstream.under_way.fetch_sub(1, Ordering::SeqCst);
            let refusal = match answer {
                Ok(answer) if answer.status == status => return Some(answer.json()),
                Ok(answer) => format!("{path}: {} {}", answer.status, answer.text),
                Err(error) => format!("{path}: {error}"),
            };
            self.refused.lock().unwrap().push(refusal);
            return None;
        }
    }

    /// Triggers, acknowledges and resolves incidents until it is told to end.
    async fn call(self: Arc<Self>, caller: usize) {
        for number in 0.. {
            if self.has_ended.load(Ordering::SeqCst) {
                return;
            }
            let incident = json!({"title": format!("{caller} {number}"), "service": {"name": "Fleet"}});
            let Some(made) = self.post("/api/v1/incidents", incident, 201).await else {
                continue;
            };
            let id = made["id"].as_str().unwrap().to_owned();
            self.accept(&id, "incident.triggered");
            for (action, event) in [
                ("acknowledge", "incident.acknowledged"),
                ("resolve", "incident.resolved"),
            ] {
                let path = format!("/api/v1/incidents/{id}/{action}");
                if self.post(&path, json!({}), 200).await.is_some() {
                    self.accept(&id, event);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn accept(&self, incident: &str, event: &'static str) {
        self.accepted.lock().unwrap().push(Accepted {
            incident: incident.to_owned(),
            event,
            at: Instant::now(),
        });
    }
}

async fn start_old(url: &str, data: &Path) -> ServerProcess {
    let Some(binary) = std::env::var_os(OLD_BINARY) else {
        return super::start(url, data).await;
    };
    let script = format!("shift; exec '{}' \"$@\"", Path::new(&binary).display());
    ServerProcess::start_under(&["sh", "-c", &script, "sh"], data, |command| {
        command
            .env("OPSKNIGHT_DATABASE", url)
            .env("OPSKNIGHT_MASTER_KEY", "ab".repeat(32));
    })
    .await
}

/// What a newer program would do to the schema, if this is the older one too.
async fn add_to_schema(url: &str) {
    if let Some(binary) = std::env::var_os(OLD_BINARY) {
        println!("ROLLING UPGRADE: from {} to this program", binary.display());
        return;
    }
    println!(
        "ROLLING UPGRADE: ONE PROGRAM ONLY, with a migration added by SQL in between; {OLD_BINARY} names an older one"
    );
    let name = url
        .split(['/', '?'])
        .find(|part| part.starts_with("empty_"))
        .unwrap();
    let sql = "ALTER TABLE incidents ADD COLUMN later TEXT;
               ALTER TABLE deliveries ADD COLUMN later BIGINT NOT NULL DEFAULT 0;
               INSERT INTO migrations (number, hash, min_program)
               SELECT max(number) + 1, decode(repeat('01', 32), 'hex'), max(number) FROM migrations";
    postgres::server()
        .connect(name)
        .await
        .batch_execute(sql)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_are_replaced_by_newer_ones_without_a_refused_request() {
    let [url, _] = new_database();
    let folders = [(); 4].map(|()| tempfile::tempdir().unwrap());
    let mut old = Vec::new();
    let rotation = Arc::new(Rotation::default());
    for folder in &folders[..2] {
        let server = start_old(&url, folder.path()).await;
        let upstream = rotation.add(&server);
        old.push((server, upstream));
    }
    let receiver = FleetReceiver::start().await;
    let api = old[0].1.api.clone();
    super::set_up(&api, &receiver).await;
    let webhooks = api.get("/api/v1/webhooks").await.expect(200).json();
    let webhook = webhooks["items"][0]["id"].as_str().unwrap();
    let change = json!({"concurrency": 16});
    let path = format!("/api/v1/webhooks/{webhook}");
    api.send("PATCH", &path, Some(change), &[])
        .await
        .unwrap()
        .expect(200);

    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| tokio::spawn(Arc::clone(&rotation).call(caller)))
        .collect();
    tokio::time::sleep(CARRYING).await;
    let mut new = Vec::new();
    for ((server, upstream), folder) in old.into_iter().zip(&folders[2..]) {
        rotation.take_out(&upstream).await;
        assert!(server.terminate().await, "a soft stop ends cleanly");
        if new.is_empty() {
            add_to_schema(&url).await;
        }
        let server = super::start(&url, folder.path()).await;
        let upstream = rotation.add(&server);
        new.push((server, upstream));
        tokio::time::sleep(CARRYING).await;
    }
    rotation.has_ended.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    settle(&new[1].1.api).await;

    let accepted = rotation.accepted.lock().unwrap().clone();
    assert_eq!(*rotation.refused.lock().unwrap(), [""; 0]);
    assert!(accepted.len() > 6 * CALLERS);
    receiver.verify(&accepted, &[]);
    let system = new[0].1.api.get("/api/v1/system").await.expect(200).json();
    assert_eq!(system["missing"].as_i64(), Some(0), "{system}");
    for (server, _) in new {
        assert!(server.terminate().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_schema_is_taken_away_stops_itself_and_says_why() {
    let ([url, _], folder) = (new_database(), tempfile::tempdir().unwrap());
    let mut server = ServerProcess::start_under(&[], folder.path(), |command| {
        command
            .env("OPSKNIGHT_DATABASE", &url)
            .env("OPSKNIGHT_MASTER_KEY", "ab".repeat(32))
            .stderr(std::process::Stdio::piped());
    })
    .await;
    let name = url
        .split(['/', '?'])
        .find(|part| part.starts_with("empty_"))
        .unwrap();
    let sql = "INSERT INTO migrations (number, hash, min_program)
               SELECT max(number) + 1, decode(repeat('01', 32), 'hex'), max(number) + 1 FROM migrations";
    postgres::server()
        .connect(name)
        .await
        .batch_execute(sql)
        .await
        .unwrap();
    let mut log = String::new();
    let mut reader = server.take_log().unwrap();
    tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut log)
        .await
        .unwrap();
    assert!(log.contains("(schema_newer)"), "{log}");
    assert!(!server.terminate().await, "it ended by itself, with 1");
}
