//! A real server that speaks like S3, Versity's gateway, takes our objects over TLS and is killed meanwhile; boto3 reads them.

use std::path::Path;
use std::time::Duration;

use clock::Env;
use serde_json::{Value, json};
use tokio::process::Command;

use super::brokers::{Broker, Sender, identity, is_refused};
use crate::fleet::postgres::free_port;
use crate::support::certificates::Authority;
use crate::support::programs::program;
use crate::support::test_app::text;
use crate::tickets::judges::python;

const KEY: &str = "OPSKNIGHT";
const SECRET: &str = "made/up/secret/access/key/of/forty/chars";

/// How long an event waits for others.
const WAIT: Duration = Duration::from_secs(5);

/// Nothing if this machine has no server or no reader.
async fn start(folder: &Path, port: u16, authority: &Authority) -> Option<Broker> {
    let program = program("versitygw")?;
    python()?;
    let pem = identity(folder, authority);
    let [bucket, metadata] = ["buckets", "metadata"].map(|name| folder.join(name));
    for path in [&bucket, &metadata] {
        std::fs::create_dir_all(path).unwrap();
    }
    let command = move || {
        let mut command = Command::new(&program);
        command.args(["--access", KEY, "--secret", SECRET, "--region", "us-east-1"]);
        command.arg("--port").arg(format!("127.0.0.1:{port}"));
        command.arg("--cert").arg(&pem).arg("--key").arg(&pem);
        // Not every file system keeps attributes of files.
        command.arg("posix").arg("--sidecar").arg(&metadata).arg(&bucket);
        command
    };
    let address = format!("https://127.0.0.1:{port}");
    let words = vec![address, KEY.to_owned(), SECRET.to_owned()];
    Some(Broker::start(port, ("s3_bucket.py", words), command).await)
}

fn webhook(authority: &Authority, more: &[(&str, &str)]) -> Value {
    let mut options = json!({
        "accessKeyId": KEY, "secretAccessKey": SECRET, "region": "us-east-1", "maxSeconds": "5",
        "prefix": "dt={year}-{month}-{day}",
    });
    for (name, value) in more {
        options[*name] = (*value).into();
    }
    json!({"kind": "s3", "secret": null, "options": options, "tls": {"caPem": authority.pem}})
}

/// Sets a server's clock right: the gateway takes a quarter of an hour of difference.
fn set_clock(sender: &Sender) {
    let now = Env::system().now();
    sender.app.advance(now.since(sender.app.source().now()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_gets_each_event_in_one_object_though_its_server_is_killed() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let port = free_port();
    let Some(mut gateway) = start(folder.path(), port, &authority).await else {
        return;
    };
    gateway.make().await;
    let url = format!("https://127.0.0.1:{port}/incidents");
    let sender = Sender::start(&url, webhook(&authority, &[])).await;
    set_clock(&sender);
    let title = "Überlauf {{ 7*7 }} \"q\" \\ <b> \u{7} 👩‍🚒";
    let incidents = [
        sender.app.trigger(title).await,
        sender.app.trigger("Disk full").await,
    ];
    sender.app.quiesce().await;
    sender.app.advance(WAIT);
    sender.deliver(2).await;
    gateway.kill().await;
    for incident in &incidents {
        sender.app.act(incident, "resolve").await;
    }
    sender.app.quiesce().await;
    sender.app.advance(WAIT);
    sender.app.quiesce().await;
    assert_eq!(sender.app.deliveries("status=delivered").await.len(), 2);
    gateway.restart().await;
    sender.deliver(4).await;
    let objects = gateway.messages().await;
    assert_eq!(objects.len(), 2, "{objects:#?}");
    for (object, event) in objects.iter().zip(["incident.triggered", "incident.resolved"]) {
        let lines = object["lines"].as_array().unwrap();
        let told: Vec<_> = lines
            .iter()
            .map(|line| (text(&line["event"]), text(&line["incident"]["title"])))
            .collect();
        let expected = [title, "Disk full"].map(|title| (event.to_owned(), title.to_owned()));
        assert_eq!(told, expected);
        let day = text(&lines[0]["timestamp"])[..10].to_owned();
        assert!(
            text(&object["key"]).starts_with(&format!("dt={day}/")),
            "{object:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_gateway_refuses_is_said_in_words() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let port = free_port();
    let Some(gateway) = start(folder.path(), port, &authority).await else {
        return;
    };
    gateway.make().await;
    let url = format!("https://127.0.0.1:{port}/incidents");
    let nowhere = format!("https://127.0.0.1:{port}/elsewhere");
    let at_once = ("maxSeconds", "0");
    for (url, option, words) in [
        (
            &url,
            ("secretAccessKey", "bad-password"),
            "check the secret access key",
        ),
        (
            &url,
            ("region", "eu-west-1"),
            "check the access key and the region",
        ),
        (
            &nowhere,
            ("format", "ndjson"),
            "make the bucket, or check its name",
        ),
    ] {
        let sender = Sender::start(url, webhook(&authority, &[at_once, option])).await;
        set_clock(&sender);
        is_refused(&sender, words).await;
    }
    let late = Sender::start(&url, webhook(&authority, &[at_once])).await;
    is_refused(&late, "set this server's clock right").await;
    assert_eq!(gateway.messages().await.len(), 0);
}
