//! Deliveries: looking, replaying, recovering.

use bytes::Bytes;
use clock::Env;
use model::attempt::{Attempt, Failure, Outcome};
use model::delivery::NextStep;
use model::exchange::{FailureCode, PhaseTimings};
use model::id::{AttemptId, WebhookId};
use model::time::Timestamp;
use serde_json::{Value, json};
use store::queue::{AttemptRecord, ClaimRequest};

use super::server::Server;

/// A delivered attempt.
pub fn attempt(at: Timestamp) -> Attempt {
    Attempt {
        id: AttemptId::new(at, [9; 10]),
        number: 1,
        started_at: at,
        timings: PhaseTimings {
            dns_us: None,
            connect_us: Some(1500),
            tls_us: None,
            first_byte_us: Some(2500),
            total_us: 4000,
        },
        remote_address: Some("192.0.2.1:443".parse().unwrap()),
        outcome: Outcome::Delivered,
        status: Some(200),
        request_head: "POST /hook HTTP/1.1\nContent-Type: application/json\nX-Token: ***".into(),
        request_body: None,
        response_head: "Server: test".into(),
        response_body: Bytes::from_static(b"ok"),
        response_body_is_truncated: false,
        note: None,
    }
}

/// Lets every due delivery of a webhook die.
async fn kill_deliveries(server: &Server, webhook_id: &str) {
    let webhook_id: WebhookId = webhook_id.parse().unwrap();
    let now = Env::system().now();
    let queue = &server.store.queue;
    queue.heartbeat(now).await.unwrap();
    let claimed = queue
        .claim_due(
            vec![ClaimRequest {
                webhook_id,
                limit: 100,
            }],
            now,
        )
        .await
        .unwrap();
    let records = claimed
        .into_iter()
        .flat_map(|claimed| claimed.deliveries)
        .map(|delivery| AttemptRecord {
            delivery_id: delivery.id,
            webhook_id,
            incident_id: delivery.event.incident_id,
            delivery_created_at: delivery.created_at,
            is_test: delivery.event.is_test,
            is_operational: false,
            event_sequence: delivery.event.sequence,
            claim: delivery.claim,
            attempt: Attempt {
                outcome: Outcome::Failed(Failure {
                    code: FailureCode::ServerError,
                    detail: "answered 500".into(),
                    retry_after: None,
                    disposition: model::attempt::Disposition::Backoff,
                }),
                status: Some(500),
                response_body: Bytes::from_static(&[0xff, 0xfe]),
                ..attempt(now)
            },
            next_step: NextStep::Dead,
            spent: Default::default(),
            state_updates: Default::default(),
            ticket_content: None,
            settings_of: Default::default(),
            disable_webhook: None,
        });
    queue.record(records.collect(), now).await.unwrap();
}

/// A server with a webhook and one dead delivery: the ids of both.
async fn with_dead_delivery() -> (Server, String, String) {
    let server = Server::start().await;
    server.service("API").await;
    let webhook = server.webhook().await["id"].as_str().unwrap().to_owned();
    server.incident("Down").await;
    kill_deliveries(&server, &webhook).await;
    let list = server
        .get(&format!("/api/v1/deliveries?webhook={webhook}&status=dead"))
        .await
        .json();
    let delivery = list["items"][0]["id"].as_str().unwrap().to_owned();
    (server, webhook, delivery)
}

#[tokio::test]
async fn an_incident_has_a_delivery_for_each_webhook_that_wants_it() {
    let server = Server::start().await;
    server.service("API").await;
    let webhook = server.webhook().await;
    let incident = server.incident("Down").await;
    let list = server
        .get(&format!("/api/v1/deliveries?incident={incident}"))
        .await
        .json();
    let delivery = &list["items"][0];
    assert_eq!(
        delivery["webhook"],
        json!({ "id": webhook["id"], "name": webhook["name"] })
    );
    assert_eq!(delivery["event"], "incident.triggered");
    assert_eq!(
        (&delivery["status"], &delivery["attemptsMade"]),
        (&json!("scheduled"), &json!(0))
    );
    assert_eq!(delivery["nextAttemptAt"], delivery["dueAt"]);
}

#[tokio::test]
async fn a_delivery_shows_every_attempt_and_the_bytes_that_were_sent() {
    let (server, _, delivery) = with_dead_delivery().await;
    let detail = server.get(&format!("/api/v1/deliveries/{delivery}")).await.json();
    let attempt = &detail["attempts"][0];
    assert_eq!(detail["lastFailure"]["code"], "server_error");
    assert_eq!(detail["payload"]["incident"]["title"], "Down");
    let body: Value = serde_json::from_str(detail["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, detail["payload"]);
    assert_eq!(attempt["failure"]["detail"], "answered 500");
    assert_eq!(attempt["request"]["line"], "POST /hook HTTP/1.1");
    assert_eq!(
        attempt["request"]["headers"][1],
        json!({ "name": "X-Token", "value": "***" })
    );
    assert_eq!(attempt["timings"]["connectMs"], 1.5);
    assert_eq!(attempt["response"]["body"], "//4=");
    assert_eq!(attempt["response"]["bodyIsBase64"], true);
}

#[tokio::test]
async fn a_list_of_webhooks_counts_what_is_dead_when_it_is_asked_to() {
    let (server, webhook, _) = with_dead_delivery().await;
    let list = async |query: &str| server.get(&format!("/api/v1/webhooks{query}")).await;
    let counted = list("?counts=true").await.json()["items"][0].clone();
    assert_eq!(counted["id"], webhook.as_str());
    let counts =
        ["scheduled", "queued", "claimed", "held", "dead"].map(|state| counted["deliveries"][state].as_u64());
    assert_eq!(counts, [0, 0, 0, 0, 1].map(Some));
    assert!(list("").await.json()["items"][0].get("deliveries").is_none());
    let refused = list("?counts=perhaps").await;
    assert_eq!(refused.problem(), (422, "invalid_query".into()));
    assert_eq!(refused.json()["errors"][0]["detail"], "counts takes true, false");
}

#[tokio::test]
async fn a_word_that_a_filter_does_not_take_is_told_the_others() {
    let server = Server::start().await;
    let refused = server.get("/api/v1/deliveries?status=failed").await;
    let detail = refused.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.starts_with("status takes ") && detail.contains("dead"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_dead_delivery_is_replayed_once_and_is_open_then() {
    let (server, _, delivery) = with_dead_delivery().await;
    let path = format!("/api/v1/deliveries/{delivery}/replay");
    let replayed = server.post(&path, json!({})).await;
    assert_eq!(
        (replayed.status.as_u16(), replayed.json()["status"].clone()),
        (200, "scheduled".into())
    );
    assert_eq!(
        server.post(&path, json!({})).await.problem(),
        (409, "still_open".into())
    );
}

#[tokio::test]
async fn a_selection_says_what_became_of_each() {
    let (server, _, delivery) = with_dead_delivery().await;
    let missing = "dlv_00000000000070008000000000000000";
    let replay = async || {
        server
            .post("/api/v1/deliveries/replay", json!({ "ids": [delivery, missing] }))
            .await
            .json()
    };
    assert_eq!(
        replay().await,
        json!({ "replayed": [delivery], "stillOpen": [], "notFound": [missing] })
    );
    assert_eq!(
        replay().await,
        json!({ "replayed": [], "stillOpen": [delivery], "notFound": [missing] })
    );
    let none = server
        .post("/api/v1/deliveries/replay", json!({ "ids": [] }))
        .await;
    assert_eq!(none.problem(), (422, "invalid_fields".into()));
}

#[tokio::test]
async fn recovering_counts_first_and_then_replays_all_that_died_in_the_period() {
    let (server, webhook, _) = with_dead_delivery().await;
    let path = format!("/api/v1/webhooks/{webhook}/recover");
    let dry = server
        .post(&path, json!({ "since": "2020-01-01T00:00:00Z", "dryRun": true }))
        .await
        .json();
    assert_eq!((&dry["count"], &dry["dryRun"]), (&json!(1), &json!(true)));
    let real = server
        .post(&path, json!({ "since": "2020-01-01T00:00:00Z" }))
        .await
        .json();
    assert_eq!((&real["count"], &real["isDone"]), (&json!(1), &json!(true)));
    let again = server
        .post(&path, json!({ "since": "2020-01-01T00:00:00Z" }))
        .await
        .json();
    assert_eq!(again["count"], 0);
    let backwards = json!({ "since": "2024-01-02T00:00:00Z", "until": "2024-01-01T00:00:00Z" });
    assert_eq!(
        server.post(&path, backwards).await.problem(),
        (422, "invalid_fields".into())
    );
}

#[tokio::test]
async fn statistics_count_what_died() {
    let (server, webhook, _) = with_dead_delivery().await;
    let path = format!("/api/v1/webhooks/{webhook}/stats?since=2020-01-01T00:00:00Z");
    let stats = server.get(&path).await.json();
    assert_eq!((&stats["dead"], &stats["attemptsFailed"]), (&json!(1), &json!(1)));
    assert_eq!(stats["failures"], json!([{ "code": "server_error", "count": 1 }]));
    assert_eq!(stats["p50Ms"], 4.0);
}
