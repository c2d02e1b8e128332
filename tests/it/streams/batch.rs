//! Batches from edge to edge: events come in over HTTP, many leave in one request. What every platform takes is in
//! `crates/streams/`; what holds for every kind is in [`crate::chat`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::api_client::ApiClient;
use crate::support::platform::{Hold, Platform, Seen};
use crate::support::receiver::{OK, Receiver};
use crate::support::server_process::ServerProcess;
use crate::support::test_app::{PATIENCE, TestApp, text};
use crate::tickets::killed::wait_until_held;

const WAIT: Duration = Duration::from_secs(5);

struct Stream {
    app: TestApp,
    platform: Platform,
    _directory: TempDir,
}

impl Stream {
    /// A webhook with these options to a path of the platform.
    async fn start(path: &str, options: Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let app = TestApp::start(directory.path()).await;
        let platform = Platform::start("batch").await;
        app.create_service().await;
        let url = format!("{}{path}", platform.address);
        app.create_webhook(&url, json!({"kind": "batch", "options": options}))
            .await;
        Self {
            app,
            platform,
            _directory: directory,
        }
    }

    /// Lets time pass once what came before has arrived.
    async fn pass(&self, time: Duration) {
        self.app.quiesce().await;
        self.app.advance(time);
        self.app.quiesce().await;
    }

    /// What a key sees of a delivery that is restricted to the service.
    async fn restricted_view(&self, delivery: &Value) -> Value {
        let services = self.app.api.get("/api/v1/services").await.expect(200).json();
        let ids = [&services["items"][0]["id"]];
        let body = json!({"name": "display", "scopes": ["deliveries:read"], "services": ids});
        let key = self
            .app
            .api
            .post("/api/v1/api-keys", body)
            .await
            .expect(201)
            .json();
        let api = ApiClient::new(&self.app.base(), &text(&key["key"]));
        let path = format!("/api/v1/deliveries/{}", text(&delivery["id"]));
        let view = api.get(&path).await.expect(200).json();
        let exported = api.get("/api/v1/export/attempts").await.expect(200).text;
        assert!(!exported.contains("number "), "{exported}");
        view
    }

    /// The delivery about an incident, with its attempts.
    async fn delivery(&self, incident: &str) -> Value {
        let rows = self.app.deliveries(&format!("incident={incident}")).await;
        let path = format!("/api/v1/deliveries/{}", text(&rows[0]["id"]));
        self.app.api.get(&path).await.expect(200).json()
    }
}

fn events(seen: &Seen) -> Vec<Value> {
    seen.body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn titles(seen: &Seen) -> Vec<String> {
    events(seen)
        .iter()
        .map(|event| text(&event["incident"]["title"]))
        .collect()
}

#[tokio::test]
async fn what_comes_in_time_is_one_request_in_the_order_of_its_events() {
    let stream = Stream::start("/events", json!({})).await;
    let mut incidents = Vec::new();
    for number in 0..20 {
        incidents.push(stream.app.trigger(&format!("number {number}")).await);
    }
    stream.app.quiesce().await;
    assert_eq!(stream.platform.seen().len(), 0);
    stream.pass(WAIT).await;
    let seen = stream.platform.seen();
    let expected: Vec<_> = (0..20).map(|number| format!("number {number}")).collect();
    assert_eq!((seen.len(), titles(&seen[0])), (1, expected));
    assert_eq!(seen[0].headers["content-type"], "application/x-ndjson");
    let batch = seen[0].headers["x-opsknight-batch"].to_str().unwrap();
    assert_eq!(seen[0].headers["idempotency-key"], batch);
    assert_eq!(seen[0].headers["webhook-id"], batch);
    let delivery = stream.delivery(&incidents[7]).await;
    let attempt = &delivery["attempts"][0];
    let note = format!("sent together with 19 others as batch {batch}");
    assert_eq!(
        (&delivery["status"], &attempt["isJoint"], &attempt["note"]),
        (&json!("delivered"), &json!(true), &json!(note))
    );
    assert!(text(&attempt["request"]["body"]).contains("number 8"));
    let restricted = stream.restricted_view(&delivery).await;
    let attempt = &restricted["attempts"][0];
    assert_eq!(attempt["note"], "sent together with others");
    assert_eq!(
        (&attempt["request"]["body"], &attempt["response"]["body"]),
        (&json!(""), &json!(""))
    );
    assert!(text(&restricted["body"]).contains("number 7"));
}

#[tokio::test]
async fn an_incidents_events_are_in_batches_one_after_the_other() {
    let stream = Stream::start("/events", json!({})).await;
    let incident = stream.app.trigger("one of several").await;
    stream.app.act(&incident, "acknowledge").await;
    stream.app.act(&incident, "resolve").await;
    for _ in 0..3 {
        stream.pass(WAIT).await;
    }
    let seen = stream.platform.seen();
    let names: Vec<_> = seen
        .iter()
        .flat_map(events)
        .map(|event| text(&event["event"]))
        .collect();
    assert_eq!(
        names,
        ["incident.triggered", "incident.acknowledged", "incident.resolved"]
    );
}

#[tokio::test]
async fn so_many_events_do_not_wait() {
    let stream = Stream::start("/events", json!({"maxEvents": "5", "maxSeconds": "300"})).await;
    for number in 0..12 {
        stream.app.trigger(&format!("number {number}")).await;
    }
    stream.app.quiesce().await;
    let sizes: Vec<_> = stream
        .platform
        .seen()
        .iter()
        .map(|seen| events(seen).len())
        .collect();
    assert_eq!(sizes, [5, 5]);
}

#[tokio::test]
async fn a_failed_batch_is_the_same_batch_again() {
    let stream = Stream::start("/events", json!({})).await;
    for number in 0..4 {
        stream.app.trigger(&format!("number {number}")).await;
    }
    stream.platform.fail_next("lost");
    stream.pass(WAIT).await;
    stream.app.trigger("a newer one").await;
    for _ in 0..2 {
        stream.pass(Duration::from_secs(70)).await;
    }
    let seen = stream.platform.seen();
    let again: Vec<_> = seen.iter().filter(|seen| titles(seen).len() == 4).collect();
    assert_eq!((seen.len(), again.len()), (3, 2));
    assert_eq!(
        again[0].headers["idempotency-key"],
        again[1].headers["idempotency-key"]
    );
    assert_eq!(again[0].body, again[1].body);
}

#[tokio::test]
async fn a_bulk_answer_of_200_is_read_for_each_event() {
    let options = json!({"format": "elasticsearch", "token": "good", "index": "ops"});
    let stream = Stream::start("/", options).await;
    let good = stream.app.trigger("good").await;
    let bad = stream.app.trigger("poison").await;
    let later = stream.app.trigger("rejected once").await;
    stream.pass(WAIT).await;
    let [good, bad, later_now] = [
        stream.delivery(&good).await,
        stream.delivery(&bad).await,
        stream.delivery(&later).await,
    ];
    let states = [&good, &bad, &later_now].map(|delivery| text(&delivery["status"]));
    assert_eq!(states, ["delivered", "dead", "scheduled"]);
    assert_eq!(bad["attempts"][0]["failure"]["code"], "message_refused");
    assert_eq!(later_now["attempts"][0]["failure"]["code"], "rate_limited");
    stream.pass(Duration::from_secs(70)).await;
    assert_eq!(stream.delivery(&later).await["status"], "delivered");
    let targets: Vec<_> = stream
        .platform
        .seen()
        .iter()
        .map(|seen| seen.target.clone())
        .collect();
    assert!(
        targets
            .iter()
            .all(|target| target.starts_with("/_bulk?filter_path=errors")),
        "{targets:?}"
    );
}

#[tokio::test]
async fn one_bad_event_is_tried_alone_to_its_end_and_the_others_arrive() {
    let stream = Stream::start("/events", json!({"maxEvents": "1000"})).await;
    let mut incidents = Vec::new();
    for number in 0..100 {
        let title = if number == 42 {
            "poison".to_owned()
        } else {
            format!("number {number}.")
        };
        incidents.push(stream.app.trigger(&title).await);
    }
    stream.pass(WAIT).await;
    stream.pass(WAIT).await;
    let texts = stream.platform.texts();
    let count = |title: &str| texts.iter().filter(|text| text.contains(title)).count();
    for (number, incident) in incidents.iter().enumerate() {
        let status = stream.delivery(incident).await["status"].clone();
        let expected = if number == 42 { "scheduled" } else { "delivered" };
        assert_eq!(status, expected, "{number}");
        assert_eq!(count(&format!("number {number}.")), usize::from(number != 42));
    }
    for _ in 0..4 {
        stream.pass(Duration::from_secs(1000)).await;
    }
    assert_eq!(stream.delivery(&incidents[42]).await["status"], "dead");
}

#[tokio::test]
async fn too_large_a_batch_goes_in_parts() {
    let stream = Stream::start("/events", json!({"maxEvents": "1000", "maxKilobytes": "4096"})).await;
    for number in 0..150 {
        stream.app.trigger(&format!("{number} {}", "x".repeat(450))).await;
    }
    stream.pass(WAIT).await;
    stream.pass(WAIT).await;
    assert_eq!(stream.platform.messages().len(), 150);
    let sizes: Vec<_> = stream
        .platform
        .seen()
        .iter()
        .map(|seen| events(seen).len())
        .collect();
    assert_eq!(sizes[0], 150);
    assert!(sizes[1..].iter().all(|size| *size <= 18), "{sizes:?}");
}

#[tokio::test]
async fn two_webhooks_that_collect_and_a_plain_one_share_a_node() {
    let stream = Stream::start("/events", json!({"maxEvents": "1000"})).await;
    let other = Platform::start("batch").await;
    let options = json!({"format": "json", "compression": "gzip", "maxEvents": "1000"});
    stream
        .app
        .create_webhook(&other.url, json!({"kind": "batch", "options": options}))
        .await;
    let mut plain = Receiver::start(&[OK]).await;
    let url = format!("http://{}/", plain.address);
    stream.app.create_webhook(&url, json!({})).await;
    for number in 0..150 {
        stream.app.trigger(&format!("number {number}.")).await;
    }
    // The plain one does not wait for the others, though they hold all that they have.
    for _ in 0..150 {
        let request = tokio::time::timeout(PATIENCE, plain.next_request()).await;
        assert!(request.is_ok());
    }
    assert_eq!((stream.platform.seen().len(), other.seen().len()), (0, 0));
    stream.pass(WAIT).await;
    for platform in [&stream.platform, &other] {
        assert_eq!((platform.seen().len(), platform.messages().len()), (1, 150));
    }
}

/// The incident of each event that a platform took, with how often it was sent.
fn counted(platform: &Platform) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for title in platform.seen().iter().flat_map(titles) {
        *counts.entry(title).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_sends_its_batch_again_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let platform = Platform::start("batch").await;
    let server = ServerProcess::start(directory.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    let service = json!({"name": "API Gateway"});
    api.post("/api/v1/services", service).await.expect(201);
    let webhook = json!({"name": "pipeline", "kind": "batch", "url": platform.url,
        "options": {"maxSeconds": "1"}, "events": ["incident.triggered", "incident.resolved"]});
    api.post("/api/v1/webhooks", webhook).await.expect(201);
    platform.hold(1, Hold::After);
    let mut incidents = Vec::new();
    for number in 0..40 {
        let draft = json!({"title": format!("number {number}"), "service": {"name": "API Gateway"}});
        incidents.push(text(
            &api.post("/api/v1/incidents", draft).await.expect(201).json()["id"],
        ));
    }
    wait_until_held(&platform).await;
    server.kill().await;
    platform.let_go();
    let server = ServerProcess::start(directory.path()).await;
    let api = ApiClient::new(&server.url, &server.key);
    for incident in &incidents {
        let path = format!("/api/v1/incidents/{incident}/resolve");
        api.post(&path, json!({})).await.expect(200);
    }
    let settled = async {
        let path = "/api/v1/deliveries?status=delivered&limit=200";
        while api.get(path).await.expect(200).json()["items"]
            .as_array()
            .unwrap()
            .len()
            < 80
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), settled)
        .await
        .unwrap();
    let counts = counted(&platform);
    assert_eq!(counts.len(), 40);
    // Twice if it was in the batch that nobody heard of, and once for its end.
    assert!(counts.values().all(|count| (2..=3).contains(count)), "{counts:?}");
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    for event in platform.seen().iter().flat_map(events) {
        let name = text(&event["event"]);
        let before = last.insert(text(&event["incident"]["id"]), name.clone());
        assert!(!(name == "incident.triggered" && before.as_deref() == Some("incident.resolved")));
    }
}
