//! A whole server inside the test, with a clock moved by hand and host names that resolve as the test says.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use clock::{Clock, Env, SystemEntropy};
use config::Config;
use model::time::Timestamp;
use outbound::Resolve;
use outbound::resolver::ResolveError;
use renderer::Renderer;
use serde_json::{Value, json};
use server::app::{App, FirstKey, Surroundings};
use store::Store;

use crate::support::api_client::ApiClient;

/// 2026-01-05T12:00:00Z.
const START_MILLIS: i64 = 1_767_614_400_000;
/// How long something that must happen may take before the test says that it does not.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A clock that stands still until it is moved.
pub struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn monotonic_millis(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Host names of the test.
#[derive(Default, Clone)]
pub struct Names(pub HashMap<String, Vec<IpAddr>>);

#[async_trait::async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        self.0
            .get(host)
            .cloned()
            .ok_or_else(|| ResolveError::Failed("no such host in this test".into()))
    }
}

/// A running server.
pub struct TestApp {
    app: App,
    pub api: ApiClient,
    clock: Arc<HandClock>,
    source: Env,
}

impl TestApp {
    /// Starts on a data directory. The clock starts where it always starts.
    pub async fn start(directory: &Path) -> Self {
        Self::start_resolving(directory, Arc::new(Names::default())).await
    }

    /// Starts with other settings and names.
    pub async fn start_with(directory: &Path, change: &dyn Fn(&mut Config), names: Names) -> Self {
        Self::start_at(directory, START_MILLIS, change, Arc::new(names)).await
    }

    /// Stops softly and starts again on the same data, at the same time of the clock.
    pub async fn restart(self, directory: &Path) -> Self {
        let millis = self.clock.0.load(Ordering::SeqCst);
        assert!(self.app.stop().await, "a soft stop ends in time");
        Self::start_at(directory, millis, &|_| (), Arc::new(Names::default())).await
    }

    /// Starts with another way to look names up.
    pub async fn start_resolving(directory: &Path, resolver: Arc<dyn Resolve>) -> Self {
        Self::start_at(directory, START_MILLIS, &|_| (), resolver).await
    }

    /// Stops softly and starts again, with another program to render templates.
    pub async fn restart_with_program(self, directory: &Path, program: &str) -> Self {
        let millis = self.clock.0.load(Ordering::SeqCst);
        assert!(self.app.stop().await, "a soft stop ends in time");
        Self::start_program(directory, millis, &|_| (), Arc::new(Names::default()), program).await
    }

    async fn start_at(
        directory: &Path,
        millis: i64,
        change: &dyn Fn(&mut Config),
        resolver: Arc<dyn Resolve>,
    ) -> Self {
        let program = env!("CARGO_BIN_EXE_opsknight");
        Self::start_program(directory, millis, change, resolver, program).await
    }

    async fn start_program(
        directory: &Path,
        millis: i64,
        change: &dyn Fn(&mut Config),
        resolver: Arc<dyn Resolve>,
        program: &str,
    ) -> Self {
        let clock = Arc::new(HandClock(AtomicI64::new(millis)));
        let mut config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            data: directory.to_owned(),
            dev: true,
            ..Config::default()
        };
        change(&mut config);
        let source = Env::new(Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(SystemEntropy));
        let surroundings = Surroundings {
            source: source.clone(),
            resolver,
            renderer: Renderer::new(program.into()),
        };
        let app = App::start(&config, surroundings).await.unwrap();
        let base = format!("http://{}", app.address());
        let key = match app.first_key() {
            FirstKey::Dev(key) => key.reveal().to_owned(),
            FirstKey::SetUp(token) => {
                let setup = ApiClient::new(&base, "");
                let answer = setup
                    .post("/api/v1/setup", json!({"token": token.reveal()}))
                    .await;
                answer.expect(201).json()["key"].as_str().unwrap().to_owned()
            }
            FirstKey::Exists => panic!("the test has lost its key"),
        };
        Self {
            app,
            api: ApiClient::new(&base, &key),
            clock,
            source,
        }
    }

    /// Stops softly.
    pub async fn stop(self) {
        assert!(self.app.stop().await, "a soft stop ends in time");
    }

    /// The address of its pages, without a slash at the end.
    pub fn base(&self) -> String {
        format!("http://{}", self.app.address())
    }

    /// The token of the link that makes the first administrator.
    pub fn set_up_token(&self) -> String {
        let token = self.app.set_up_token().expect("nobody can sign in yet");
        token.reveal().to_owned()
    }

    /// Its store, for what no door gives to a test.
    pub fn store(&self) -> &Store {
        self.app.store()
    }

    /// Its source of times and ids, on the test's clock or on that of the database that several share.
    pub fn source(&self) -> Env {
        self.source.clone()
    }

    /// Moves the clock, and lets the dispatcher see it.
    pub fn advance(&self, duration: Duration) {
        self.clock
            .0
            .fetch_add(i64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
        self.app.look_now();
    }

    /// Waits until nothing is being sent, recorded or read, and nothing is due at this time of the clock.
    pub async fn quiesce(&self) {
        let quiet = async {
            while !self.app.is_quiet().await {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, quiet).await;
        assert!(in_time.is_ok(), "the server does not come to rest");
    }

    /// A service called `API Gateway`.
    pub async fn create_service(&self) {
        self.api
            .post("/api/v1/services", json!({"name": "API Gateway"}))
            .await
            .expect(201);
    }

    /// A webhook for all events to a receiver, with changes; its id.
    pub async fn create_webhook(&self, url: &str, changes: Value) -> String {
        let mut webhook = json!({
            "name": "receiver",
            "url": url,
            "secret": "my secret ✓",
            "events": ["incident.triggered", "incident.acknowledged", "incident.resolved",
                       "incident.escalated", "incident.reopened"],
        });
        for (name, value) in changes.as_object().unwrap() {
            webhook[name] = value.clone();
        }
        text(
            &self
                .api
                .post("/api/v1/webhooks", webhook)
                .await
                .expect(201)
                .json()["id"],
        )
    }

    /// A critical incident about `API Gateway`; its id.
    pub async fn trigger(&self, title: &str) -> String {
        let incident = json!({"title": title, "severity": "critical", "service": {"name": "API Gateway"}});
        text(
            &self
                .api
                .post("/api/v1/incidents", incident)
                .await
                .expect(201)
                .json()["id"],
        )
    }

    /// An action on an incident.
    pub async fn act(&self, incident: &str, action: &str) {
        self.api
            .post(&format!("/api/v1/incidents/{incident}/{action}"), json!({}))
            .await
            .expect(200);
    }

    /// The deliveries of a query, newest first.
    pub async fn deliveries(&self, query: &str) -> Vec<Value> {
        let page = self
            .api
            .get(&format!("/api/v1/deliveries?{query}"))
            .await
            .expect(200)
            .json();
        page["items"].as_array().unwrap().clone()
    }

    /// Waits until so many deliveries of a query are there, and gives them.
    pub async fn wait_for(&self, query: &str, count: usize) -> Vec<Value> {
        let found = async {
            loop {
                let deliveries = self.deliveries(query).await;
                if deliveries.len() == count {
                    return deliveries;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(deliveries) => deliveries,
            Err(_) => panic!(
                "expected {count} of {query}, found {:#?}",
                self.deliveries("").await
            ),
        }
    }

    /// Waits until a delivery has had so many attempts, and gives it with all of them.
    pub async fn wait_for_attempts(&self, delivery: &str, count: u64) -> Value {
        let found = async {
            loop {
                let detail = self
                    .api
                    .get(&format!("/api/v1/deliveries/{delivery}"))
                    .await
                    .expect(200)
                    .json();
                if detail["attemptsMade"].as_u64().unwrap() >= count && detail["status"] != "claimed" {
                    return detail;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .expect("the attempts are made")
    }
}

/// The text of a JSON string.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
