//! The receivers of the crash test: they remember every request, and in which run of the server it came.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::load::Accepted;
use crate::support::seed::Seeded;

/// One request, as it came.
#[derive(Debug, Clone)]
struct Receipt {
    run: usize,
    webhook: String,
    delivery: String,
    incident: String,
    event: String,
    body: Bytes,
    was_taken: bool,
}

struct Memory {
    random: Seeded,
    receipts: Vec<Receipt>,
    runs_end_softly: Vec<bool>,
}

/// Listens for two webhooks, one of which fails at times.
#[derive(Clone)]
pub struct CrashReceiver {
    url: String,
    memory: Arc<Mutex<Memory>>,
}

impl CrashReceiver {
    pub async fn start(seed: u64) -> Self {
        let memory = Memory {
            random: Seeded::new(seed),
            receipts: Vec::new(),
            runs_end_softly: vec![true],
        };
        let memory = Arc::new(Mutex::new(memory));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .route("/{webhook}", axum::routing::post(receive))
            .with_state(Arc::clone(&memory));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, memory }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What comes from now on belongs to another run of the server.
    pub fn next_run(&self, ends_softly: bool) {
        self.memory.lock().unwrap().runs_end_softly.push(ends_softly);
    }

    /// Checks everything that was received against what was accepted.
    pub fn verify(&self, accepted: &[Accepted]) {
        let memory = self.memory.lock().unwrap();
        for webhook in ["steady", "flaky"] {
            let receipts: Vec<&Receipt> = memory.receipts.iter().filter(|r| r.webhook == webhook).collect();
            nothing_is_missing(&receipts, accepted);
            order_is_kept(&receipts);
            only_what_was_in_flight_is_repeated(&receipts, &memory.runs_end_softly);
        }
    }

    pub fn summary(&self) -> String {
        let memory = self.memory.lock().unwrap();
        let taken = memory.receipts.iter().filter(|receipt| receipt.was_taken).count();
        let deliveries: HashSet<&str> = memory.receipts.iter().map(|r| r.delivery.as_str()).collect();
        let repeated = taken - deliveries.len();
        format!(
            "{} requests in {} runs, {} deliveries, {repeated} taken twice after a kill",
            memory.receipts.len(),
            memory.runs_end_softly.len(),
            deliveries.len()
        )
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
    let was_taken = webhook == "steady" || memory.random.below(3) > 0;
    let receipt = Receipt {
        run: memory.runs_end_softly.len() - 1,
        webhook,
        delivery: headers["x-opsknight-delivery"].to_str().unwrap().to_owned(),
        incident: json["incident"]["id"].as_str().unwrap().to_owned(),
        event: json["event"].as_str().unwrap().to_owned(),
        body,
        was_taken,
    };
    memory.receipts.push(receipt);
    if was_taken {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

fn nothing_is_missing(receipts: &[&Receipt], accepted: &[Accepted]) {
    let taken: HashSet<(&str, &str)> = receipts
        .iter()
        .filter(|r| r.was_taken)
        .map(|r| (r.incident.as_str(), r.event.as_str()))
        .collect();
    let missing: Vec<_> = accepted
        .iter()
        .filter(|event| !taken.contains(&(event.incident.as_str(), event.event)))
        .collect();
    assert!(missing.is_empty(), "accepted but never delivered: {missing:?}");
}

/// An event is first seen only after the event before it was taken.
fn order_is_kept(receipts: &[&Receipt]) {
    let mut taken: HashMap<&str, usize> = HashMap::new();
    for receipt in receipts {
        let place = match receipt.event.as_str() {
            "incident.triggered" => 0,
            "incident.acknowledged" => 1,
            _ => 2,
        };
        let done = taken.entry(&receipt.incident).or_default();
        assert!(
            place <= *done,
            "{receipt:?} came before the event before it was taken"
        );
        if receipt.was_taken {
            *done = (*done).max(place + 1);
        }
    }
}

/// A delivery that was taken comes again only after a kill, byte for byte the same.
fn only_what_was_in_flight_is_repeated(receipts: &[&Receipt], runs_end_softly: &[bool]) {
    let mut first_taken: HashMap<&str, &Receipt> = HashMap::new();
    let mut delivery_of_event: HashMap<(&str, &str), &str> = HashMap::new();
    for receipt in receipts {
        let event = (receipt.incident.as_str(), receipt.event.as_str());
        let delivery = delivery_of_event.entry(event).or_insert(&receipt.delivery);
        assert_eq!(
            *delivery, receipt.delivery,
            "an event has one delivery per webhook"
        );
        if let Some(first) = first_taken.get(receipt.delivery.as_str()) {
            assert_eq!(first.body, receipt.body, "a repeated delivery has the same bytes");
            assert!(
                receipt.run > first.run,
                "{receipt:?} was taken already in this run"
            );
            assert!(
                !runs_end_softly[first.run],
                "{receipt:?} was taken in a run that ended softly"
            );
        }
        if receipt.was_taken {
            first_taken.insert(&receipt.delivery, receipt);
        }
    }
}
