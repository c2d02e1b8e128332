//! What an Alertmanager would forget is told again: to those that got it, while it is open, whatever becomes of other webhooks.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::platform::Platform;
use crate::support::test_app::{PATIENCE, TestApp, text};

/// When what is open is told again, and a little more.
const REFRESH: Duration = Duration::from_secs(125);

struct Told {
    app: TestApp,
    platform: Platform,
    webhook: String,
    _data: tempfile::TempDir,
}

impl Told {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let app = TestApp::start(data.path()).await;
        let platform = Platform::start("alertmanager").await;
        platform.take_time_from(app.source());
        app.create_service().await;
        let webhook = app
            .create_webhook(&platform.url, json!({"kind": "alertmanager"}))
            .await;
        Self {
            app,
            platform,
            webhook,
            _data: data,
        }
    }

    /// Triggers incidents, and waits until all of so many deliveries are made.
    async fn trigger(&self, titles: &[&str], deliveries: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for title in titles {
            ids.push(self.app.trigger(title).await);
        }
        self.app.wait_for("status=delivered", deliveries).await;
        ids
    }

    /// Lets the time come, and waits for a request that is as said after so many others; gives its incidents.
    async fn after_refresh(&self, count: usize, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        self.app.advance(REFRESH);
        wait_for(async || {
            let seen = self.platform.seen();
            let mut requests = seen.iter().skip(count).map(|request| incidents(&request.body));
            requests.find(|incidents| is_so(incidents))
        })
        .await
    }

    /// How the webhook stands, and why.
    async fn status(&self) -> (String, Value) {
        let path = format!("/api/v1/webhooks/{}", self.webhook);
        let webhook = self.app.api.get(&path).await.expect(200).json();
        (text(&webhook["status"]), webhook["statusReason"].clone())
    }
}

/// The incidents of a request's alerts, sorted.
fn incidents(body: &str) -> Vec<String> {
    let alerts: Vec<Value> = serde_json::from_str(body).unwrap_or_default();
    let mut ids: Vec<String> = alerts
        .iter()
        .map(|alert| text(&alert["labels"]["incident"]))
        .collect();
    ids.sort();
    ids
}

async fn wait_for<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found)
        .await
        .expect("it comes to that")
}

#[tokio::test]
async fn what_is_open_is_told_again_in_one_request_that_is_no_delivery() {
    let told = Told::start().await;
    let mut open = told.trigger(&["one", "two", "over"], 3).await;
    told.app.act(&open.pop().unwrap(), "resolve").await;
    told.app.wait_for("status=delivered", 4).await;
    let count = told.platform.seen().len();
    let again = told.after_refresh(count, |incidents| incidents.len() == 2).await;
    assert_eq!(again, open);
    told.app.quiesce().await;
    let deliveries = told.app.deliveries("").await;
    let attempts: u64 = deliveries
        .iter()
        .map(|one| one["attemptsMade"].as_u64().unwrap())
        .sum();
    assert_eq!((deliveries.len(), attempts), (4, 4));
    // Once only the last is open, it is told of alone.
    told.app.act(&open[0], "resolve").await;
    told.app.wait_for("status=delivered", 5).await;
    let count = told.platform.seen().len();
    let again = told.after_refresh(count, |incidents| !incidents.is_empty()).await;
    assert_eq!(again, open[1..]);
}

#[tokio::test]
async fn one_refused_incident_does_not_keep_the_others_from_being_told_again() {
    let told = Told::start().await;
    let open = told.trigger(&["one", "two"], 2).await;
    // The first round may come at once, or after the time that it takes.
    told.platform.fail_next("bad_request");
    let count = told.platform.seen().len();
    told.after_refresh(count, |incidents| incidents.len() == 2).await;
    let alone = async |incident: &String| {
        wait_for(async || {
            let seen = told.platform.seen();
            let mut requests = seen.iter().skip(count).map(|request| incidents(&request.body));
            requests.find(|incidents| incidents == std::slice::from_ref(incident))
        })
        .await;
    };
    alone(&open[0]).await;
    alone(&open[1]).await;
    assert_eq!(told.status().await.0, "enabled");
}

#[tokio::test]
async fn a_webhook_that_cannot_be_told_again_is_degraded_until_it_can_and_holds_up_no_other() {
    let told = Told::start().await;
    let other = Platform::start("alertmanager").await;
    told.app
        .create_webhook(&other.url, json!({"name": "other", "kind": "alertmanager"}))
        .await;
    told.trigger(&["one"], 2).await;
    told.platform.fail_next("internal");
    let count = other.seen().len();
    told.app.advance(REFRESH);
    let degraded = async || Some(told.status().await).filter(|(status, _)| status == "degraded");
    let (_, reason) = wait_for(degraded).await;
    assert_eq!(reason, "telling it again of what is open failed: server_error");
    wait_for(async || (other.seen().len() > count).then_some(())).await;
    told.app.advance(REFRESH);
    let enabled = async || (told.status().await.0 == "enabled").then_some(());
    wait_for(enabled).await;
    assert_eq!(told.platform.texts().len(), 1);
}
