//! A real nats-server takes our events into a JetStream, alone and three as a cluster; nats-py reads them.

use std::path::Path;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

use super::brokers::{
    Broker, Sender, forgetful_proxy, identity, is_refused, live_through_a_kill, lose_an_answer,
};
use crate::fleet::postgres::free_port;
use crate::support::certificates::Authority;
use crate::support::programs::program;
use crate::support::test_app::text;
use crate::tickets::judges::python;

/// Who may do what: ada all, bob nothing that is ours.
const ACCOUNTS: &str = r#"authorization { users = [
  { user: ada, password: good-password }
  { user: bob, password: good-password, permissions: { publish: other, subscribe: "_INBOX.>" } }
] }
"#;

fn settings(folder: &Path, port: u16, more: &str) -> String {
    let store = folder.join(format!("store-{port}"));
    format!(
        "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\n{more}",
        store.display()
    )
}

/// Nothing if this machine has no server or no reader.
async fn start(folder: &Path, port: u16, more: &str, reader: Vec<String>) -> Option<Broker> {
    let program = program("nats-server")?;
    python()?;
    let file = folder.join(format!("nats-{port}.conf"));
    std::fs::write(&file, settings(folder, port, more)).unwrap();
    let command = move || {
        let mut command = Command::new(&program);
        command.arg("-c").arg(&file);
        command
    };
    Some(Broker::start(port, ("nats_stream.py", reader), command).await)
}

fn reader(scheme: &str, ports: &[u16]) -> Vec<String> {
    let servers: Vec<_> = ports
        .iter()
        .map(|port| format!("{scheme}://127.0.0.1:{port}"))
        .collect();
    vec![servers.join(","), ports.len().to_string()]
}

fn options(more: &Value) -> Value {
    let mut options = json!({"subject": "ops.incidents"});
    for (name, value) in more.as_object().unwrap() {
        options[name] = value.clone();
    }
    json!({"kind": "nats", "secret": null, "options": options})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_gets_everything_once_and_in_order_though_its_server_is_killed() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let pem = identity(folder.path(), &authority);
    let tls = format!(
        "tls {{ cert_file: \"{0}\", key_file: \"{0}\" }}\n{ACCOUNTS}",
        pem.display()
    );
    let port = free_port();
    let reader = reader("tls", &[port]);
    let Some(mut server) = start(folder.path(), port, &tls, reader).await else {
        return;
    };
    server.make().await;
    let url = format!("tls://127.0.0.1:{port}");
    let webhook = |more: &Value| {
        let mut webhook = options(more);
        webhook["tls"] = json!({"caPem": authority.pem});
        webhook
    };
    let ada = json!({"username": "ada", "password": "good-password", "suffix": "event", "stream": "EVENTS"});
    let sender = Sender::start(&url, webhook(&ada)).await;
    live_through_a_kill(&sender, &mut server).await;
    let last = server.messages().await.pop().unwrap();
    assert_eq!(
        text(&last["place"]),
        format!("ops.incidents.{}", text(&last["event"]))
    );

    let wrong = json!({"username": "ada", "password": "bad-password"});
    let wrong = Sender::start(&url, webhook(&wrong)).await;
    is_refused(
        &wrong,
        "check how this webhook signs in (Authorization Violation)",
    )
    .await;
    let other = json!({"username": "bob", "password": "good-password"});
    let other = Sender::start(&url, webhook(&other)).await;
    is_refused(&other, "let its user publish on the subject").await;
    let elsewhere = json!({"username": "ada", "password": "good-password", "stream": "OTHER"});
    let elsewhere = Sender::start(&url, webhook(&elsewhere)).await;
    is_refused(&elsewhere, "another stream takes this subject").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_answer_was_lost_stands_in_the_stream_once() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(server) = start(folder.path(), port, "", reader("nats", &[port])).await else {
        return;
    };
    server.make().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let proxy = listener.local_addr().unwrap();
    tokio::spawn(forgetful_proxy(listener, ([127, 0, 0, 1], port).into()));
    let format = json!({"format": "cloudevents"});
    let sender = Sender::start(&format!("nats://{proxy}"), options(&format)).await;
    let messages = lose_an_answer(&sender, &server).await;
    assert_eq!(messages.len(), 1, "{messages:#?}");
    assert_eq!(messages[0]["body"]["type"], "com.opsknight.incident.triggered");
    let note = text(&sender.attempts(2).await[1]["note"]);
    assert_eq!(note, "message 1 of stream EVENTS, which had it already");

    let nobody = Sender::start(
        &format!("nats://{proxy}"),
        options(&json!({"subject": "elsewhere"})),
    )
    .await;
    let answer = nobody.send_test().await;
    let failure = &answer["attempts"][0]["failure"];
    assert_eq!(failure["code"], "server_error", "{answer:#}");
    assert!(text(&failure["detail"]).contains("no stream that takes this subject"));
}

#[tokio::test]
async fn a_password_does_not_go_to_further_servers_that_somebody_adds() {
    let account = json!({"username": "ada", "password": "good-password", "servers": "queue-2.example.com"});
    let sender = Sender::start("nats://queue.example.com", options(&account)).await;
    let path = format!("/api/v1/webhooks/{}", sender.webhook);
    let patch = |options: Value| {
        let body = Some(json!({"options": options}));
        sender.app.api.send("PATCH", &path, body, &[])
    };
    let others = patch(json!({"servers": "elsewhere.example"})).await.unwrap();
    assert_eq!(others.expect(422).json()["errors"][0]["code"], "secrets_missing");
    let anew = json!({"servers": "elsewhere.example", "password": "another-password"});
    patch(anew).await.unwrap().expect(200);
    patch(json!({"suffix": "event"})).await.unwrap().expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_takes_messages_though_one_of_its_three_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let ports = [free_port(), free_port(), free_port()];
    let routes = [free_port(), free_port(), free_port()];
    let known: Vec<_> = routes
        .iter()
        .map(|port| format!("nats-route://127.0.0.1:{port}"))
        .collect();
    let mut servers = Vec::new();
    for (port, route) in ports.iter().zip(routes) {
        let more = format!(
            "server_name: \"n{port}\"\ncluster {{ name: ops, listen: \"127.0.0.1:{route}\", routes: [{}] }}\n",
            known.join(", ")
        );
        let Some(server) = start(folder.path(), *port, &more, reader("nats", &ports)).await else {
            return;
        };
        servers.push(server);
    }
    servers[0].make().await;
    let further = format!("127.0.0.1:{}, 127.0.0.1:{}", ports[1], ports[2]);
    let url = format!("nats://127.0.0.1:{}", ports[0]);
    let sender = Sender::start(&url, options(&json!({"servers": further}))).await;
    sender.app.trigger("Disk full").await;
    sender.deliver(1).await;
    servers[0].kill().await;
    sender.app.trigger("Disk fuller").await;
    // A new leader may have to be found first.
    sender.deliver(2).await;
    assert_eq!(servers[1].messages().await.len(), 2);
}
