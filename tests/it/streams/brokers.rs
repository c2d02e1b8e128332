//! Real brokers, run for one test alone: started, killed and started again, and asked by foreign readers what they have. What
//! holds for all of them is told here once.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::support::certificates::Authority;
use crate::support::test_app::{TestApp, text};
use crate::tickets::judges::{python, script};

/// A Java program or a Rabbit takes its time on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// Beyond the first retry of the default schedule.
const RETRY: Duration = Duration::from_secs(70);

/// A running broker, and who reads it.
pub struct Broker {
    command: Box<dyn Fn() -> Command + Send + Sync>,
    child: Child,
    port: u16,
    reader: (&'static str, Vec<String>),
}

impl Broker {
    /// Starts a program that listens on a port then. A script of `tests/judges` reads it, called with these words.
    pub async fn start(
        port: u16,
        reader: (&'static str, Vec<String>),
        command: impl Fn() -> Command + Send + Sync + 'static,
    ) -> Self {
        let child = spawn(&mut command());
        let broker = Self {
            command: Box::new(command),
            child,
            port,
            reader,
        };
        broker.listens().await;
        broker
    }

    /// Ends it without a word, with all that it started.
    pub async fn kill(&mut self) {
        kill_group(&self.child);
        self.child.wait().await.unwrap();
    }

    /// Starts it again on what it kept.
    pub async fn restart(&mut self) {
        self.child = spawn(&mut (self.command)());
        self.listens().await;
    }

    async fn listens(&self) {
        let up = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(START_PATIENCE, up)
            .await
            .expect("the broker listens");
    }

    /// Has the reader make the place that messages go to.
    pub async fn make(&self) {
        self.ask("make").await;
    }

    /// What the reader finds there.
    pub async fn messages(&self) -> Vec<Value> {
        self.ask("read").await.as_array().unwrap().clone()
    }

    async fn ask(&self, verb: &str) -> Value {
        let (script_name, words) = &self.reader;
        let output = Command::new(python().unwrap())
            .arg(script(script_name))
            .arg(verb)
            .args(words)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script_name} {verb}: {complaint}");
        serde_json::from_str(&said).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        kill_group(&self.child);
    }
}

fn spawn(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn kill_group(child: &Child) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(group) = id.and_then(rustix::process::Pid::from_raw) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// Writes a server's certificate and key; where they are.
pub fn identity(folder: &Path, authority: &Authority) -> PathBuf {
    let path = folder.join("server.pem");
    std::fs::write(&path, authority.identity("127.0.0.1")).unwrap();
    path
}

/// Stands before a broker and lets everything through, but for the answer to the first message: that one it swallows, and hangs up.
pub async fn forgetful_proxy(listener: TcpListener, broker: SocketAddr) {
    let has_forgotten = Arc::new(AtomicBool::new(false));
    loop {
        let (near, _) = listener.accept().await.unwrap();
        let has_forgotten = Arc::clone(&has_forgotten);
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(broker).await else {
                return;
            };
            pass(near, far, &has_forgotten).await;
        });
    }
}

async fn pass(mut near: TcpStream, mut far: TcpStream, has_forgotten: &AtomicBool) {
    let (mut asked, mut said) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut is_message = false;
    loop {
        tokio::select! {
            count = near.read(&mut asked) => {
                let Ok(count @ 1..) = count else { return };
                // The id of a delivery stands in every message, and in nothing else.
                is_message |= asked[..count].windows(4).any(|part| part == b"dlv_");
                if far.write_all(&asked[..count]).await.is_err() { return }
            }
            count = far.read(&mut said) => {
                let Ok(count @ 1..) = count else { return };
                if is_message && !has_forgotten.swap(true, Ordering::SeqCst) { return }
                if near.write_all(&said[..count]).await.is_err() { return }
            }
        }
    }
}

/// A server with a webhook to a broker.
pub struct Sender {
    pub app: TestApp,
    pub webhook: String,
    _data: tempfile::TempDir,
}

impl Sender {
    /// `changes` is all of the webhook but its URL.
    pub async fn start(url: &str, changes: Value) -> Self {
        let data = tempfile::tempdir().unwrap();
        let app = TestApp::start(data.path()).await;
        app.create_service().await;
        let webhook = app.create_webhook(url, changes).await;
        Self {
            app,
            webhook,
            _data: data,
        }
    }

    /// Lets time pass until so many deliveries are delivered: a broker that was just started, on a machine that is busy, may let
    /// the first attempts down.
    pub async fn deliver(&self, count: usize) {
        let all = async {
            loop {
                self.app.quiesce().await;
                if self.app.deliveries("status=delivered").await.len() == count {
                    return;
                }
                self.app.advance(RETRY);
            }
        };
        if tokio::time::timeout(START_PATIENCE, all).await.is_err() {
            for delivery in self.app.deliveries("").await {
                let path = format!("/api/v1/deliveries/{}", text(&delivery["id"]));
                let detail = self.app.api.get(&path).await.expect(200).json();
                eprintln!("{}: {:#}", detail["status"], detail["attempts"]);
            }
            panic!("{count} deliveries are expected");
        }
    }

    /// The attempts of the only delivery, so many.
    pub async fn attempts(&self, count: u64) -> Vec<Value> {
        let delivery = text(&self.app.wait_for("", 1).await[0]["id"]);
        let detail = self.app.wait_for_attempts(&delivery, count).await;
        detail["attempts"].as_array().unwrap().clone()
    }

    /// Whether Send Test is delivered.
    pub async fn send_test(&self) -> Value {
        let path = format!("/api/v1/webhooks/{}/test", self.webhook);
        self.app.api.post(&path, json!({})).await.expect(200).json()
    }
}

/// Two incidents live while their broker is killed and comes back: everything arrives once, in order.
pub async fn live_through_a_kill(sender: &Sender, broker: &mut Broker) {
    let app = &sender.app;
    let title = "Überlauf {{ 7*7 }} \"q\" \\ <b> \u{7} 👩‍🚒";
    let incidents = [app.trigger(title).await, app.trigger("Disk full").await];
    sender.deliver(2).await;
    broker.kill().await;
    for incident in &incidents {
        app.act(incident, "acknowledge").await;
        app.act(incident, "resolve").await;
    }
    app.quiesce().await;
    assert_eq!(app.deliveries("status=delivered").await.len(), 2);
    broker.restart().await;
    assert_eq!(broker.messages().await.len(), 2, "the broker forgets nothing");
    sender.deliver(6).await;
    let messages = broker.messages().await;
    assert_eq!(messages.len(), 6, "{messages:#?}");
    let deliveries = app.deliveries("").await;
    for message in &messages {
        assert_eq!(message["body"]["event"], message["event"]);
        assert_eq!(message["type"], "application/json");
        assert!(deliveries.iter().any(|delivery| delivery["id"] == message["id"]));
    }
    for (incident, title) in incidents.iter().zip([title, "Disk full"]) {
        let bodies = messages.iter().map(|message| &message["body"]);
        let own = bodies.filter(|body| body["incident"]["id"] == **incident);
        let told: Vec<_> = own
            .map(|body| (text(&body["event"]), text(&body["incident"]["title"])))
            .collect();
        let expected = ["incident.triggered", "incident.acknowledged", "incident.resolved"];
        assert_eq!(told, expected.map(|event| (event.to_owned(), title.to_owned())));
    }
}

/// One event whose first answer is lost; what the broker has then.
pub async fn lose_an_answer(sender: &Sender, broker: &Broker) -> Vec<Value> {
    sender.app.trigger("Disk full").await;
    let attempts = sender.attempts(1).await;
    assert_eq!(
        attempts[0]["failure"]["code"], "connection_closed",
        "{attempts:#?}"
    );
    sender.app.advance(RETRY);
    let deliveries = sender.app.wait_for("status=delivered", 1).await;
    let messages = broker.messages().await;
    assert!(
        messages
            .iter()
            .all(|message| message["id"] == deliveries[0]["id"])
    );
    messages
}

/// Expects that a webhook's settings are refused, with these words.
pub async fn is_refused(sender: &Sender, words: &str) {
    sender.app.trigger("refused").await;
    let attempts = sender.attempts(1).await;
    let failure = &attempts[0]["failure"];
    assert_eq!(failure["code"], "settings_refused", "{failure:#}");
    assert!(text(&failure["detail"]).contains(words), "{failure:#}");
    assert!(!attempts[0].to_string().contains("bad-password"));
}
