//! `docs/from-alertmanager.md`, command by command: what a newcomer types there is typed here, with simulators where the page names
//! services that cost money.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use clock::Env;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::fleet::postgres::free_port;
use crate::support::api_client::ApiClient;
use crate::support::platform::Platform;
use crate::support::programs::{program, root};
use crate::support::test_app::{PATIENCE, TestApp, text};

/// The page's blocks in a language, in their order.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let parts = page.split(&opening).skip(1);
    let blocks = parts.map(|rest| rest.split("```").next().unwrap().to_owned());
    blocks.collect()
}

/// What the page calls by made-up names, and how it is called here.
struct Names(Vec<(&'static str, String)>);

impl Names {
    fn put(&mut self, made_up: &'static str, real: String) {
        self.0.push((made_up, real));
    }

    fn real(&self, written: &str) -> String {
        let names = self.0.iter();
        names.fold(written.to_owned(), |text, (made_up, real)| {
            text.replace(made_up, real)
        })
    }
}

/// Types a command, and gives what it prints.
async fn type_in(command: &str, key: &str) -> Value {
    let path = std::env::var("PATH").unwrap_or_default();
    let own = program("amtool").unwrap();
    let output = Command::new("sh")
        .args(["-c", command])
        .env("KEY", key)
        .env("PATH", format!("{}:{path}", own.parent().unwrap().display()))
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mistakes = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}\n{printed}\n{mistakes}");
    let printed = serde_json::from_str(&printed).unwrap_or(Value::Null);
    assert_eq!(printed.get("code"), None, "{command}: {printed}");
    printed
}

/// An Alertmanager as somebody has one: it tells nobody yet.
async fn running_alertmanager(file: &Path) -> (Child, String) {
    std::fs::write(file, "route:\n  receiver: nobody\nreceivers:\n- name: nobody\n").unwrap();
    let port = free_port();
    let child = Command::new(program("prometheus-alertmanager").unwrap())
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.path={}",
            file.with_extension("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let address = format!("http://127.0.0.1:{port}");
    let api = ApiClient::new(&address, "");
    wait_until("Alertmanager runs", async || {
        api.send("GET", "/-/ready", None, &[]).await.is_ok()
    })
    .await;
    (child, address)
}

async fn wait_until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_with_an_alertmanager_has_an_incident_in_a_chat_a_ticket_and_a_mail_by_one_page() {
    let needed = ["prometheus-alertmanager", "amtool", "curl"].map(program);
    if needed.iter().any(Option::is_none) {
        return;
    }
    let page = std::fs::read_to_string(root().join("docs/from-alertmanager.md")).unwrap();
    let [
        service,
        source,
        reload,
        fire,
        requests,
        discord,
        jira,
        email,
        fire_again,
        end,
    ] = <[String; 10]>::try_from(blocks(&page, "sh")).unwrap();
    let [settings] = <[String; 1]>::try_from(blocks(&page, "yaml")).unwrap();
    let data = tempfile::tempdir().unwrap();
    let app = TestApp::start(data.path()).await;
    app.advance(Env::system().now().since(app.source().now()));
    let key = app.api.key().to_owned();
    let file = data.path().join("alertmanager.yml");
    let (_child, address) = running_alertmanager(&file).await;
    let [chat, tickets, mail] = [
        Platform::start("discord").await,
        Platform::start("jira").await,
        Platform::start("email").await,
    ];
    let mut names = Names(vec![
        ("https://ops.example.com", app.base()),
        ("http://localhost:9093", address),
        (
            "https://discord.com/api/webhooks/123456789012345678/…",
            chat.url.clone(),
        ),
        ("https://your-site.atlassian.net", tickets.url.clone()),
        ("smtp://mail.example.com:587", mail.url.clone()),
        // The simulated mail server has no certificate.
        (
            "\"options\": {\"from\"",
            "\"options\": {\"encryption\": \"optional\", \"from\"".into(),
        ),
        // Nobody shall wait here.
        (
            "  group_by:",
            "  group_wait: 0s\n  group_interval: 1s\n  group_by:".into(),
        ),
    ]);

    let made = type_in(&names.real(&service), &key).await;
    names.put("svc_…", text(&made["id"]));
    let made = type_in(&names.real(&source), &key).await;
    names.put("src_…", text(&made["id"]));
    names.put("<the key>", text(&made["key"]));
    std::fs::write(&file, names.real(&settings)).unwrap();
    type_in(&names.real(&reload), &key).await;
    type_in(&names.real(&fire), &key).await;
    wait_until("the first alert opens an incident", async || {
        let kept = type_in(&names.real(&requests), &key).await;
        kept["items"][0]["alerts"][0]["outcome"] == "opened"
    })
    .await;

    for webhook in [&discord, &jira, &email] {
        let made = type_in(&names.real(webhook), &key).await;
        assert_eq!(made["enabled"], true, "{made}");
    }
    type_in(&names.real(&fire_again), &key).await;
    let shows = |platform: &Platform, word: &str| {
        let texts = platform.texts();
        texts
            .iter()
            .any(|text| text.contains("Another try") && text.to_lowercase().contains(word))
    };
    wait_until("all three are told", async || {
        [&chat, &tickets, &mail]
            .iter()
            .all(|platform| shows(platform, ""))
    })
    .await;
    type_in(&names.real(&end), &key).await;
    wait_until("all three follow", async || {
        shows(&chat, "resolved") && shows(&tickets, "done") && shows(&mail, "resolved")
    })
    .await;
}
