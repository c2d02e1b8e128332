//! The receivers of the crash test: they remember every request, and in which run of the server it came.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::load::Accepted;
use crate::support::seed::Seeded;

/// The webhooks: one whose receiver takes everything, one whose receiver fails every third request.
pub const WEBHOOKS: [&str; 2] = ["steady", "flaky"];
/// How often it fails one delivery, at most: fewer than its schedule has retries, so that none may die.
const MAX_FAILURES: u32 = 5;

/// How long something is waited for that must come soon: longer than the lease of a server that was killed.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);

/// How often it is looked whether something that is waited for has happened.
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// One request, as it came.
#[derive(Debug, Clone)]
struct Receipt {
    run: usize,
    webhook: String,
    delivery: String,
    incident: String,
    event: String,
    /// Of its body.
    hash: u64,
    was_taken: bool,
}

struct Memory {
    random: Seeded,
    receipts: Vec<Receipt>,
    /// How often each delivery was failed.
    failures: HashMap<String, u32>,
    runs_end_softly: Vec<bool>,
}

/// Listens for the webhooks.
#[derive(Clone)]
pub struct CrashReceiver {
    url: String,
    memory: Arc<Mutex<Memory>>,
    open_connections: Arc<AtomicUsize>,
}

/// What came of what was accepted.
#[derive(Debug, Default)]
pub struct Findings {
    pub requests: usize,
    pub delivered: usize,
    pub repeated: usize,
    pub lost: Vec<String>,
    pub out_of_order: Vec<String>,
    /// Repeated although no kill explains it, or with other bytes.
    pub wrongly_repeated: Vec<String>,
}

impl CrashReceiver {
    pub async fn start(seed: u64) -> Self {
        let memory = Memory {
            random: Seeded::new(seed),
            receipts: Vec::new(),
            failures: HashMap::new(),
            runs_end_softly: vec![true],
        };
        let memory = Arc::new(Mutex::new(memory));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .route("/{webhook}", axum::routing::post(receive))
            .with_state(Arc::clone(&memory));
        let open_connections = Arc::default();
        tokio::spawn(serve(listener, router, Arc::clone(&open_connections)));
        Self {
            url,
            memory,
            open_connections,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.memory.lock().unwrap().receipts.len()
    }

    /// What comes from now on belongs to another run of the server.
    pub fn next_run(&self, ends_softly: bool) {
        self.memory.lock().unwrap().runs_end_softly.push(ends_softly);
    }

    /// What a server that is gone had sent may still lie in a socket, or be in the hands of a thread that waits for a processor. Its
    /// connections end behind all that; whoever calls now is let in behind them, and goes too.
    pub async fn read_what_was_sent(&self) {
        let address = self.url.trim_start_matches("http://");
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let call = b"GET / HTTP/1.1\r\nhost: crash\r\nconnection: close\r\n\r\n";
        stream.write_all(call).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        while self.open_connections.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Waits for the next request, for a while.
    pub async fn hear_something(&self) {
        let count = || self.memory.lock().unwrap().receipts.len();
        let before = count();
        let heard = async {
            while count() == before {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        // Nothing may be open, and nobody accept anything.
        let _ = tokio::time::timeout(LONGEST_SILENCE, heard).await;
    }

    /// Compares everything that was received with what was accepted.
    pub fn compare(&self, accepted: &[Accepted]) -> Findings {
        let memory = self.memory.lock().unwrap();
        let mut findings = Findings::default();
        for webhook in WEBHOOKS {
            let receipts: Vec<&Receipt> = memory.receipts.iter().filter(|r| r.webhook == webhook).collect();
            let taken = receipts.iter().filter(|receipt| receipt.was_taken).count();
            let deliveries: HashSet<&str> = receipts.iter().map(|r| r.delivery.as_str()).collect();
            findings.requests += receipts.len();
            findings.delivered += deliveries.len();
            findings.repeated += taken.saturating_sub(deliveries.len());
            findings.lost.extend(missing(&receipts, accepted));
            findings.out_of_order.extend(out_of_order(&receipts));
            let wrong = wrongly_repeated(&receipts, &memory.runs_end_softly);
            findings.wrongly_repeated.extend(wrong);
        }
        findings
    }
}

async fn serve(listener: TcpListener, router: axum::Router, open_connections: Arc<AtomicUsize>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        open_connections.fetch_add(1, Ordering::SeqCst);
        let (router, open_connections) = (router.clone(), Arc::clone(&open_connections));
        tokio::spawn(async move {
            let answer = service_fn(|request| router.clone().oneshot(request));
            // The server at the other end may be killed in the middle.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
            open_connections.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn receive(
    State(memory): State<Arc<Mutex<Memory>>>,
    Path(webhook): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let mut memory = memory.lock().unwrap();
    let json: Value = serde_json::from_slice(&body).unwrap();
    let delivery = headers["x-opsknight-delivery"].to_str().unwrap().to_owned();
    let fails = webhook == "flaky" && memory.random.below(3) == 0;
    let was_taken = !fails || memory.failures.get(&delivery) == Some(&MAX_FAILURES);
    if !was_taken {
        *memory.failures.entry(delivery.clone()).or_default() += 1;
    }
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let receipt = Receipt {
        run: memory.runs_end_softly.len() - 1,
        webhook,
        delivery,
        incident: json["incident"]["id"].as_str().unwrap().to_owned(),
        event: json["event"].as_str().unwrap().to_owned(),
        hash: hasher.finish(),
        was_taken,
    };
    memory.receipts.push(receipt);
    if was_taken {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

/// What was accepted and never delivered.
fn missing(receipts: &[&Receipt], accepted: &[Accepted]) -> Vec<String> {
    let taken: HashSet<(&str, &str)> = receipts
        .iter()
        .filter(|r| r.was_taken)
        .map(|r| (r.incident.as_str(), r.event.as_str()))
        .collect();
    let is_missing = |event: &&Accepted| !taken.contains(&(event.incident.as_str(), event.event));
    let missing = accepted.iter().filter(is_missing);
    missing.map(|event| format!("{event:?}")).collect()
}

/// Events that were first seen before the event before them was taken.
fn out_of_order(receipts: &[&Receipt]) -> Vec<String> {
    let mut taken: HashMap<&str, usize> = HashMap::new();
    let mut found = Vec::new();
    for receipt in receipts {
        let place = match receipt.event.as_str() {
            "incident.triggered" => 0,
            "incident.acknowledged" => 1,
            _ => 2,
        };
        let done = taken.entry(&receipt.incident).or_default();
        if place > *done {
            found.push(format!("{receipt:?} came before the event before it was taken"));
        }
        if receipt.was_taken {
            *done = (*done).max(place + 1);
        }
    }
    found
}

/// A delivery that was taken may come again only after a kill, byte for byte the same.
fn wrongly_repeated(receipts: &[&Receipt], runs_end_softly: &[bool]) -> Vec<String> {
    let mut first_taken: HashMap<&str, &Receipt> = HashMap::new();
    let mut delivery_of_event: HashMap<(&str, &str), &str> = HashMap::new();
    let mut found = Vec::new();
    for receipt in receipts {
        let event = (receipt.incident.as_str(), receipt.event.as_str());
        let delivery = delivery_of_event.entry(event).or_insert(&receipt.delivery);
        if *delivery != receipt.delivery {
            found.push(format!("{receipt:?} is another delivery of the same event"));
        }
        if let Some(first) = first_taken.get(receipt.delivery.as_str()) {
            if first.hash != receipt.hash {
                found.push(format!("{receipt:?} has other bytes than the first time"));
            }
            if receipt.run <= first.run || runs_end_softly[first.run] {
                let run = first.run;
                found.push(format!(
                    "{receipt:?} was taken in run {run}, and no kill explains it"
                ));
            }
        }
        if receipt.was_taken {
            first_taken.insert(&receipt.delivery, receipt);
        }
    }
    found
}
