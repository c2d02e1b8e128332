//! The nodes of a fleet: real processes that share a database, under load.

#![allow(clippy::print_stdout, reason = "how much was sent belongs into the report")]

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::load::{Accepted, Load, Nodes};
use super::receiver::{Fault, FleetReceiver};
use crate::support::api_client::ApiClient;
use crate::support::server_process::ServerProcess;

/// What is told of a database that is set up to be quick, and replicated only where a test is about that.
const OF_THE_TESTS: [&str; 6] = [
    "fsync_off",
    "full_page_writes_off",
    "autovacuum_off",
    "checksums_off",
    "replica_asynchronous",
    "no_synchronous_replica",
];
/// States of a delivery that has not ended.
const OPEN: [&str; 4] = ["scheduled", "queued", "claimed", "held"];
/// How long everything may take to be delivered in the end, before the test says that it never will be.
const SETTLE_LIMIT: Duration = Duration::from_secs(300);
/// How often it is looked whether something is so.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a node may take to say that it is ready again.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// Clients of the load.
const CLIENTS: usize = 4;

/// Nodes, a receiver, and what was wrong so far.
pub struct Fleet {
    nodes: Vec<Option<Node>>,
    folders: Vec<TempDir>,
    environment: Vec<Vec<(String, String)>>,
    present: Nodes,
    /// One API key for all: idempotency keys are its own.
    key: Option<String>,
    pub receiver: FleetReceiver,
    pub faults: Vec<Fault>,
}

pub struct Node {
    process: ServerProcess,
    pub api: ApiClient,
}

impl Fleet {
    /// A node for each address of the database.
    pub async fn start(urls: &[String]) -> Self {
        let environment = urls.iter().map(|url| environment(url)).collect();
        Self::start_with(environment).await
    }

    /// The same with all of each node's surroundings.
    pub async fn start_with(environment: Vec<Vec<(String, String)>>) -> Self {
        let folders: Vec<TempDir> = environment.iter().map(|_| tempfile::tempdir().unwrap()).collect();
        let mut fleet = Self {
            nodes: environment.iter().map(|_| None).collect(),
            folders,
            environment,
            present: Arc::new(Mutex::new(Vec::new())),
            key: None,
            receiver: FleetReceiver::start().await,
            faults: Vec::new(),
        };
        fleet.start_missing().await;
        fleet.set_up().await;
        fleet
    }

    /// Starts whatever is not there, all at once.
    pub async fn start_missing(&mut self) {
        let mut starting = tokio::task::JoinSet::new();
        for (number, node) in self.nodes.iter().enumerate() {
            if node.is_none() {
                let folder = self.folder(number);
                let environment = self.environment[number].clone();
                starting.spawn(async move { (number, Node::start(folder, environment).await) });
            }
        }
        while let Some(started) = starting.join_next().await {
            let (number, mut node) = started.unwrap();
            let key = self.key.get_or_insert_with(|| node.api.key().to_owned());
            node.api = ApiClient::new(&node.process.url, key);
            self.nodes[number] = Some(node);
        }
        self.note_present();
    }

    pub fn folder(&self, number: usize) -> PathBuf {
        self.folders[number].path().to_owned()
    }

    pub fn node(&self, number: usize) -> &Node {
        self.nodes[number].as_ref().unwrap()
    }

    pub fn api(&self, number: usize) -> &ApiClient {
        &self.node(number).api
    }

    pub fn load(&self) -> Load {
        Load::start(&self.present, CLIENTS)
    }

    /// `kill -9`, at any moment.
    pub async fn kill(&mut self, number: usize) {
        let node = self.nodes[number].take().unwrap();
        self.note_present();
        node.process.kill().await;
        self.faults.push(Fault::now());
    }

    /// Stops one node softly.
    pub async fn terminate(&mut self, number: usize) {
        let node = self.nodes[number].take().unwrap();
        self.note_present();
        assert!(node.process.terminate().await, "a soft stop ends cleanly");
    }

    /// Brings the load to its end, waits until everything is delivered, and checks all that a fleet promises.
    pub async fn verify(self, load: Load) -> Vec<Accepted> {
        let accepted = load.finish().await;
        let api = self.nodes.iter().flatten().next().unwrap().api.clone();
        settle(&api).await;
        self.receiver.verify(&accepted, &self.faults);
        let system = api.get("/api/v1/system?deep=true").await.expect(200).json();
        assert_eq!(system["missing"].as_i64(), Some(0), "{system}");
        let findings = system["findings"].as_array().unwrap().iter();
        let of_data = findings.filter(|finding| !OF_THE_TESTS.contains(&finding["code"].as_str().unwrap()));
        assert_eq!(of_data.count(), 0, "{system}");
        println!(
            "{} events accepted, {} requests received, {} of them repeats",
            accepted.len(),
            self.receiver.count(),
            self.receiver.repeats()
        );
        accepted
    }

    fn note_present(&self) {
        let present = self.nodes.iter().flatten().map(|node| node.api.clone());
        *self.present.lock().unwrap() = present.collect();
    }

    async fn set_up(&self) {
        let api = self.api(0);
        let service = json!({"name": "Fleet"});
        api.post("/api/v1/services", service).await.expect(201);
        let webhook = json!({
            "name": "fleet",
            "url": self.receiver.url(),
            "secret": "fleet test",
            "events": super::load::EVENTS,
            "timeout": "30s",
        });
        api.post("/api/v1/webhooks", webhook).await.expect(201);
    }
}

impl Node {
    async fn start(folder: PathBuf, environment: Vec<(String, String)>) -> Self {
        let process = ServerProcess::start_under(&[], &folder, |command| {
            command
                .envs(environment)
                .stderr(Stdio::from(std::fs::File::create(folder.join("log")).unwrap()));
        });
        let process = process.await;
        let api = ApiClient::new(&process.url, &process.key);
        Self { process, api }
    }

    /// SIGSTOP: it does nothing, and knows nothing of it.
    pub fn freeze(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process.pid()).unwrap()).unwrap()
    }

    /// Whether it says that it is ready, or 503 that it is not; nothing if it says nothing.
    pub async fn is_ready(&self) -> Option<bool> {
        let asked = self.api.send("GET", "/readyz", None, &[]);
        let answer = tokio::time::timeout(Duration::from_secs(4), asked)
            .await
            .ok()?
            .ok()?;
        match answer.status {
            200 => Some(true),
            503 => Some(false),
            other => panic!("/readyz answers {other}"),
        }
    }

    /// Waits until it says that it is ready, or that it is not.
    pub async fn until_ready(&self, wanted: bool) {
        let ready = async {
            while self.is_ready().await != Some(wanted) {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        let in_time = tokio::time::timeout(READY_LIMIT, ready).await;
        assert!(in_time.is_ok(), "a node does not say that it is ready: {wanted}");
    }
}

/// What a node needs to know: where the database is, and the master key of all.
pub fn environment(url: &str) -> Vec<(String, String)> {
    [
        ("OPSKNIGHT_DATABASE", url.to_owned()),
        ("OPSKNIGHT_MASTER_KEY", "ab".repeat(32)),
        ("OPSKNIGHT_LOG", "info".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Waits until no delivery is open any more.
pub async fn settle(api: &ApiClient) {
    let mut last = Value::Null;
    let settled = async {
        loop {
            let answer = api.get("/api/v1/system").await;
            last = answer.json()["deliveries"].clone();
            let open = OPEN.map(|state| last[state].as_u64());
            if answer.status == 200 && open == [Some(0); OPEN.len()] {
                assert_eq!(last["dead"], Value::from(0), "nothing dies in this test");
                return;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    if tokio::time::timeout(SETTLE_LIMIT, settled).await.is_err() {
        for state in OPEN {
            let open = api
                .get(&format!("/api/v1/deliveries?status={state}&limit=3"))
                .await;
            println!("{state}: {}", open.json()["items"]);
        }
        panic!("not everything accepted is delivered in the end: {last}");
    }
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began_at = Instant::now();
    while !is_so().await {
        assert!(began_at.elapsed() < READY_LIMIT, "never: {what}");
        tokio::time::sleep(LOOK_INTERVAL / 2).await;
    }
}
