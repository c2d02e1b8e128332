//! The receiver of the fleet: slow, so that work is left over, and it remembers every request, when it came and when it was
//! answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::sync::watch;

use super::load::{Accepted, EVENTS};

/// How long it thinks about each request.
const THINKING: Duration = Duration::from_millis(60);
/// A result is on record so soon after the answer, unless a fault comes between.
const RECORDING: Duration = Duration::from_secs(3);
/// What a node had sent when it died may be read so much later.
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// Everything of a node that is gone is taken over within ten seconds; a machine that does much else gets twice that.
pub const TAKEOVER: Duration = Duration::from_secs(20);

/// One request, as it came.
#[derive(Debug, Clone)]
struct Receipt {
    delivery: String,
    incident: String,
    event: String,
    body: Bytes,
    at: Instant,
    answered_at: Option<Instant>,
}

/// When something was wrong, from and to.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub from: Instant,
    pub until: Instant,
}

impl Fault {
    /// Something that happened at once, just now.
    pub fn now() -> Self {
        let now = Instant::now();
        Self {
            from: now,
            until: now,
        }
    }

    /// Something that began then and has ended just now.
    pub fn since(from: Instant) -> Self {
        Self {
            from,
            until: Instant::now(),
        }
    }
}

/// Takes everything.
pub struct FleetReceiver {
    url: String,
    receipts: Arc<Mutex<Vec<Receipt>>>,
    is_open: watch::Sender<bool>,
}

#[derive(Clone)]
struct Shared {
    receipts: Arc<Mutex<Vec<Receipt>>>,
    is_open: watch::Receiver<bool>,
}

impl FleetReceiver {
    pub async fn start() -> Self {
        let receipts = Arc::new(Mutex::new(Vec::new()));
        let is_open = watch::Sender::new(true);
        let shared = Shared {
            receipts: Arc::clone(&receipts),
            is_open: is_open.subscribe(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .route("/", axum::routing::post(receive))
            .with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url,
            receipts,
            is_open,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn count(&self) -> usize {
        self.receipts.lock().unwrap().len()
    }

    /// How many requests wait for an answer.
    pub fn in_flight(&self) -> usize {
        let receipts = self.receipts.lock().unwrap();
        receipts
            .iter()
            .filter(|receipt| receipt.answered_at.is_none())
            .count()
    }

    /// Answers nobody until it is opened again.
    pub fn close(&self) {
        self.is_open.send_replace(false);
    }

    pub fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Every event that was accepted came, in order within its incident and in time; one came twice only if it was in flight
    /// at a fault, as the same delivery.
    pub fn verify(&self, accepted: &[Accepted], faults: &[Fault]) {
        let receipts = self.receipts.lock().unwrap();
        let mut by_event: HashMap<(&str, &str), Vec<&Receipt>> = HashMap::new();
        for receipt in receipts.iter() {
            let event = (receipt.incident.as_str(), receipt.event.as_str());
            by_event.entry(event).or_default().push(receipt);
        }
        for accepted in accepted {
            let came = by_event.remove(&(accepted.incident.as_str(), accepted.event));
            let came = came.unwrap_or_else(|| panic!("accepted and never delivered: {accepted:?}"));
            is_in_time(accepted, came[0], faults);
            only_what_was_in_flight_is_repeated(&came, faults);
        }
        assert!(by_event.is_empty(), "never accepted: {by_event:?}");
        order_is_kept(&receipts);
    }

    /// How many requests repeated one that came before.
    pub fn repeats(&self) -> usize {
        let receipts = self.receipts.lock().unwrap();
        let mut deliveries: Vec<&str> = receipts.iter().map(|receipt| receipt.delivery.as_str()).collect();
        deliveries.sort_unstable();
        deliveries.dedup();
        receipts.len() - deliveries.len()
    }
}

/// A takeover, or the end of a fault, may have been in the way.
fn is_in_time(accepted: &Accepted, first: &Receipt, faults: &[Fault]) {
    let before = faults.iter().filter(|fault| fault.from <= first.at);
    let free_since = before
        .map(|fault| fault.until)
        .chain([accepted.at])
        .max()
        .unwrap_or(accepted.at);
    let late = first.at.saturating_duration_since(free_since);
    assert!(
        late <= TAKEOVER,
        "{accepted:?} came {late:?} after nothing was in its way"
    );
}

fn only_what_was_in_flight_is_repeated(came: &[&Receipt], faults: &[Fault]) {
    for pair in came.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        assert_eq!(
            first.delivery, second.delivery,
            "an event has one delivery: {first:?}"
        );
        assert_eq!(first.body, second.body, "a repeat has the same bytes: {first:?}");
        let was_in_flight = |fault: &Fault| {
            let unrecorded_until = first.answered_at.map(|at| at + RECORDING);
            first.at <= fault.until + ON_THE_WAY && unrecorded_until.is_none_or(|until| until >= fault.from)
        };
        assert!(
            faults.iter().any(was_in_flight),
            "{} came again after {:?} although no fault was in the way of its result: {first:?}",
            second.delivery,
            second.at.saturating_duration_since(first.at)
        );
    }
}

/// An event is first seen only after the one before it was answered.
fn order_is_kept(receipts: &[Receipt]) {
    let mut answered: HashMap<(&str, usize), Instant> = HashMap::new();
    for receipt in receipts {
        let place = EVENTS.iter().position(|event| *event == receipt.event).unwrap();
        if place > 0 {
            let before = answered.get(&(receipt.incident.as_str(), place - 1));
            assert!(
                before.is_some_and(|at| *at <= receipt.at),
                "{receipt:?} came before the event before it was answered: {before:?}"
            );
        }
        if let Some(at) = receipt.answered_at {
            let first = answered.entry((receipt.incident.as_str(), place)).or_insert(at);
            *first = at.min(*first);
        }
    }
}

async fn receive(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let json: Value = serde_json::from_slice(&body).unwrap();
    let number = {
        let mut receipts = shared.receipts.lock().unwrap();
        receipts.push(Receipt {
            delivery: headers["x-opsknight-delivery"].to_str().unwrap().to_owned(),
            incident: json["incident"]["id"].as_str().unwrap().to_owned(),
            event: json["event"].as_str().unwrap().to_owned(),
            body,
            at: Instant::now(),
            answered_at: None,
        });
        receipts.len() - 1
    };
    tokio::time::sleep(THINKING).await;
    let mut is_open = shared.is_open;
    let _ = is_open.wait_for(|is_open| *is_open).await;
    shared.receipts.lock().unwrap()[number].answered_at = Some(Instant::now());
    StatusCode::NO_CONTENT
}
