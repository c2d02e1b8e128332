//! The receiver of the fleet: slow, so that work is left over, and it remembers every request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

/// How long it thinks about each request.
const THINKING: Duration = Duration::from_millis(60);

/// One request, as it came.
struct Receipt {
    delivery: String,
    incident: String,
    event: String,
}

/// Takes everything.
pub struct FleetReceiver {
    url: String,
    receipts: Arc<Mutex<Vec<Receipt>>>,
}

impl FleetReceiver {
    pub async fn start() -> Self {
        let receipts = Arc::new(Mutex::new(Vec::new()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .route("/", axum::routing::post(receive))
            .with_state(Arc::clone(&receipts));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, receipts }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn count(&self) -> usize {
        self.receipts.lock().unwrap().len()
    }

    /// Each event of each incident came once, in order.
    pub fn verify(&self, incidents: &[String]) {
        let receipts = self.receipts.lock().unwrap();
        let mut events: HashMap<&str, Vec<&str>> = HashMap::new();
        for receipt in receipts.iter() {
            events.entry(&receipt.incident).or_default().push(&receipt.event);
        }
        let expected = ["incident.triggered", "incident.acknowledged", "incident.resolved"];
        for incident in incidents {
            assert_eq!(
                events.remove(incident.as_str()).unwrap_or_default(),
                expected,
                "{incident}"
            );
        }
        assert!(events.is_empty(), "{events:?}");
        let mut deliveries: Vec<&str> = receipts.iter().map(|receipt| receipt.delivery.as_str()).collect();
        deliveries.sort_unstable();
        deliveries.dedup();
        assert_eq!(deliveries.len(), receipts.len(), "a delivery came twice");
    }
}

async fn receive(
    State(receipts): State<Arc<Mutex<Vec<Receipt>>>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let json: Value = serde_json::from_slice(&body).unwrap();
    receipts.lock().unwrap().push(Receipt {
        delivery: headers["x-opsknight-delivery"].to_str().unwrap().to_owned(),
        incident: json["incident"]["id"].as_str().unwrap().to_owned(),
        event: json["event"].as_str().unwrap().to_owned(),
    });
    tokio::time::sleep(THINKING).await;
    StatusCode::NO_CONTENT
}
