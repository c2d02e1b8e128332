//! Alerts and dashboard: they name metrics that there are, Prometheus understands them, and it is content with ours.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{judge, text};
use crate::support::programs::program;
use crate::support::receiver::{OK, Receiver};
use crate::support::test_app::TestApp;

const RULES: &str = "deploy/prometheus/rules.yaml";
const RULES_TEST: &str = "deploy/prometheus/rules_test.yaml";
const DASHBOARD: &str = "deploy/grafana/opsknight.json";
/// What the name of each metric of ours begins with.
const PREFIX: &str = "opsknight_";
/// What Grafana puts into expressions, and what may stand there.
const VARIABLES: [(&str, &str); 2] = [("$__rate_interval", "5m"), ("$job", ".*")];

/// What a server tells that has accepted something, delivered it, and failed to.
async fn metrics() -> String {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let receiver = Receiver::start(&[OK]).await;
    app.api
        .post("/api/v1/services", json!({"name": "API"}))
        .await
        .expect(201);
    for (name, url) in [
        ("well", format!("http://{}/", receiver.address)),
        ("unwell", "http://nowhere.test/".to_owned()),
    ] {
        let webhook = json!({"name": name, "url": url, "events": ["incident.triggered"]});
        app.api.post("/api/v1/webhooks", webhook).await.expect(201);
    }
    let incident = json!({"title": "one", "service": {"name": "API"}});
    app.api.post("/api/v1/incidents", incident).await.expect(201);
    app.quiesce().await;
    app.api.get("/metrics").await.expect(200).text
}

/// The words of a text that look like metrics of ours.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with(PREFIX))
        .map(str::to_owned)
        .collect()
}

/// The names of all samples; those of a family that has none yet are made from its type.
fn told(metrics: &str) -> BTreeSet<String> {
    let families = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let of_families = families.flat_map(|family| {
        let (name, kind) = family.split_once(' ').unwrap();
        let ends: &[&str] = match kind {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        ends.iter().map(move |end| format!("{name}{end}"))
    });
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    let of_samples = samples.filter_map(|line| line.split(['{', ' ']).next().map(str::to_owned));
    of_families.chain(of_samples).collect()
}

/// Every expression of the dashboard, with values in place of its variables.
fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets
        .map(|target| {
            let expression = target["expr"].as_str().unwrap().to_owned();
            VARIABLES
                .iter()
                .fold(expression, |text, (name, value)| text.replace(name, value))
        })
        .collect()
}

#[tokio::test]
async fn every_metric_that_alerts_and_dashboard_name_is_told_by_a_server() {
    let told = told(&metrics().await);
    for path in [RULES, RULES_TEST, DASHBOARD] {
        let named = named(&text(path));
        let unknown: Vec<_> = named.difference(&told).collect();
        assert!(!named.is_empty() && unknown.is_empty(), "{path}: {unknown:?}");
    }
}

#[tokio::test]
async fn the_time_to_acknowledge_and_to_resolve_is_counted_from_the_trigger() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let incident = app.trigger("Down").await;
    app.advance(Duration::from_secs(60));
    app.act(&incident, "acknowledge").await;
    app.advance(Duration::from_secs(240));
    app.act(&incident, "resolve").await;
    let told = app.api.get("/metrics").await.expect(200).text;
    for sample in [
        "opsknight_incident_acknowledge_seconds_sum 60.0",
        "opsknight_incident_acknowledge_seconds_count 1",
        "opsknight_incident_resolve_seconds_sum 300.0",
        "opsknight_incidents_open{severity=\"critical\"} 0",
    ] {
        assert!(told.lines().any(|line| line == sample), "{sample}: {told}");
    }
}

#[test]
fn every_alert_has_an_example() {
    let (rules, tests) = (text(RULES), text(RULES_TEST));
    let alerts: Vec<_> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    let without: Vec<_> = alerts.iter().filter(|alert| !tests.contains(**alert)).collect();
    assert!(!alerts.is_empty() && without.is_empty(), "{without:?}");
}

#[test]
fn the_dashboard_has_a_row_for_each_subject_and_panels_that_do_not_overlap() {
    let dashboard: Value = serde_json::from_str(&text(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let rows: Vec<_> = panels
        .iter()
        .filter(|panel| panel["type"] == "row")
        .map(|row| row["title"].as_str().unwrap())
        .collect();
    let expected = [
        "At a glance",
        "Incidents and events",
        "Deliveries",
        "Webhooks that are unwell",
        "Latency",
        "Store and database",
        "Servers",
    ];
    assert_eq!(rows, expected);
    let mut taken = BTreeSet::new();
    for panel in panels {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().unwrap());
        let cells = (x..x + w).flat_map(|column| (y..y + h).map(move |line| (column, line)));
        for cell in cells {
            assert!(cell.0 < 24 && taken.insert(cell), "{}: {cell:?}", panel["title"]);
        }
    }
}

#[tokio::test]
async fn prometheus_understands_alerts_and_dashboard_and_the_alerts_do_what_their_examples_say() {
    let Some(promtool) = program("promtool") else {
        return;
    };
    judge(&promtool, &["check", "rules", RULES]).await;
    judge(&promtool, &["test", "rules", RULES_TEST]).await;
    // A dashboard is read by no tool of Prometheus, but its expressions are as those of rules.
    let rules: Vec<_> = expressions()
        .iter()
        .enumerate()
        .map(|(number, expression)| json!({"record": format!("panel:{number}"), "expr": expression}))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dashboard.yaml");
    // YAML reads JSON.
    let groups = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    std::fs::write(&path, groups.to_string()).unwrap();
    judge(&promtool, &["check", "rules", path.to_str().unwrap()]).await;
}

#[tokio::test]
async fn prometheus_finds_nothing_to_say_about_our_metrics() {
    let Some(promtool) = program("promtool") else {
        return;
    };
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(metrics().await.as_bytes()).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}", said.concat());
}
