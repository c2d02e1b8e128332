//! The load of the crash test: clients that trigger, acknowledge and resolve incidents, and repeat a request with the same
//! idempotency key until it is answered.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::api_client::ApiClient;

const STEPS: [&str; 3] = ["trigger", "acknowledge", "resolve"];

/// An event that the server answered with 2xx: it must be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Accepted {
    pub incident: String,
    pub event: &'static str,
    /// Platforms hear of it, whose pace is slow: the incident's title there.
    pub critical: Option<String>,
}

/// Several clients, each with an incident in work.
pub struct Load {
    clients: Vec<Client>,
    /// How many were to make a critical incident.
    critical: usize,
    running: JoinSet<Client>,
    stop: watch::Sender<bool>,
    accepted: Arc<Mutex<Vec<Accepted>>>,
}

struct Client {
    name: usize,
    incidents_done: u64,
    step: usize,
    incident: Option<String>,
    /// Whether the incident in work is critical, however often it is asked for.
    is_critical: bool,
    /// Whether the one after it is.
    next_is_critical: bool,
    accepted: Arc<Mutex<Vec<Accepted>>>,
}

impl Load {
    pub fn new(count: usize) -> Self {
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let client = |name| Client {
            name,
            incidents_done: 0,
            step: 0,
            incident: None,
            is_critical: name == 0,
            next_is_critical: false,
            accepted: Arc::clone(&accepted),
        };
        let clients = (0..count).map(client).collect();
        Self {
            clients,
            critical: 1,
            running: JoinSet::new(),
            stop: watch::Sender::new(false),
            accepted,
        }
    }

    pub fn start(&mut self, api: &ApiClient) {
        self.stop.send_replace(false);
        for client in self.clients.drain(..) {
            self.running.spawn(client.run(api.clone(), self.stop.subscribe()));
        }
    }

    /// One of the clients has a critical incident next, each in its turn.
    pub fn make_one_critical(&mut self) {
        let turn = self.critical % self.clients.len();
        self.critical += 1;
        self.clients
            .iter_mut()
            .filter(|client| client.name == turn)
            .for_each(|client| client.next_is_critical = true);
    }

    pub async fn stop(&mut self) {
        self.stop.send_replace(true);
        while let Some(client) = self.running.join_next().await {
            self.clients.push(client.unwrap());
        }
    }

    /// Brings every incident in work to its end.
    pub async fn finish(&mut self, api: &ApiClient) {
        for client in &mut self.clients {
            while client.step > 0 || client.incident.is_some() {
                assert!(client.advance(api).await, "the server answers");
            }
        }
    }

    pub fn accepted(&self) -> Vec<Accepted> {
        self.accepted.lock().unwrap().clone()
    }
}

impl Client {
    async fn run(mut self, api: ApiClient, stop: watch::Receiver<bool>) -> Self {
        while !*stop.borrow() && self.advance(&api).await {}
        self
    }

    /// One request; says whether it was answered. An unanswered one is repeated with the same key next time.
    async fn advance(&mut self, api: &ApiClient) -> bool {
        let step = STEPS[self.step];
        let key = format!("{}-{}-{step}", self.name, self.incidents_done);
        let (path, body) = match &self.incident {
            None => {
                let severity = if self.is_critical { "critical" } else { "error" };
                let service = json!({"name": "Crash"});
                (
                    "/api/v1/incidents".to_owned(),
                    json!({"title": self.title(), "service": service, "severity": severity}),
                )
            }
            Some(incident) => (format!("/api/v1/incidents/{incident}/{step}"), json!({})),
        };
        let answer = api
            .send("POST", &path, Some(body), &[("idempotency-key", &key)])
            .await;
        let Ok(answer) = answer else { return false };
        if answer.status == 503 {
            return false;
        }
        assert!(
            (200..300).contains(&answer.status),
            "{} {}",
            answer.status,
            answer.text
        );
        self.note(&answer.json());
        true
    }

    fn title(&self) -> String {
        format!("incident {} of client {}", self.incidents_done, self.name)
    }

    fn note(&mut self, incident: &Value) {
        let id = incident["id"].as_str().unwrap().to_owned();
        let event = ["incident.triggered", "incident.acknowledged", "incident.resolved"][self.step];
        self.accepted.lock().unwrap().push(Accepted {
            incident: id.clone(),
            event,
            critical: self.is_critical.then(|| self.title()),
        });
        self.step = (self.step + 1) % STEPS.len();
        self.incident = (self.step > 0).then_some(id);
        if self.step == 0 {
            self.incidents_done += 1;
            self.is_critical = std::mem::take(&mut self.next_is_critical);
        }
    }
}
