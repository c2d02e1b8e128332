//! One server of the crash test with its store, its clients and its receivers: killed over and over, and judged in the end.

use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use clock::Env;

use super::load::{Accepted, Load};
use super::receiver::{CrashReceiver, Findings, WEBHOOKS};
use crate::chat::needed;
use crate::support::api_client::ApiClient;
use crate::support::platform::Platform;
use crate::support::seed::Seeded;
use crate::support::server_process::ServerProcess;

/// Kinds whose platforms hear of critical incidents: a ticket, a message that is edited, events that leave together.
const KINDS: [&str; 3] = ["gitlab", "discord", "batch"];
/// Clients that trigger, acknowledge and resolve.
const CLIENTS: usize = 4;
/// Every so many rounds the program is stopped softly instead.
const SOFT_STOP_EVERY: u32 = 4;
/// Every so many rounds the program is certainly sending before it is stopped: a server on a PostgreSQL waits for the lease of the
/// one before.
const SENDING_EVERY: u32 = 10;
/// Every so many rounds it may deliver everything, as otherwise more and more would wait until the end: short rounds accept more than
/// they send.
const REST_EVERY: u32 = 400;
/// How long nothing may come to the receiver while something waits, before the test says that it never will be.
const STANDSTILL: Duration = Duration::from_secs(180);
/// How often it is looked what waits.
const SETTLE_LOOK: Duration = Duration::from_millis(100);
/// The states in which a delivery is yet to be sent.
const OPEN: [&str; 4] = ["scheduled", "queued", "claimed", "held"];
/// More than a platform's simulator keeps.
const MAX_MESSAGES: usize = 1000;

/// See the module.
pub struct Site {
    directory: TempDir,
    /// Without one it has an SQLite.
    database: Option<String>,
    random: Seeded,
    receiver: CrashReceiver,
    platforms: Vec<(&'static str, Platform)>,
    load: Load,
    kills: u32,
}

/// What came of everything, as it is printed.
#[derive(Debug, Default)]
pub struct Counts {
    kills: u32,
    accepted: usize,
    requests: usize,
    delivered: usize,
    repeated: usize,
    lost: usize,
    out_of_order: usize,
    tickets: usize,
    dead: usize,
}

impl Counts {
    pub const TITLE: &str = "store      |  kills | accepted | requests | delivered | repeated | lost | out of order | tickets | dead";

    pub fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.accepted += other.accepted;
        self.requests += other.requests;
        self.delivered += other.delivered;
        self.repeated += other.repeated;
        self.lost += other.lost;
        self.out_of_order += other.out_of_order;
        self.tickets += other.tickets;
        self.dead += other.dead;
    }

    pub fn line(&self, store: &str) -> String {
        format!(
            "{store:10} | {:6} | {:8} | {:8} | {:9} | {:8} | {:4} | {:12} | {:7} | {:4}",
            self.kills,
            self.accepted,
            self.requests,
            self.delivered,
            self.repeated,
            self.lost,
            self.out_of_order,
            self.tickets,
            self.dead
        )
    }
}

impl Site {
    /// A server that was set up and stopped.
    pub async fn new(database: Option<String>, mut random: Seeded) -> Self {
        let receiver = CrashReceiver::start(random.next_u64()).await;
        let mut platforms = Vec::new();
        for kind in KINDS {
            let platform = Platform::start(kind).await;
            platform.take_time_from(Env::system());
            platforms.push((kind, platform));
        }
        let site = Self {
            directory: tempfile::tempdir().unwrap(),
            database,
            random,
            receiver,
            platforms,
            load: Load::new(CLIENTS),
            kills: 0,
        };
        let server = site.start_server().await;
        site.set_up(&ApiClient::new(&server.url, &server.key)).await;
        assert!(server.terminate().await);
        site
    }

    pub fn store(&self) -> &'static str {
        match self.database {
            Some(_) => "PostgreSQL",
            None => "SQLite",
        }
    }

    async fn start_server(&self) -> ServerProcess {
        let folder = self.directory.path();
        ServerProcess::start_under(&[], folder, |command| {
            if let Some(url) = &self.database {
                command
                    .env("OPSKNIGHT_DATABASE", url)
                    .env("OPSKNIGHT_MASTER_KEY", "ab".repeat(32));
            }
        })
        .await
    }

    async fn set_up(&self, api: &ApiClient) {
        let service = json!({"name": "Crash"});
        api.post("/api/v1/services", service).await.expect(201);
        let events = ["incident.triggered", "incident.acknowledged", "incident.resolved"];
        for name in WEBHOOKS {
            let webhook = json!({
                "name": name,
                "url": format!("{}/{name}", self.receiver.url()),
                "secret": "crash test",
                "events": events,
                "retrySchedule": ["200ms", "200ms", "200ms", "1s", "1s", "1s", "1s", "1s", "1s", "1s"],
            });
            api.post("/api/v1/webhooks", webhook).await.expect(201);
        }
        for (kind, platform) in &self.platforms {
            let webhook = json!({"name": kind, "kind": kind, "url": platform.url, "options": needed(kind),
                "events": events, "severities": ["critical"], "retrySchedule": ["1s", "1s", "1s"]});
            api.post("/api/v1/webhooks", webhook).await.expect(201);
        }
    }

    /// Lives in rounds until it was killed so often. Now and then a round ends with a soft stop.
    pub async fn live(&mut self, kills: u32, longest: Duration, critical_every: u32) {
        let longest_ms = u64::try_from(longest.as_millis()).unwrap();
        let mut rounds = 0;
        while self.kills < kills {
            rounds += 1;
            let ends_softly = rounds % SOFT_STOP_EVERY == 0;
            self.receiver.next_run(ends_softly);
            let server = self.start_server().await;
            if rounds % critical_every == 0 {
                self.load.make_one_critical();
            }
            self.load.start(&ApiClient::new(&server.url, &server.key));
            if rounds % SENDING_EVERY == 0 {
                self.receiver.hear_something().await;
            }
            let ms = self.random.below(longest_ms);
            tokio::time::sleep(Duration::from_millis(ms)).await;
            if ends_softly {
                assert!(server.terminate().await, "a soft stop ends cleanly");
            } else {
                server.kill().await;
                self.receiver.read_what_was_sent().await;
                self.kills += 1;
            }
            self.load.stop().await;
            if rounds % REST_EVERY == 0 {
                self.rest().await;
                println!("{}: {} of {kills} kills", self.store(), self.kills);
            }
        }
    }

    /// A round without clients, which lasts until everything is delivered.
    async fn rest(&self) {
        self.receiver.next_run(true);
        let server = self.start_server().await;
        self.settle(&ApiClient::new(&server.url, &server.key)).await;
        assert!(server.terminate().await, "a soft stop ends cleanly");
    }

    /// Waits until no delivery is open any more; those that are dead, with all their attempts.
    async fn settle(&self, api: &ApiClient) -> Vec<String> {
        // Of very many, the server says only that they are so many or more.
        let (mut seen, mut since) = ((u64::MAX, 0), Instant::now());
        loop {
            let counts = api.get("/api/v1/system").await.expect(200).json()["deliveries"].clone();
            let open: u64 = OPEN.map(|state| counts[state].as_u64().unwrap()).iter().sum();
            if open == 0 {
                return in_state(api, "dead").await;
            }
            let sees = (open, self.receiver.requests());
            if sees != seen {
                (seen, since) = (sees, Instant::now());
            }
            if since.elapsed() > STANDSTILL {
                for state in OPEN.into_iter().chain(["dead"]) {
                    println!("{state}: {}", in_state(api, state).await.join("\n"));
                }
                panic!("everything accepted is delivered in the end");
            }
            tokio::time::sleep(SETTLE_LOOK).await;
        }
    }

    /// Brings everything to its end, and compares it with what was accepted.
    pub async fn verify(mut self) -> Counts {
        self.receiver.next_run(true);
        let server = self.start_server().await;
        let api = ApiClient::new(&server.url, &server.key);
        self.load.finish(&api).await;
        let dead = self.settle(&api).await;
        let accepted = self.load.accepted();
        let findings = self.receiver.compare(&accepted);
        let tickets = self.check_platforms(&accepted);
        let system = api.get("/api/v1/system?deep=true").await.expect(200).json();
        assert!(server.terminate().await);
        let counts = Counts {
            kills: self.kills,
            accepted: accepted.len(),
            requests: findings.requests,
            delivered: findings.delivered,
            repeated: findings.repeated,
            lost: findings.lost.len(),
            out_of_order: findings.out_of_order.len(),
            tickets,
            dead: dead.len(),
        };
        println!("{}", counts.line(self.store()));
        assert_eq!(system["missing"].as_i64(), Some(0), "{system}");
        expect_nothing_wrong(&findings);
        assert_eq!(dead, NOTHING, "nothing dies in this test");
        counts
    }

    /// Each platform knows of each critical incident, a system of tickets exactly once; how many tickets there are.
    fn check_platforms(&self, accepted: &[Accepted]) -> usize {
        let triggered = accepted
            .iter()
            .filter(|event| event.event == "incident.triggered");
        let titles: Vec<_> = triggered.filter_map(|event| event.critical.as_deref()).collect();
        let mut tickets = 0;
        for (kind, platform) in &self.platforms {
            let texts = platform.texts();
            if texts.len() >= MAX_MESSAGES {
                println!("{kind} has forgotten some of its messages, which are not compared");
                continue;
            }
            for title in &titles {
                let count = texts.iter().filter(|text| text.contains(title)).count();
                assert!(count > 0, "{kind} was never told of {title}");
                if *kind == "gitlab" {
                    assert_eq!(count, 1, "tickets of {title}");
                    tickets += 1;
                }
            }
        }
        tickets
    }
}

const NOTHING: [String; 0] = [];

fn expect_nothing_wrong(findings: &Findings) {
    let first = |found: &[String]| found.iter().take(3).cloned().collect::<Vec<_>>();
    assert_eq!(first(&findings.lost), NOTHING, "accepted but never delivered");
    assert_eq!(first(&findings.out_of_order), NOTHING, "out of order");
    assert_eq!(first(&findings.wrongly_repeated), NOTHING, "repeated");
}

/// The latest deliveries in a state, each with its attempts.
async fn in_state(api: &ApiClient, state: &str) -> Vec<String> {
    let path = format!("/api/v1/deliveries?status={state}&limit=20");
    let list = api.get(&path).await.expect(200).json();
    let mut told = Vec::new();
    for delivery in list["items"].as_array().unwrap() {
        let id = delivery["id"].as_str().unwrap_or_default();
        let path = format!("/api/v1/deliveries/{id}");
        told.push(api.get(&path).await.expect(200).text);
    }
    told
}
