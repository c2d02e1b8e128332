//! Ticket systems from edge to edge: an incident comes in over HTTP, a ticket stands in the simulated system; somebody moves
//! the ticket there, the incident follows here.

mod auth;
mod by_hand;
mod code_hosts;
mod exactly_once;
mod inward;
pub mod judges;
pub mod killed;
mod life;
mod reports;
mod written_notes;

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use self::code_hosts::CodeHost;
use crate::support::api_client::{ApiAnswer, ApiClient};
use crate::support::platform::{Platform, Seen};
use crate::support::test_app::{PATIENCE, TestApp};

/// The webhook's signing secret: from it the proof of calls is made.
const SECRET: &str = "my secret ✓";
/// Somebody who works in the ticket system.
const ADA: &str = "ada.lovelace:good-password";

/// A server, a ticket system, and a webhook from one to the other.
pub struct Desk {
    pub app: TestApp,
    pub system: Platform,
    pub kind: &'static str,
    pub webhook: String,
    _directory: TempDir,
}

impl Desk {
    /// A webhook of a kind with these options beyond what it needs.
    pub async fn start(kind: &'static str, options: Value) -> Self {
        Self::start_at(kind, options, Platform::start(kind).await).await
    }

    /// The same with a system that runs already.
    pub async fn start_at(kind: &'static str, options: Value, system: Platform) -> Self {
        let url = system.url.clone();
        Self::start_behind(kind, options, system, (&url, Value::Null)).await
    }

    /// The same with a URL and TLS settings that lead to the system.
    pub async fn start_behind(
        kind: &'static str,
        options: Value,
        system: Platform,
        (url, tls): (&str, Value),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let app = TestApp::start(directory.path()).await;
        system.take_time_from(app.source());
        app.create_service().await;
        let options = with(needed(kind), &options);
        let webhook = json!({"name": "desk", "kind": kind, "options": options, "tls": tls});
        let webhook = app.create_webhook(url, webhook).await;
        Self {
            app,
            system,
            kind,
            webhook,
            _directory: directory,
        }
    }

    /// Waits until so many deliveries are delivered, while time passes.
    pub async fn settle(&self, count: usize) {
        let is_settled = async || {
            let is_so = self.app.deliveries("status=delivered").await.len() >= count;
            self.pass_unless(is_so, 100)
        };
        self.until(&format!("{count} are delivered"), is_settled).await;
    }

    /// Waits until every delivery is delivered.
    pub async fn wait_until_quiet(&self) {
        let is_quiet = async || {
            let deliveries = self.app.deliveries("").await;
            let is_so = deliveries
                .iter()
                .all(|delivery| delivery["status"] == "delivered");
            self.pass_unless(is_so, 100)
        };
        self.until("all is delivered", is_quiet).await;
    }

    /// Lets so many milliseconds pass unless something is so.
    fn pass_unless(&self, is_so: bool, milliseconds: u64) -> bool {
        if !is_so {
            self.app.advance(Duration::from_millis(milliseconds));
        }
        is_so
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let reached = async {
            while !is_so().await {
                self.app.quiesce().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, reached).await;
        assert!(in_time.is_ok(), "never: {what}: {}", self.story().await);
    }

    /// The incident has its ticket, and there are so many in all.
    pub async fn expect_linked(&self, incident: &str, tickets: usize) {
        let story = self.story().await;
        assert_eq!(self.link(incident).await["state"], "linked", "{story}");
        assert_eq!(self.tickets().len(), tickets, "{:#?} {story}", self.tickets());
    }

    /// Every delivery with its attempts' notes and failures, for whoever reads a failed test.
    pub async fn story(&self) -> String {
        let mut story = String::new();
        for delivery in self.app.deliveries("").await.iter().rev() {
            let path = format!("/api/v1/deliveries/{}", delivery["id"].as_str().unwrap());
            let detail = self.app.api.get(&path).await.expect(200).json();
            story.push_str(&format!("\n{} {}", detail["event"], detail["status"]));
            for attempt in detail["attempts"].as_array().unwrap() {
                story.push_str(&format!(
                    "\n  {} {} {} {} -> {}",
                    attempt["request"]["line"],
                    attempt["outcome"],
                    attempt["note"],
                    attempt["failure"],
                    attempt["response"]["body"]
                ));
            }
        }
        story
    }

    /// The one ticket link of an incident.
    pub async fn link(&self, incident: &str) -> Value {
        let links = self.incident(incident).await["links"].clone();
        links[0].clone()
    }

    pub async fn incident(&self, incident: &str) -> Value {
        let path = format!("/api/v1/incidents/{incident}");
        self.app.api.get(&path).await.expect(200).json()
    }

    /// Waits until an incident has a status, while time passes.
    pub async fn wait_for_status(&self, incident: &str, status: &str) {
        let is_reached = async || {
            let is_so = self.incident(incident).await["status"] == status;
            self.pass_unless(is_so, 500)
        };
        self.until(&format!("{incident} is {status}"), is_reached).await;
    }

    /// The texts of the tickets, oldest first.
    pub fn tickets(&self) -> Vec<String> {
        self.system.texts()
    }

    /// How many requests to make a ticket the system has got.
    pub fn creates(&self) -> usize {
        let path = match self.kind {
            "jira" => "/rest/api/2/issue".to_owned(),
            "servicenow" => "/api/now/table/incident".to_owned(),
            kind => issues(kind),
        };
        let seen = self.system.seen();
        let is_create =
            |seen: &&Seen| seen.method == "POST" && seen.target.split('?').next() == Some(path.as_str());
        seen.iter().filter(is_create).count()
    }

    /// What Ada does in the ticket system.
    pub async fn ada(&self, method: &str, path: &str, body: Value) -> ApiAnswer {
        foreign(&self.system, method, path, body).await
    }

    /// Ada moves an incident's ticket to where these words lead.
    pub async fn move_ticket(&self, incident: &str, phase: &str) {
        let ticket = self.link(incident).await["ticket"].clone();
        move_ticket(&self.system, self.kind, ticket["key"].as_str().unwrap(), phase).await;
    }

    /// Lets the ticket system call this server for every change.
    pub async fn let_it_call(&self) {
        let callback = format!("{}/inbound/{}/{}", self.app.base(), self.kind, self.webhook);
        let secret = callback_secret(self.kind);
        let (path, body) = match self.kind {
            "jira" => (
                "/rest/webhooks/1.0/webhook",
                json!({"name": "OpsKnight", "url": callback, "secret": secret,
                       "events": ["jira:issue_created", "jira:issue_updated", "comment_created"]}),
            ),
            "servicenow" => (
                "/opsknight-fake/rules",
                json!({"url": callback, "secret": secret, "skipUser": "opsknight.integration"}),
            ),
            _ => return self.code_host().let_it_call(&callback, &secret).await,
        };
        let answer = self.ada("POST", path, body).await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }

    /// The system, if it is a code host.
    pub fn code_host(&self) -> CodeHost<'_> {
        CodeHost {
            kind: self.kind,
            system: &self.system,
        }
    }

    /// A path below the incident's tickets.
    pub fn path(&self, incident: &str, rest: &str) -> String {
        format!("/api/v1/incidents/{incident}/tickets{rest}")
    }
}

/// What a kind needs beside its URL.
pub fn needed(kind: &str) -> Value {
    match kind {
        "jira" => json!({"account": "opsknight@example.com", "token": "good-token", "project": "OPS"}),
        "servicenow" => json!({"account": "opsknight.integration", "password": "good-password"}),
        _ => json!({"token": "good-token", "acknowledgedLabel": "acknowledged"}),
    }
}

fn with(mut options: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        options[name] = value.clone();
    }
    options
}

/// Every kind, for tests that hold for each.
pub const KINDS: [&str; 4] = ["jira", "servicenow", "github", "gitlab"];

/// Where issues are made on a code host.
pub fn issues(kind: &str) -> String {
    let path = match kind {
        "github" => "/api/v3/repos/acme/operations/issues",
        _ => "/api/v4/projects/acme%2Foperations/issues",
    };
    path.to_owned()
}

/// The proof of calls, as docs/destinations says that it is made.
pub fn callback_secret(kind: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("opsknight {kind} callback 1").as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// What Ada does in a ticket system.
pub async fn foreign(system: &Platform, method: &str, path: &str, body: Value) -> ApiAnswer {
    use base64::Engine;
    let basic = base64::engine::general_purpose::STANDARD.encode(ADA);
    let client = ApiClient::new(&system.address, "");
    let headers = [
        ("authorization", format!("Basic {basic}")),
        ("private-token", "ada-lovelace-token".to_owned()),
        ("user-agent", "ada".to_owned()),
    ];
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let body = (!body.is_null()).then_some(body);
    client.send_as(method, path, body, &headers).await.unwrap()
}

/// Ada moves a ticket, by its key.
pub async fn move_ticket(system: &Platform, kind: &str, key: &str, phase: &str) {
    match kind {
        "jira" => move_issue(system, key, phase).await,
        "servicenow" => move_record(system, key, phase).await,
        "github" => label_and_move(system, key, phase).await,
        _ => change_issue(system, key, phase).await,
    }
}

/// What stands behind the number sign of an issue's key.
pub fn number(key: &str) -> &str {
    key.rsplit_once('#').unwrap().1
}

/// On GitHub a label is a request of its own.
async fn label_and_move(system: &Platform, key: &str, phase: &str) {
    let path = format!("{}/{}", issues("github"), number(key));
    if phase == "in_progress" {
        let body = json!({"labels": ["acknowledged"]});
        let labels = format!("{path}/labels");
        foreign(system, "POST", &labels, body).await.expect(200);
    }
    let state = if phase == "done" { "closed" } else { "open" };
    let body = json!({"state": state});
    foreign(system, "PATCH", &path, body).await.expect(200);
}

async fn change_issue(system: &Platform, key: &str, phase: &str) {
    let path = format!("{}/{}", issues("gitlab"), number(key));
    let state = foreign(system, "GET", &path, Value::Null)
        .await
        .expect(200)
        .json()["state"]
        .clone();
    let mut body = match phase {
        "new" => json!({"remove_labels": "acknowledged"}),
        "in_progress" => json!({"add_labels": "acknowledged"}),
        _ => json!({}),
    };
    let is_done = phase == "done";
    if is_done != (state == "closed") {
        body["state_event"] = json!(if is_done { "close" } else { "reopen" });
    }
    foreign(system, "PUT", &path, body).await.expect(200);
}

/// As many transitions as it takes.
async fn move_issue(system: &Platform, key: &str, phase: &str) {
    let category = match phase {
        "new" => "new",
        "in_progress" => "indeterminate",
        _ => "done",
    };
    let path = format!("/rest/api/2/issue/{key}/transitions");
    for _ in 0..4 {
        let transitions = foreign(system, "GET", &path, Value::Null)
            .await
            .expect(200)
            .json();
        let transitions = transitions["transitions"].as_array().unwrap().clone();
        let leads = |transition: &&Value| transition["to"]["statusCategory"]["key"] == category;
        let direct = transitions.iter().find(leads);
        let chosen = direct.or(transitions.last()).unwrap();
        let body = json!({"transition": {"id": chosen["id"]}});
        foreign(system, "POST", &path, body).await.expect(204);
        if direct.is_some() {
            return;
        }
    }
    panic!("no way to {phase}");
}

async fn move_record(system: &Platform, number: &str, phase: &str) {
    let path = format!("/api/now/table/incident?sysparm_query=number={number}&sysparm_fields=sys_id");
    let found = foreign(system, "GET", &path, Value::Null)
        .await
        .expect(200)
        .json();
    let path = format!(
        "/api/now/table/incident/{}",
        found["result"][0]["sys_id"].as_str().unwrap()
    );
    let body = match phase {
        "new" => json!({"state": "1"}),
        "in_progress" => json!({"state": "2"}),
        _ => json!({"state": "6", "close_code": "Solution provided", "close_notes": "fixed"}),
    };
    foreign(system, "PATCH", &path, body).await.expect(200);
}
