//! Templates that never end, or that take all memory there is: they harm nobody but the webhook that has them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::api_client::ApiClient;
use crate::support::receiver::{OK, Receiver};
use crate::support::server_process::ServerProcess;

/// Two lists that look endless, of 41 parts.
const LISTS: &str = "{% set a=[1] %}{% set b=[1] %}";
const DOUBLED: &str = "{% set a=[a,a] %}{% set b=[b,b] %}";
/// What is done with them. Each was once endless. One of each sort comes first: text, comparison, order, replacement, memory,
/// and a filter that calls another.
const BOMBS: [&str; 22] = [
    "{{ a | string | length }}",
    "{{ a == b }}",
    "{{ [a, b] | sort | length }}",
    "{{ a | replace('1', '2') | length }}",
    "{% set c=[1] %}DOUBLED{{ c | string | length }}",
    "{{ [b] | select('==', a) | list | length }}",
    "{{ a | join | length }}",
    "{{ (a ~ 'x') | length }}",
    "{{ a < b }}",
    "{{ a in [b] }}",
    "{{ [a, b] | min | length }}",
    "{{ a | pprint | length }}",
    "{{ a | upper | length }}",
    "{{ a | lower | length }}",
    "{{ a | title | length }}",
    "{{ a | capitalize | length }}",
    "{{ a | trim | length }}",
    "{{ a | string | reverse | length }}",
    "{{ '%s' | format(a) | length }}",
    "{{ [a, b] | max | length }}",
    "{{ {'a': a} | string | length }}",
    "{{ (a | string) + 'x' }}",
];
/// How many of them go off unless the long tests were asked for: each takes seconds of processor.
const ONE_OF_EACH_SORT: usize = 6;
/// How long all of them may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long an answer of the server may take meanwhile.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// What server and workers may have of memory meanwhile, in KiB: a debug build's own 100 MiB included.
const MAX_SERVER_KIB: u64 = 300 * 1024;
const MAX_WORKER_KIB: u64 = 300 * 1024;

fn template(bomb: &str) -> String {
    let bomb = bomb.replace("DOUBLED", &"{% set c=c+c %}".repeat(40));
    let lists = format!("{LISTS}{}", DOUBLED.repeat(40));
    format!("{{% if incident.title == 'boom' %}}{lists}{bomb}{{% endif %}}x")
}

async fn create(api: &ApiClient, name: &str, url: &str, template: Option<String>) -> String {
    let mut webhook = json!({"name": name, "url": url, "events": ["incident.triggered"]});
    if let Some(template) = template {
        webhook["kind"] = json!("custom");
        webhook["options"] = json!({"template": template, "contentType": "text/plain"});
    }
    let made = api.post("/api/v1/webhooks", webhook).await.expect(201).json();
    made["id"].as_str().unwrap().to_owned()
}

async fn trigger(api: &ApiClient, title: &str) {
    api.post("/api/v1/services", json!({"name": "API Gateway"})).await;
    let incident = json!({"title": title, "severity": "critical", "service": {"name": "API Gateway"}});
    api.post("/api/v1/incidents", incident).await.expect(201);
}

/// The only delivery of a webhook, once it is over.
async fn ended(api: &ApiClient, webhook: &str, deadline: Instant) -> Value {
    loop {
        let path = format!("/api/v1/deliveries?webhook={webhook}");
        let page = tokio::time::timeout(ANSWER_PATIENCE, api.get(&path)).await;
        let page = page.expect("the server answers").expect(200).json();
        let delivery = page["items"][0].clone();
        if ["dead", "delivered"].contains(&delivery["status"].as_str().unwrap_or_default()) {
            return delivery;
        }
        assert!(Instant::now() < deadline, "{delivery}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A number of `/proc/…/status`, such as the memory of a process in KiB.
fn status(pid: u32, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim_start_matches(':')
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// The workers of a server.
fn workers(server: u32) -> BTreeSet<u32> {
    let folders = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok());
    let is_worker = |pid: &u32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_it = command.windows(13).any(|part| part == b"render-worker");
        is_it && status(*pid, "PPid") == Some(u64::from(server))
    };
    pids.filter(is_worker).collect()
}

/// Whether a process has ended, be it only that nobody asked how.
fn is_over(pid: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    text.is_empty() || text.contains("State:\tZ")
}

#[tokio::test]
async fn bombs_end_their_deliveries_and_webhooks_and_harm_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[OK]).await;
    let url = format!("http://{}/hooks", receiver.address);
    let server = ServerProcess::start(directory.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    let plain = create(&api, "plain", &url, None).await;
    assert_eq!(workers(server.pid()).len(), 0, "nobody needs a worker yet");
    let mut webhooks = Vec::new();
    let count = match std::env::var_os("CHECK_LONG") {
        Some(_) => BOMBS.len(),
        None => ONE_OF_EACH_SORT,
    };
    for (index, bomb) in BOMBS.iter().take(count).enumerate() {
        let webhook = create(&api, &format!("bomb {index}"), &url, Some(template(bomb))).await;
        webhooks.push((webhook, *bomb));
    }
    let other = create(&api, "other", &url, Some("{{ incident.title }}".into())).await;
    trigger(&api, "boom").await;
    let deadline = Instant::now() + PATIENCE;
    assert_eq!(ended(&api, &plain, deadline).await["status"], "delivered");
    assert!(workers(server.pid()).len() <= 2);
    assert_eq!(ended(&api, &other, deadline).await["status"], "delivered");
    for (webhook, bomb) in &webhooks {
        let delivery = ended(&api, webhook, deadline).await;
        let workers = workers(server.pid());
        let memory = workers.iter().filter_map(|pid| status(*pid, "VmRSS"));
        assert!(memory.max().unwrap_or_default() < MAX_WORKER_KIB, "{bomb}");
        assert!(status(server.pid(), "VmRSS").unwrap() < MAX_SERVER_KIB, "{bomb}");
        assert_eq!(delivery["status"], "dead", "{bomb}");
        assert_eq!(
            delivery["lastFailure"]["code"], "template_failed",
            "{bomb}: {delivery}"
        );
        let path = format!("/api/v1/webhooks/{webhook}");
        let seen = api.get(&path).await.expect(200).json();
        assert_eq!(seen["enabled"], false, "{bomb}: {seen}");
        assert!(
            seen["statusReason"].to_string().contains("it takes"),
            "{bomb}: {seen}"
        );
    }
    trigger(&api, "not boom").await;
    let path = format!("/api/v1/deliveries?webhook={other}&status=delivered");
    while api.get(&path).await.expect(200).json()["items"]
        .as_array()
        .unwrap()
        .len()
        < 2
    {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let left = workers(server.pid());
    assert!(server.terminate().await);
    wait_until(|| left.iter().all(|pid| is_over(*pid))).await;
}

#[tokio::test]
async fn a_bomb_that_a_killed_server_left_is_met_again_without_harm() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[OK]).await;
    let url = format!("http://{}/hooks", receiver.address);
    let (webhook, left) = start_and_kill(directory.path(), &url).await;
    // Nobody reads what the worker of a killed server makes, and nobody ends it but the system.
    wait_until(|| left.iter().all(|pid| is_over(*pid))).await;
    let server = ServerProcess::start(directory.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    let delivery = ended(&api, &webhook, Instant::now() + PATIENCE).await;
    assert_eq!(delivery["lastFailure"]["code"], "template_failed");
    assert!(server.terminate().await);
}

/// Kills a server while it renders a bomb; the webhook, and the workers that were left behind.
async fn start_and_kill(directory: &Path, url: &str) -> (String, BTreeSet<u32>) {
    let server = ServerProcess::start(directory).await;
    let api = ApiClient::new(&server.url, &server.key);
    let webhook = create(&api, "bomb", url, Some(template(BOMBS[3]))).await;
    trigger(&api, "boom").await;
    let pid = server.pid();
    wait_until(|| !workers(pid).is_empty()).await;
    let left = workers(pid);
    server.kill().await;
    (webhook, left)
}

#[tokio::test]
async fn a_bomb_that_always_goes_off_is_refused_when_it_is_saved_and_said_in_the_preview() {
    let directory = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(directory.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    let template = template(BOMBS[0]).replace("incident.title == 'boom'", "true");
    let webhook = json!({
        "name": "bomb",
        "kind": "custom",
        "url": "http://127.0.0.1:9009/hooks",
        "events": ["incident.triggered"],
        "options": {"template": template},
    });
    let answer = api.post("/api/v1/webhooks", webhook).await.expect(422).json();
    let detail = answer["errors"][0]["detail"].as_str().unwrap();
    assert_eq!(answer["errors"][0]["field"], "options.template");
    assert!(
        detail.starts_with("the body cannot be made because it takes"),
        "{detail}"
    );
    assert!(server.terminate().await);
}

async fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
