//! Foreign clients from PyPI judge the simulated services, and then our alerts in them; a real Alertmanager takes our alerts and
//! sends them on. `./check` installs both, and says if it cannot.

use std::process::Stdio;
use std::time::Duration;

use clock::Env;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::{API_KEY, ROUTING_KEY, needed};
use crate::chat::Chat;
use crate::fleet::postgres::free_port;
use crate::support::api_client::ApiClient;
use crate::support::platform::Platform;
use crate::support::programs::{ALERTMANAGERS, program};
use crate::support::receiver::{OK, Receiver};
use crate::support::test_app::{PATIENCE, TestApp, text};
use crate::tickets::judges::judge;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_clients_use_the_simulated_services_like_real_ones() {
    let pagerduty = Platform::start("pagerduty").await;
    judge("pagerduty_simulator.py", &[&pagerduty.address, ROUTING_KEY]).await;
    let opsgenie = Platform::start("opsgenie").await;
    judge("opsgenie_simulator.py", &[&opsgenie.address, API_KEY]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_client_sees_our_alert_as_we_mean_it() {
    let chat = Chat::start("opsgenie", needed("opsgenie")).await;
    let incident = chat.app.trigger("Database connection timeout").await;
    chat.settle(1).await;
    let say = async |state: &str| {
        judge(
            "opsgenie_alert.py",
            &[&chat.platform.address, API_KEY, &incident, state],
        )
        .await;
    };
    say("open").await;
    chat.app.act(&incident, "acknowledge").await;
    chat.settle(2).await;
    say("acknowledged").await;
    chat.app.act(&incident, "resolve").await;
    chat.settle(3).await;
    say("closed").await;
}

/// A real Alertmanager of a name that sends on what it is told, and its address; nothing if this machine lacks it.
async fn alertmanager(
    name: &str,
    folder: &std::path::Path,
    receiver: &Receiver,
    port: u16,
) -> Option<(Child, String)> {
    let program = program(name)?;
    let settings = format!(
        "route:\n  receiver: us\n  group_by: ['...']\n  group_wait: 0s\n  group_interval: 1s\n\
         receivers:\n- name: us\n  webhook_configs:\n  - url: http://{}/\n",
        receiver.address
    );
    let file = folder.join("alertmanager.yml");
    std::fs::write(&file, settings).unwrap();
    let address = format!("127.0.0.1:{port}");
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
    Some((child, format!("http://{address}")))
}

/// Asks until the answer is as it shall be.
async fn wait_for(api: &ApiClient, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let found = async {
        loop {
            if let Ok(answer) = api.send("GET", path, None, &[]).await
                && let Ok(value) = serde_json::from_str(&answer.text)
                && is_so(&value)
            {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found)
        .await
        .expect("Alertmanager says so")
}

async fn fires_and_resolves_with_the_incident(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(&[OK]).await;
    let Some((_child, address)) = alertmanager(name, folder.path(), &receiver, free_port()).await else {
        return;
    };
    let api = ApiClient::new(&address, "");
    wait_for(&api, "/api/v2/status", |status| status.is_object()).await;
    let data = tempfile::tempdir().unwrap();
    let app = TestApp::start(data.path()).await;
    // Alertmanager lives by the clock on the wall.
    app.advance(Env::system().now().since(app.source().now()));
    app.create_service().await;
    app.create_webhook(
        &address,
        json!({"kind": "alertmanager", "options": {"labels": "team=platform"}}),
    )
    .await;
    let hostile = "{{ 7*7 }} \"quoted\" \\ <b> ${x}";
    let incident = app.trigger(hostile).await;
    app.wait_for("status=delivered", 1).await;
    let alerts = wait_for(&api, "/api/v2/alerts", |alerts| alerts[0].is_object()).await;
    assert_eq!(alerts[0]["annotations"]["summary"], hostile);
    assert_eq!(alerts[0]["labels"]["incident"], incident.as_str());
    assert_eq!(alerts[0]["labels"]["team"], "platform");
    app.act(&incident, "acknowledge").await;
    app.wait_for("status=delivered", 2).await;
    let acknowledged =
        |alerts: &Value| alerts[0]["annotations"]["status"] == "acknowledged" && alerts[1].is_null();
    wait_for(&api, "/api/v2/alerts", acknowledged).await;
    app.act(&incident, "resolve").await;
    app.wait_for("status=delivered", 3).await;
    wait_for(&api, "/api/v2/alerts", |alerts| alerts == &json!([])).await;
    let told = async {
        let mut statuses = Vec::new();
        while statuses != ["firing", "resolved"] {
            let request = receiver.next_request().await;
            let (_, body) = request.split_once("\r\n\r\n").unwrap();
            let sent: Value = serde_json::from_str(body).unwrap();
            statuses.push(text(&sent["status"]));
            statuses.dedup();
        }
    };
    tokio::time::timeout(PATIENCE, told)
        .await
        .expect("it tells its receiver of both");
}

/// How far the server's clock is behind at first: an alert that ends now must be over by the clock on the wall.
const BEHIND: Duration = Duration::from_secs(150);
/// When what is open is told again, and a little more.
const REFRESH: Duration = Duration::from_secs(125);

async fn has_its_alerts_back_after_a_restart(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[OK]).await;
    let port = free_port();
    let Some((mut child, address)) = alertmanager(name, folder.path(), &receiver, port).await else {
        return;
    };
    let api = ApiClient::new(&address, "");
    wait_for(&api, "/api/v2/status", |status| status.is_object()).await;
    let data = tempfile::tempdir().unwrap();
    let app = TestApp::start(data.path()).await;
    app.advance(Env::system().now().since(app.source().now()) - BEHIND);
    app.create_service().await;
    app.create_webhook(&address, json!({"kind": "alertmanager"}))
        .await;
    let open = app.trigger("Disk full").await;
    let over = app.trigger("Over").await;
    app.act(&over, "resolve").await;
    app.wait_for("status=delivered", 3).await;
    wait_for(&api, "/api/v2/alerts", |alerts| {
        alerts[0]["labels"]["incident"] == open.as_str()
    })
    .await;
    child.kill().await.unwrap();
    let (_child, _) = alertmanager(name, folder.path(), &receiver, port).await.unwrap();
    wait_for(&api, "/api/v2/status", |status| status.is_object()).await;
    app.advance(REFRESH);
    let back = wait_for(&api, "/api/v2/alerts", |alerts| alerts[0].is_object()).await;
    assert_eq!(back[0]["labels"]["incident"], open.as_str());
    assert_eq!(back[0]["annotations"]["summary"], "Disk full");
    assert!(back[1].is_null(), "what is over is told no more: {back}");
    assert_eq!(app.deliveries("").await.len(), 3, "these are no deliveries");
    app.act(&open, "resolve").await;
    app.wait_for("status=delivered", 4).await;
    wait_for(&api, "/api/v2/alerts", |alerts| alerts == &json!([])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_alertmanager_fires_and_resolves_with_the_incident() {
    for name in ALERTMANAGERS {
        fires_and_resolves_with_the_incident(name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_alertmanager_that_was_restarted_has_its_alerts_back_until_they_are_over() {
    for name in ALERTMANAGERS {
        has_its_alerts_back_after_a_restart(name).await;
    }
}
