//! A real Prometheus posts straight to us: its alerts fire, are sent again, are over, fire again, through its own restart.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use clock::Env;
use serde_json::json;
use tokio::process::{Child, Command};

use super::{create_source, incidents, requests};
use crate::fleet::postgres::free_port;
use crate::support::api_client::ApiClient;
use crate::support::programs::program;
use crate::support::test_app::{PATIENCE, TestApp, text};

const FIRES: &str = "vector(1)";
/// How often it sends again: an alert is over by itself after four times as long, which its restart must not take.
const RESEND: &str = "--rules.alert.resend-delay=4s";
const IS_OVER: &str = "vector(0) > 1";

/// A Prometheus with one rule.
struct Prometheus<'a> {
    folder: &'a Path,
    port: u16,
    child: Child,
}

impl<'a> Prometheus<'a> {
    /// Starts it with a rule that fires; its alerts go to a source at an address. Nothing if there is none on this machine.
    async fn start(folder: &'a Path, address: &str, key: &str) -> Option<Self> {
        program("prometheus")?;
        let settings = format!(
            "global:\n  evaluation_interval: 1s\nrule_files: [rules.yml]\nalerting:\n  alertmanagers:\n  - scheme: http\n    \
             path_prefix: /sources/{key}\n    static_configs:\n    - targets: ['{address}']\n"
        );
        std::fs::write(folder.join("prometheus.yml"), settings).unwrap();
        write_rule(folder, FIRES);
        let port = free_port();
        let child = run(folder, port);
        let prometheus = Self { folder, port, child };
        prometheus.is_ready().await;
        Some(prometheus)
    }

    async fn is_ready(&self) {
        let api = ApiClient::new(&format!("http://127.0.0.1:{}", self.port), "");
        let ready = async {
            while !matches!(api.send("GET", "/-/ready", None, &[]).await, Ok(answer) if answer.status == 200)
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("it is ready");
    }

    /// `kill -9`, and it starts again on its data.
    async fn restart(&mut self) {
        self.child.kill().await.unwrap();
        self.child = run(self.folder, self.port);
        self.is_ready().await;
    }

    async fn set_rule(&self, expression: &str) {
        write_rule(self.folder, expression);
        let api = ApiClient::new(&format!("http://127.0.0.1:{}", self.port), "");
        api.send("POST", "/-/reload", None, &[])
            .await
            .unwrap()
            .expect(200);
    }
}

fn write_rule(folder: &Path, expression: &str) {
    let rule = format!(
        "groups:\n- name: shop\n  rules:\n  - alert: ShopDown\n    expr: {expression}\n    labels: {{severity: critical}}\n    \
         annotations: {{summary: The shop is down}}\n"
    );
    std::fs::write(folder.join("rules.yml"), rule).unwrap();
}

fn run(folder: &Path, port: u16) -> Child {
    Command::new(program("prometheus").unwrap())
        .arg(format!(
            "--config.file={}",
            folder.join("prometheus.yml").display()
        ))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(["--web.enable-lifecycle", RESEND])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Senders live by the clock on the wall.
fn keep_up(app: &TestApp) {
    app.advance(Env::system().now().since(app.source().now()));
}

async fn wait_until(app: &TestApp, what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            keep_up(app);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(in_time.is_ok(), "{what}: {:?}", incidents(app).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_opens_resolves_and_does_not_reopen_what_a_person_resolved() {
    let data = tempfile::tempdir().unwrap();
    let app = TestApp::start(data.path()).await;
    keep_up(&app);
    app.create_service().await;
    let source = create_source(&app, "prometheus", json!({})).await;
    let folder = tempfile::tempdir().unwrap();
    let address = app.base().replace("http://", "");
    let Some(mut prometheus) = Prometheus::start(folder.path(), &address, &source.key).await else {
        return;
    };
    let statuses = async || {
        let all = incidents(&app).await;
        all.iter().map(|one| text(&one["status"])).collect::<Vec<_>>()
    };
    let outcomes = async || {
        let kept = requests(&app, &source).await;
        let outcomes = kept
            .iter()
            .filter_map(|request| request["alerts"][0]["outcome"].as_str());
        outcomes.map(str::to_owned).collect::<Vec<_>>()
    };
    wait_until(&app, "it is counted", async || {
        outcomes().await.contains(&"counted".to_owned())
    })
    .await;
    assert_eq!(statuses().await, ["triggered"]);
    let before = requests(&app, &source).await.len();
    prometheus.restart().await;
    wait_until(&app, "it is sent again", async || {
        requests(&app, &source).await.len() > before + 1
    })
    .await;
    assert_eq!(statuses().await, ["triggered"]);
    prometheus.set_rule(IS_OVER).await;
    wait_until(&app, "it is over", async || statuses().await == ["resolved"]).await;
    prometheus.set_rule(FIRES).await;
    wait_until(&app, "it fires again", async || {
        statuses().await == ["triggered", "resolved"]
    })
    .await;
    let second = text(&incidents(&app).await[0]["id"]);
    app.act(&second, "resolve").await;
    let repeated = async || {
        outcomes()
            .await
            .iter()
            .take(2)
            .all(|outcome| outcome == "ignored")
    };
    wait_until(&app, "what is only repeated is ignored", repeated).await;
    assert_eq!(statuses().await, ["resolved", "resolved"]);
}
