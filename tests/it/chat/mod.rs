//! Chat platforms from edge to edge: an event comes in over HTTP, a message stands on the platform.

mod acting;
mod custom;
mod fallbacks;
mod firewall;
mod killed;
mod kinds;
mod life;
mod pacing;
mod secrets;
mod settings;

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::platform::Platform;
use crate::support::test_app::{PATIENCE, TestApp};

/// Longer than any platform's pace between two requests.
const PACE: Duration = Duration::from_secs(3);

/// The bot's token that tests use where one is needed.
pub const TELEGRAM_TOKEN: &str = "123456789:AAF-made_up_made_up_made_up_made_u";
/// The same for Slack.
pub const SLACK_TOKEN: &str = "xoxb-made-up-token-0001";

/// A server, a platform, and a webhook from one to the other.
pub struct Chat {
    pub app: TestApp,
    pub platform: Platform,
    /// The webhook.
    pub webhook: String,
    _directory: TempDir,
}

impl Chat {
    /// A webhook of a kind with these options.
    pub async fn start(kind: &str, options: Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let app = TestApp::start(directory.path()).await;
        let platform = Platform::start(kind).await;
        app.create_service().await;
        let webhook = create(&app, &platform, kind, options).await;
        Self {
            app,
            platform,
            webhook,
            _directory: directory,
        }
    }

    /// Lets time pass, so that no rate limit holds anything up, and waits until so many deliveries are delivered.
    pub async fn settle(&self, count: usize) {
        let settled = async {
            while self.app.deliveries("status=delivered").await.len() < count {
                self.app.advance(PACE);
                self.app.quiesce().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, settled).await;
        let all = self.app.deliveries("").await;
        assert!(in_time.is_ok(), "expected {count} to be delivered: {all:#?}");
    }

    /// The webhook as the API shows it.
    pub async fn shown(&self) -> Value {
        let path = format!("/api/v1/webhooks/{}", self.webhook);
        self.app.api.get(&path).await.expect(200).json()
    }

    /// Changes the webhook.
    pub async fn change(&self, body: Value) -> Value {
        let path = format!("/api/v1/webhooks/{}", self.webhook);
        let answer = self.app.api.send("PATCH", &path, Some(body), &[]).await.unwrap();
        answer.expect(200).json()
    }

    /// The one delivery there is, after so many attempts, and once all that followed from them is noted.
    pub async fn delivery(&self, attempts: u64) -> Value {
        self.app.quiesce().await;
        let id = self.app.wait_for("", 1).await[0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        self.app.wait_for_attempts(&id, attempts).await
    }
}

/// A webhook of a kind to a platform; its id.
pub async fn create(app: &TestApp, platform: &Platform, kind: &str, options: Value) -> String {
    app.create_webhook(&platform.url, json!({"kind": kind, "options": options}))
        .await
}

/// What each kind needs beside its URL.
pub fn needed(kind: &str) -> Value {
    match kind {
        "telegram" => json!({"token": TELEGRAM_TOKEN, "chat": "4711"}),
        "jira" | "servicenow" | "github" | "gitlab" => crate::tickets::needed(kind),
        "s3" | "sqs" => crate::streams::needed(kind),
        _ => crate::alerting::needed(kind),
    }
}
