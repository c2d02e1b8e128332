//! A real Kafka (KRaft) takes our events; kafka-python reads them.

use std::path::Path;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

use super::brokers::{
    Broker, Sender, forgetful_proxy, identity, is_refused, live_through_a_kill, lose_an_answer,
};
use crate::fleet::postgres::free_port;
use crate::support::certificates::Authority;
use crate::support::programs::{judges, program};
use crate::support::test_app::text;
use crate::tickets::judges::python;

/// For short lives: compiled once, and lightly.
const JAVA: [&str; 2] = ["-XX:TieredStopAtLevel=1", "-Xmx256m"];

/// A Kafka with the ports that it listens on: with TLS and accounts, and without either.
struct Cluster {
    broker: Broker,
    secure_port: u16,
}

impl Cluster {
    /// Nothing if this machine has none. Who asks it without TLS goes through the proxy, if there is one.
    async fn start(folder: &Path, authority: &Authority, proxy: Option<TcpListener>) -> Option<Self> {
        let libraries = judges().join("kafka/libs");
        if !libraries.is_dir() {
            // Nobody has a program of this name: it says so, or fails.
            program("kafka")?;
        }
        let java = program("java")?;
        python()?;
        let [port, secure_port, controller_port] = std::array::from_fn(|_| free_port());
        let advertised = match proxy {
            Some(listener) => {
                let advertised = listener.local_addr().unwrap().port();
                tokio::spawn(forgetful_proxy(listener, ([127, 0, 0, 1], port).into()));
                advertised
            }
            None => port,
        };
        let pem = identity(folder, authority);
        let settings = format!(
            r#"process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=OPEN://127.0.0.1:{port},SECURE://127.0.0.1:{secure_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=OPEN://127.0.0.1:{advertised},SECURE://127.0.0.1:{secure_port}
listener.security.protocol.map=OPEN:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=OPEN
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_bob="good-password";
ssl.keystore.type=PEM
ssl.keystore.location={}
log.dirs={}
log.retention.ms=-1
log.flush.interval.messages=1
offsets.topic.replication.factor=1
"#,
            pem.display(),
            folder.join("data").display()
        );
        let file = folder.join("server.properties");
        std::fs::write(&file, settings).unwrap();
        let classes = format!("{}/*", libraries.display());
        let formatted = Command::new(&java)
            .args(JAVA)
            .args(["-cp", &classes, "kafka.tools.StorageTool", "format"])
            .args(["--cluster-id", "MkU3OEVBNTcwNTJENDM2Qg"])
            .args(["--add-scram", "SCRAM-SHA-512=[name=ada,password=good-password]"])
            .arg("--config")
            .arg(&file)
            .output()
            .await
            .unwrap();
        let complaint = String::from_utf8_lossy(&formatted.stderr);
        assert!(formatted.status.success(), "{complaint}");
        let command = move || {
            let mut command = Command::new(&java);
            command
                .args(JAVA)
                .args(["-cp", &classes, "kafka.Kafka"])
                .arg(&file);
            command
        };
        let reader = ("kafka_topic.py", vec![port.to_string()]);
        let broker = Broker::start(port, reader, command).await;
        broker.make().await;
        Some(Self { broker, secure_port })
    }
}

fn options(more: &Value) -> Value {
    let mut options = json!({"topic": "incidents"});
    for (name, value) in more.as_object().unwrap() {
        options[name] = value.clone();
    }
    options
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_gets_everything_once_and_in_order_though_its_broker_is_killed() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let Some(mut kafka) = Cluster::start(folder.path(), &authority, None).await else {
        return;
    };
    let url = format!("kafka+ssl://127.0.0.1:{}", kafka.secure_port);
    let webhook = |more: &Value| json!({"kind": "kafka", "secret": null, "options": options(more), "tls": {"caPem": authority.pem}});
    let ada = json!({"username": "ada", "password": "good-password", "mechanism": "scram_sha_512"});
    let sender = Sender::start(&url, webhook(&ada)).await;
    live_through_a_kill(&sender, &mut kafka.broker).await;
    for message in kafka.broker.messages().await {
        assert_eq!(message["place"], message["body"]["incident"]["id"]);
    }

    let bob = json!({"username": "bob", "password": "good-password"});
    let bob = Sender::start(&url, webhook(&bob)).await;
    assert_eq!(bob.send_test().await["status"], "delivered");
    let wrong = json!({"username": "bob", "password": "bad-password"});
    let nobody = json!({"username": "ada", "password": "bad-password", "mechanism": "scram_sha_512"});
    for more in [wrong, nobody] {
        let wrong = Sender::start(&url, webhook(&more)).await;
        is_refused(
            &wrong,
            "check user name and password (58 SASL_AUTHENTICATION_FAILED",
        )
        .await;
    }
    let other = json!({"username": "ada", "password": "good-password", "mechanism": "scram_sha_256"});
    let other = Sender::start(&url, webhook(&other)).await;
    is_refused(&other, "choose how the brokers want").await;
    let mut elsewhere = ada.clone();
    elsewhere["topic"] = "nowhere".into();
    let elsewhere = Sender::start(&url, webhook(&elsewhere)).await;
    is_refused(&elsewhere, "check the topic").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_whose_answer_was_lost_stands_in_the_topic_once() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let proxy = listener.local_addr().unwrap();
    let Some(kafka) = Cluster::start(folder.path(), &authority, Some(listener)).await else {
        return;
    };
    let webhook = json!({"kind": "kafka", "secret": null, "options": options(&json!({"format": "cloudevents_binary"}))});
    let sender = Sender::start(&format!("kafka://{proxy}"), webhook).await;
    let messages = lose_an_answer(&sender, &kafka.broker).await;
    assert_eq!(messages.len(), 1, "{messages:#?}");
    let note = text(&sender.attempts(2).await[1]["note"]);
    assert!(note.ends_with("offset 0"), "{note}");
}
