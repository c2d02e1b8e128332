//! The load of the fleet: clients that trigger, acknowledge and resolve incidents at whichever node answers, and repeat a
//! request with the same idempotency key until one has.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::api_client::ApiClient;

pub const EVENTS: [&str; 3] = ["incident.triggered", "incident.acknowledged", "incident.resolved"];
const STEPS: [&str; 3] = ["trigger", "acknowledge", "resolve"];
/// How long a client waits between two requests, and before it asks another node.
const PAUSE: Duration = Duration::from_millis(40);
/// How long it waits for an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(4);
/// How long it looks for a node that answers.
const SERVICE_LIMIT: Duration = Duration::from_secs(90);

/// An event that a node answered with 2xx: it must be delivered.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub incident: String,
    pub event: &'static str,
    pub at: Instant,
}

/// The nodes that may be asked. They come and go.
pub type Nodes = Arc<Mutex<Vec<ApiClient>>>;

/// Several clients, each with an incident in work.
pub struct Load {
    running: JoinSet<()>,
    stop: watch::Sender<bool>,
    accepted: Arc<Mutex<Vec<Accepted>>>,
    refused: Arc<Mutex<u64>>,
}

struct Client {
    name: String,
    nodes: Nodes,
    turn: usize,
    accepted: Arc<Mutex<Vec<Accepted>>>,
    refused: Arc<Mutex<u64>>,
}

impl Load {
    pub fn start(nodes: &Nodes, clients: usize) -> Self {
        let mut load = Self {
            running: JoinSet::new(),
            stop: watch::Sender::new(false),
            accepted: Arc::default(),
            refused: Arc::default(),
        };
        static LOADS: AtomicU32 = AtomicU32::new(0);
        let load_number = LOADS.fetch_add(1, Ordering::Relaxed);
        for number in 0..clients {
            let client = Client {
                name: format!("client {number} of load {load_number}"),
                nodes: Arc::clone(nodes),
                turn: number,
                accepted: Arc::clone(&load.accepted),
                refused: Arc::clone(&load.refused),
            };
            load.running.spawn(client.run(load.stop.subscribe()));
        }
        load
    }

    /// Brings every incident in work to its end; what was accepted.
    pub async fn finish(mut self) -> Vec<Accepted> {
        self.stop.send_replace(true);
        while let Some(client) = self.running.join_next().await {
            client.unwrap();
        }
        self.accepted()
    }

    pub fn accepted(&self) -> Vec<Accepted> {
        self.accepted.lock().unwrap().clone()
    }

    /// How often a node said that it cannot now, or did not answer.
    pub fn refused(&self) -> u64 {
        *self.refused.lock().unwrap()
    }

    /// Waits until so many more events are accepted.
    pub async fn accept(&self, more: usize) {
        let wanted = self.accepted.lock().unwrap().len() + more;
        let enough = async {
            while self.accepted.lock().unwrap().len() < wanted {
                tokio::time::sleep(PAUSE / 4).await;
            }
        };
        let in_time = tokio::time::timeout(SERVICE_LIMIT, enough).await;
        assert!(in_time.is_ok(), "the fleet accepts nothing any more");
    }
}

impl Client {
    async fn run(mut self, stop: watch::Receiver<bool>) {
        let mut incidents = 0;
        while !*stop.borrow() {
            let mut incident = None;
            for step in 0..STEPS.len() {
                incident = Some(self.insist(incidents, step, incident).await);
                tokio::time::sleep(PAUSE).await;
            }
            incidents += 1;
        }
    }

    /// Asks one node after the other until one has answered; the incident's id.
    async fn insist(&mut self, number: u64, step: usize, incident: Option<String>) -> String {
        let began_at = Instant::now();
        let key = format!("{} {number} {}", self.name, STEPS[step]);
        let (path, body) = match incident {
            None => {
                let title = format!("incident {number} of {}", self.name);
                (
                    "/api/v1/incidents".to_owned(),
                    json!({"title": title, "service": {"name": "Fleet"}}),
                )
            }
            Some(incident) => (format!("/api/v1/incidents/{incident}/{}", STEPS[step]), json!({})),
        };
        loop {
            let waited = began_at.elapsed();
            assert!(waited < SERVICE_LIMIT, "no node answers {path} of {key}");
            let node = self.next_node();
            let keyed = [("idempotency-key", key.as_str())];
            let answer = match &node {
                Some(node) => {
                    let sent = node.send("POST", &path, Some(body.clone()), &keyed);
                    tokio::time::timeout(ANSWER_LIMIT, sent).await
                }
                None => Ok(Err("there is no node".into())),
            };
            if let Ok(Ok(answer)) = answer {
                let is_later = answer.status == 503 || answer.text.contains("idempotency_in_progress");
                assert!(
                    is_later || matches!(answer.status, 200 | 201),
                    "{} {path}: {}",
                    answer.status,
                    answer.text
                );
                if !is_later {
                    let id = answer.json()["id"].as_str().unwrap().to_owned();
                    self.accepted.lock().unwrap().push(Accepted {
                        incident: id.clone(),
                        event: EVENTS[step],
                        at: Instant::now(),
                    });
                    return id;
                }
            }
            *self.refused.lock().unwrap() += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn next_node(&mut self) -> Option<ApiClient> {
        let nodes = self.nodes.lock().unwrap();
        self.turn += 1;
        (!nodes.is_empty()).then(|| nodes[self.turn % nodes.len()].clone())
    }
}
