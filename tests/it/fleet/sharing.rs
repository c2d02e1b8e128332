//! Servers that share webhooks: limits hold for all of them together, and schedules too, whatever their clocks show.

use std::collections::HashMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use clock::{Clock, Env, SystemClock, SystemEntropy};
use config::{Config, Database};
use model::time::Timestamp;
use outbound::SystemResolver;
use renderer::Renderer;
use serde_json::json;
use server::app::{App, FirstKey, Surroundings};

use super::{new_database, settle};
use crate::support::api_client::ApiClient;

/// How far each of two clocks is from the right time.
const SKEW_MS: i64 = 600_000;
/// How long the receiver holds a request.
const THINKING: Duration = Duration::from_millis(30);
/// Between the first attempt and the second.
const RETRY_WAIT: Duration = Duration::from_secs(3);
/// How late a retry may come on a busy machine.
const LATENESS: Duration = Duration::from_secs(20);
const INCIDENTS: usize = 24;

/// A machine's clock that was set wrong.
struct SkewedClock {
    right: SystemClock,
    by_ms: i64,
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.right.now().as_millis() + self.by_ms)
    }

    fn monotonic_millis(&self) -> i64 {
        self.right.monotonic_millis()
    }
}

/// What a receiver has seen.
#[derive(Default)]
struct Seen {
    attempts: HashMap<String, Vec<Instant>>,
    present: usize,
    most: usize,
    /// Refuses each delivery once.
    refuses_first: bool,
}

type Receiver = Arc<Mutex<Seen>>;

async fn start_receiver(refuses_first: bool) -> (String, Receiver) {
    let seen = Arc::new(Mutex::new(Seen {
        refuses_first,
        ..Seen::default()
    }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = axum::Router::new()
        .route("/", axum::routing::post(receive))
        .with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, seen)
}

async fn receive(State(seen): State<Receiver>, headers: HeaderMap) -> StatusCode {
    let delivery = headers["x-opsknight-delivery"].to_str().unwrap().to_owned();
    let is_refused = {
        let mut seen = seen.lock().unwrap();
        seen.present += 1;
        seen.most = seen.most.max(seen.present);
        let refuses_first = seen.refuses_first;
        let attempts = seen.attempts.entry(delivery).or_default();
        attempts.push(Instant::now());
        refuses_first && attempts.len() == 1
    };
    tokio::time::sleep(THINKING).await;
    seen.lock().unwrap().present -= 1;
    match is_refused {
        true => StatusCode::INTERNAL_SERVER_ERROR,
        false => StatusCode::NO_CONTENT,
    }
}

async fn start_app(url: &str, data: &Path, by_ms: i64) -> (App, ApiClient) {
    let mut key = std::fs::OpenOptions::new();
    let key = key.write(true).create_new(true).mode(0o600);
    let mut key = key.open(data.join("master.key")).unwrap();
    std::io::Write::write_all(&mut key, "ab".repeat(32).as_bytes()).unwrap();
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        data: data.to_owned(),
        database: url.parse::<Database>().unwrap(),
        dev: true,
        ..Config::default()
    };
    let clock = SkewedClock {
        right: SystemClock,
        by_ms,
    };
    let surroundings = Surroundings {
        source: Env::new(Arc::new(clock), Arc::new(SystemEntropy)),
        resolver: Arc::new(SystemResolver::new().unwrap()),
        renderer: Renderer::new(env!("CARGO_BIN_EXE_opsknight").into()),
    };
    let app = App::start(&config, surroundings).await.unwrap();
    let FirstKey::Dev(key) = app.first_key() else {
        panic!("a key for development");
    };
    let api = ApiClient::new(&format!("http://{}", app.address()), key.reveal());
    (app, api)
}

/// Two servers, one ahead and one behind, and a webhook; half of the incidents are made at each. Waits for all deliveries.
async fn deliver_from_both(receiver: &str, concurrency: u32) {
    let urls = new_database();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (first, at_first) = start_app(&urls[0], folders[0].path(), SKEW_MS).await;
    let (second, at_second) = start_app(&urls[0], folders[1].path(), -SKEW_MS).await;
    at_first
        .post("/api/v1/services", json!({"name": "Fleet"}))
        .await
        .expect(201);
    let webhook = json!({
        "name": "shared", "url": receiver, "secret": "fleet test", "events": ["incident.triggered"],
        "concurrency": concurrency, "retrySchedule": [format!("{}s", RETRY_WAIT.as_secs())],
    });
    at_first.post("/api/v1/webhooks", webhook).await.expect(201);
    for number in 0..INCIDENTS {
        let api = if number % 2 == 0 { &at_first } else { &at_second };
        let incident = json!({"title": format!("incident {number}"), "service": {"name": "Fleet"}});
        api.post("/api/v1/incidents", incident).await.expect(201);
    }
    settle(&at_first).await;
    assert!(first.stop().await && second.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_holds_for_all_servers_together() {
    for (concurrency, expected) in [(1, 1), (3, 3)] {
        let (url, seen) = start_receiver(false).await;
        deliver_from_both(&url, concurrency).await;
        let seen = seen.lock().unwrap();
        assert_eq!(seen.attempts.len(), INCIDENTS);
        assert!(seen.attempts.values().all(|attempts| attempts.len() == 1));
        assert!(seen.most <= expected, "{} at once of {concurrency}", seen.most);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_come_in_time_though_the_servers_clocks_differ_by_twenty_minutes() {
    let (url, seen) = start_receiver(true).await;
    deliver_from_both(&url, 64).await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.attempts.len(), INCIDENTS);
    for attempts in seen.attempts.values() {
        let [first, second] = attempts[..] else {
            panic!("{} attempts", attempts.len());
        };
        let waited = second - first;
        assert!(
            waited >= RETRY_WAIT && waited < RETRY_WAIT + LATENESS,
            "{waited:?}"
        );
    }
}
