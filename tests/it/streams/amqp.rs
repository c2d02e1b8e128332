//! A real RabbitMQ confirms our events; pika reads them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::brokers::{
    Broker, Sender, forgetful_proxy, identity, is_refused, live_through_a_kill, lose_an_answer,
};
use crate::fleet::postgres::free_port;
use crate::support::certificates::Authority;
use crate::support::programs::{judges, program};
use crate::tickets::judges::python;

/// The virtual host `events`, and ada who may do all in it.
const DEFINITIONS: &str = r#"{
  "users": [{"name": "ada", "password": "good-password", "tags": "administrator"}],
  "vhosts": [{"name": "events"}],
  "permissions": [{"user": "ada", "vhost": "events", "configure": ".*", "write": ".*", "read": ".*"}]
}"#;

/// A RabbitMQ with the ports that it listens on.
struct Rabbit {
    server: Broker,
    port: u16,
    tls_port: u16,
    /// Tells programs in Erlang where each other is.
    _mapper: Child,
}

/// Where this machine has it: installed, or unpacked by `./check`.
fn below(place: &str) -> PathBuf {
    let roots = [PathBuf::from("/usr"), judges().join("debian/usr")];
    let mut found = roots.iter().map(|root| root.join(place));
    found.find(|path| path.exists()).unwrap()
}

/// The server itself, and not what Debian has in front of it, which wants a user of its own.
fn server_script() -> PathBuf {
    let mut versions = std::fs::read_dir(below("lib/rabbitmq/lib")).unwrap();
    let version = versions.next().unwrap().unwrap();
    version.path().join("sbin/rabbitmq-server")
}

impl Rabbit {
    /// Nothing if this machine has none.
    async fn start(folder: &Path, authority: &Authority) -> Option<Self> {
        program("rabbitmq-server")?;
        python()?;
        let [port, tls_port, mapper_port, nodes_port] = std::array::from_fn(|_| free_port());
        let pem = identity(folder, authority);
        let pem = pem.display();
        std::fs::write(folder.join("ca.pem"), &authority.pem).unwrap();
        std::fs::write(folder.join("definitions.json"), DEFINITIONS).unwrap();
        std::fs::write(folder.join("plugins"), "[].").unwrap();
        let (ca, definitions) = (folder.join("ca.pem"), folder.join("definitions.json"));
        let settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\nlisteners.ssl.1 = 127.0.0.1:{tls_port}\n\
             ssl_options.certfile = {pem}\nssl_options.keyfile = {pem}\nssl_options.cacertfile = {}\n\
             load_definitions = {}\n",
            ca.display(),
            definitions.display(),
        );
        std::fs::write(folder.join("rabbitmq.conf"), settings).unwrap();
        let search = format!(
            "{}:{}",
            below("lib/erlang/bin").display(),
            std::env::var("PATH").unwrap()
        );
        let mapper = Command::new(below("lib/erlang/bin/epmd"))
            .args(["-address", "127.0.0.1", "-port", &mapper_port.to_string()])
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let folder = folder.to_owned();
        let command = move || {
            let mut command = Command::new(server_script());
            command
                .env("PATH", &search)
                .env("HOME", &folder)
                .env("ERL_EPMD_PORT", mapper_port.to_string())
                .env("ERL_EPMD_ADDRESS", "127.0.0.1")
                .env("RABBITMQ_DIST_PORT", nodes_port.to_string())
                .env("RABBITMQ_NODENAME", format!("test{port}@localhost"))
                .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
                .env("RABBITMQ_LOG_BASE", folder.join("log"))
                .env("RABBITMQ_PID_FILE", folder.join("pid"))
                .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
                .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"));
            command
        };
        let reader = ("amqp_queue.py", vec![port.to_string()]);
        let server = Broker::start(port, reader, command).await;
        server.make().await;
        Some(Self {
            server,
            port,
            tls_port,
            _mapper: mapper,
        })
    }
}

fn webhook(more: &Value, authority: &Authority) -> Value {
    let mut options = json!({"routingKey": "incidents", "username": "ada", "password": "good-password"});
    for (name, value) in more.as_object().unwrap() {
        options[name] = value.clone();
    }
    json!({"kind": "amqp", "secret": null, "options": options, "tls": {"caPem": authority.pem}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_gets_everything_once_and_in_order_though_its_server_is_killed() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let Some(mut rabbit) = Rabbit::start(folder.path(), &authority).await else {
        return;
    };
    let url = format!("amqps://127.0.0.1:{}/events", rabbit.tls_port);
    let sender = Sender::start(&url, webhook(&json!({}), &authority)).await;
    live_through_a_kill(&sender, &mut rabbit.server).await;
    let messages = rabbit.server.messages().await;
    assert!(
        messages.iter().all(|message| message["mode"] == 2),
        "{messages:#?}"
    );

    for (changes, url, words) in [
        (
            json!({"password": "bad-password"}),
            &url,
            "check user name and password",
        ),
        (json!({"routingKey": "nowhere"}), &url, "no queue gets messages"),
        (
            json!({"exchange": "nowhere"}),
            &url,
            "check the virtual host, the exchange",
        ),
        (
            json!({}),
            &url.replace("events", "nowhere"),
            "check the virtual host, the exchange",
        ),
    ] {
        let sender = Sender::start(url, webhook(&changes, &authority)).await;
        is_refused(&sender, words).await;
    }
    assert_eq!(rabbit.server.messages().await.len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_confirmation_was_lost_comes_twice_under_one_id() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let Some(rabbit) = Rabbit::start(folder.path(), &authority).await else {
        return;
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let proxy = listener.local_addr().unwrap();
    tokio::spawn(forgetful_proxy(listener, ([127, 0, 0, 1], rabbit.port).into()));
    let format = json!({"format": "cloudevents"});
    let sender = Sender::start(&format!("amqp://{proxy}/events"), webhook(&format, &authority)).await;
    let messages = lose_an_answer(&sender, &rabbit.server).await;
    assert_eq!(messages.len(), 2, "{messages:#?}");
    assert_eq!(messages[0]["body"], messages[1]["body"]);
}
