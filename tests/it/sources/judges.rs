//! Senders that we did not write judge our doors: a real Alertmanager with its webhook, PagerDuty and Opsgenie receivers, a real
//! amtool, and the vendors' own clients from PyPI. `./check` installs them, and says if it cannot.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use clock::Env;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::{TestSource, create_source, incidents};
use crate::fleet::postgres::free_port;
use crate::support::api_client::ApiClient;
use crate::support::programs::{ALERTMANAGERS, program};
use crate::support::test_app::{PATIENCE, TestApp, text};
use crate::tickets::judges::judge;

/// How long a sender waits before it tells of an alert again.
const TELL_AGAIN: Duration = Duration::from_secs(3);

async fn server(data: &Path) -> TestApp {
    let app = TestApp::start(data).await;
    // Senders live by the clock on the wall.
    app.advance(Env::system().now().since(app.source().now()));
    app.create_service().await;
    app
}

async fn statuses(app: &TestApp) -> Vec<String> {
    incidents(app)
        .await
        .iter()
        .map(|one| text(&one["status"]))
        .collect()
}

/// Waits until the incidents stand so, newest first.
async fn wait_for_statuses(app: &TestApp, expected: &[&str]) {
    let found = async {
        while statuses(app).await != expected {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, found).await;
    assert!(waited.is_ok(), "{expected:?}, but {:?}", incidents(app).await);
}

/// Tells an Alertmanager of an alert as Prometheus does, again and again, until the incidents stand so: what comes in the moment in
/// which it forgets an alert that is over is lost on it.
async fn tell_until(app: &TestApp, address: &str, seconds: i64, expected: &[&str]) {
    let told = async {
        loop {
            tell(address, seconds).await;
            let stands = wait_for_statuses(app, expected);
            if tokio::time::timeout(TELL_AGAIN, stands).await.is_ok() {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(PATIENCE, told).await;
    assert!(waited.is_ok(), "{expected:?}, but {:?}", incidents(app).await);
}

/// An alert's life as a foreign client tells it.
async fn live(script: &str, kind: &str) {
    let data = tempfile::tempdir().unwrap();
    let app = server(data.path()).await;
    let source = create_source(&app, kind, json!({})).await;
    let base = app.base();
    let step = async |name: &str| judge(script, &[&base, &source.key, name]).await;
    step("fire").await;
    if incidents(&app).await.is_empty() {
        // There is no Python on this machine, which was said.
        return;
    }
    step("fire-again").await;
    wait_for_statuses(&app, &["triggered"]).await;
    step("acknowledge").await;
    wait_for_statuses(&app, &["acknowledged"]).await;
    step("resolve").await;
    wait_for_statuses(&app, &["resolved"]).await;
    step("fire").await;
    wait_for_statuses(&app, &["triggered", "resolved"]).await;
    step("refused").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pagerdutys_own_client_pages_through_us() {
    live("pagerduty_source.py", "pagerduty").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opsgenies_own_client_alerts_through_us() {
    live("opsgenie_source.py", "opsgenie").await;
}

/// A real Alertmanager of a name with one receiver, and its address; nothing if this machine lacks it.
async fn alertmanager(name: &str, folder: &Path, receiver: &str) -> Option<(Child, String)> {
    let program = program(name)?;
    let settings = format!(
        "global:\n  resolve_timeout: 1s\nroute:\n  receiver: us\n  group_by: ['...']\n  group_wait: 0s\n  group_interval: 1s\n\
         receivers:\n- name: us\n  {receiver}\n"
    );
    let file = folder.join("alertmanager.yml");
    std::fs::write(&file, settings).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let child = Command::new(program)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let address = format!("http://{address}");
    let api = ApiClient::new(&address, "");
    let ready = async {
        while api.send("GET", "/-/ready", None, &[]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("it is ready");
    Some((child, address))
}

/// Tells an Alertmanager, real or ours, of an alert that ends so many seconds from now.
async fn tell(address: &str, seconds: i64) {
    let now = Env::system().now();
    let ends_at = match u64::try_from(seconds) {
        Ok(seconds) => now.plus(Duration::from_secs(seconds)),
        Err(_) => now.minus(Duration::from_secs(seconds.unsigned_abs())),
    };
    let alert = json!([{
        "labels": { "alertname": "ShopDown", "instance": "shop-1", "severity": "critical" },
        "annotations": { "summary": "The shop is down" },
        "startsAt": now.minus(Duration::from_secs(60)).to_string(),
        "endsAt": ends_at.to_string(),
    }]);
    let api = ApiClient::new(address, "");
    let answer = api
        .send("POST", "/api/v2/alerts", Some(alert), &[])
        .await
        .unwrap();
    answer.expect(200);
}

/// Fired, sent again, resolved and fired again by real Alertmanagers with a receiver of a kind.
async fn by_alertmanager(kind: &str, receiver: impl Fn(&str, &TestSource) -> String) {
    for name in ALERTMANAGERS {
        live_in_alertmanager(name, kind, &receiver).await;
    }
}

async fn live_in_alertmanager(name: &str, kind: &str, receiver: impl Fn(&str, &TestSource) -> String) {
    let data = tempfile::tempdir().unwrap();
    let app = server(data.path()).await;
    let source = create_source(&app, kind, json!({})).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = receiver(&app.base(), &source);
    let Some((_child, address)) = alertmanager(name, folder.path(), &settings).await else {
        return;
    };
    tell_until(&app, &address, 600, &["triggered"]).await;
    let opened: Value = incidents(&app).await.remove(0);
    assert!(text(&opened["title"]).contains("hop"), "{opened}");
    tell(&address, 900).await;
    tell_until(&app, &address, -1, &["resolved"]).await;
    tell_until(&app, &address, 600, &["triggered", "resolved"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_alertmanagers_webhook_opens_and_resolves() {
    by_alertmanager("alertmanager", |base, source| {
        format!("webhook_configs:\n  - url: {base}/sources/{}", source.key)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_alertmanagers_pagerduty_receiver_opens_and_resolves() {
    by_alertmanager("pagerduty", |base, source| {
        format!(
            "pagerduty_configs:\n  - url: {base}/v2/enqueue\n    routing_key: {}",
            source.key
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_alertmanagers_opsgenie_receiver_opens_and_resolves() {
    by_alertmanager("opsgenie", |base, source| {
        format!(
            "opsgenie_configs:\n  - api_url: {base}/\n    api_key: {}",
            source.key
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_amtool_adds_an_alert_as_to_an_alertmanager() {
    let Some(amtool) = program("amtool") else { return };
    let data = tempfile::tempdir().unwrap();
    let app = server(data.path()).await;
    let source = create_source(&app, "prometheus", json!({})).await;
    let url = format!("--alertmanager.url={}/sources/{}", app.base(), source.key);
    let add = [
        "alert",
        "add",
        "alertname=ShopDown",
        "instance=shop-1",
        "severity=critical",
    ];
    let output = Command::new(&amtool).arg(&url).args(add).output().await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    wait_for_statuses(&app, &["triggered"]).await;
    tell(&format!("{}/sources/{}", app.base(), source.key), 600).await;
    let query = Command::new(&amtool)
        .arg(&url)
        .args(["alert", "query"])
        .output()
        .await
        .unwrap();
    assert!(
        query.status.success(),
        "{}",
        String::from_utf8_lossy(&query.stderr)
    );
}
