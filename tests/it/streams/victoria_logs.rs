//! Batches to a real VictoriaLogs, which takes what Elasticsearch, Splunk and Loki take, and lines of JSON.

use std::time::Duration;

use clock::Env;
use serde_json::{Value, json};
use tokio::process::Command;

use super::brokers::Broker;
use crate::fleet::postgres::free_port;
use crate::support::programs::program;
use crate::support::test_app::{PATIENCE, TestApp, text};
use crate::tickets::judges::python;

/// How long an event waits for others by default.
const WAIT: Duration = Duration::from_secs(5);

/// Each form, where the server takes it, and where it puts the event.
const FORMS: [(&str, &str, &str); 4] = [
    (
        "ndjson",
        "/insert/jsonline?_time_field=timestamp&_msg_field=event",
        "",
    ),
    (
        "elasticsearch",
        "/insert/elasticsearch?_time_field=@timestamp&_msg_field=event",
        "",
    ),
    (
        "splunk",
        "/insert/splunk/services/collector/event?_msg_field=event.event",
        "event.",
    ),
    ("loki", "/insert/loki/api/v1/push?_msg_field=event", ""),
];

/// Lets time pass once what came before has arrived.
async fn pass(app: &TestApp) {
    app.quiesce().await;
    app.advance(WAIT);
    app.quiesce().await;
}

/// What it has, once that is so much: it shows a batch somewhat after it took it.
async fn shown(server: &Broker, count: usize) -> Vec<Value> {
    let all = async {
        loop {
            let rows = server.messages().await;
            if rows.len() >= count {
                return rows;
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("all is shown")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_store_has_each_event_in_four_forms_packed_or_not() {
    let (Some(program), Some(_)) = (program("victoria-logs"), python()) else {
        return;
    };
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port();
    let storage = folder.path().to_owned();
    let command = move || {
        let mut command = Command::new(&program);
        command.arg(format!("-storageDataPath={}", storage.display()));
        command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
        command
    };
    let address = format!("http://127.0.0.1:{port}");
    let reader = ("victoria_logs.py", vec![address.clone()]);
    let server = Broker::start(port, reader, command).await;
    let app = TestApp::start(data.path()).await;
    // It keeps nothing of long ago.
    app.advance(Env::system().now().since(app.source().now()));
    app.create_service().await;
    for (number, (form, path, _)) in FORMS.iter().enumerate() {
        let url = format!("{address}{path}&extra_fields=form%3D{form}");
        let compression = if number % 2 == 0 { "gzip" } else { "none" };
        let options = json!({"format": form, "compression": compression});
        app.create_webhook(&url, json!({"name": form, "kind": "batch", "options": options}))
            .await;
    }
    let titles = ["Überlauf {{ 7*7 }} \"q\" \\ <b> 👩‍🚒", "Disk full"];
    let incident = app.trigger(titles[0]).await;
    app.trigger(titles[1]).await;
    pass(&app).await;
    app.act(&incident, "resolve").await;
    pass(&app).await;
    assert_eq!(app.deliveries("status=delivered").await.len(), 3 * FORMS.len());
    let rows = shown(&server, 3 * FORMS.len()).await;
    for (form, _, before) in FORMS {
        let own = rows.iter().filter(|row| row["form"] == form);
        let mut told: Vec<_> = own
            .map(|row| (text(&row["_msg"]), text(&row[&format!("{before}incident.title")])))
            .collect();
        told.sort();
        let mut expected = titles
            .map(|title| ("incident.triggered".to_owned(), title.to_owned()))
            .to_vec();
        expected.push(("incident.resolved".to_owned(), titles[0].to_owned()));
        expected.sort();
        assert_eq!(told, expected, "{form}: {rows:#?}");
    }
}
