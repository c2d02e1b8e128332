//! Attempts in partitions by the day of their deliveries: made ahead, dropped whole, and nothing lost that must stay.

use std::sync::Arc;
use std::time::Duration;

use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use store::deliveries::Deliveries;
use store::upkeep::{Retention, Upkeep};
use store_conformance::engine::World;
use store_conformance::{Backend, Opening};
use store_postgres::Database;

use super::backend::{PostgresBackend, open_database};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What every delivery of these tests has behind its time.
const PLANTED: [u8; 10] = [7; 10];

/// A store in which partitions are needed: some days after those that the migration leaves.
struct Days {
    world: World,
    backend: Arc<PostgresBackend>,
    store: Database,
    now: Timestamp,
}

impl Days {
    async fn new() -> Self {
        let backend = Arc::new(PostgresBackend::new());
        let world = World::new(Arc::clone(&backend) as Arc<dyn Backend>).await;
        let first = world
            .backend
            .number("SELECT max(until_at) FROM attempt_partitions", &[])
            .await;
        Self {
            store: open_database(&backend.url(), &Opening::default()).await.unwrap(),
            now: Timestamp::from_millis(first).plus(HOUR),
            world,
            backend,
        }
    }

    async fn prune(&self, now: Timestamp) {
        prune(&self.store, now).await;
    }

    async fn plant(&self, webhook_id: WebhookId, state: &str, made_at: Timestamp) -> DeliveryId {
        let id = DeliveryId::new(made_at, PLANTED);
        let (key, at) = (id.as_bytes(), made_at.as_millis());
        let sql = "INSERT INTO events (id, incident_id, name, at, actor, body)
                   VALUES (?1, ?1, 'incident.triggered', ?2, 'system', ''::bytea)";
        self.backend.execute(sql, &[key.into(), at.into()]).await;
        let sql = "INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, attempts_made,
                       created_at, finished_at, last_failure)
                   SELECT ?1, ?2, ?1, max(sequence), ?3, ?4, 1, ?4, ?4, ?5 FROM events";
        let failure = (state == "dead").then_some("server_error");
        let values = [
            key.into(),
            webhook_id.as_bytes().into(),
            state.into(),
            at.into(),
            failure.into(),
        ];
        self.backend.execute(sql, &values).await;
        let sql = "INSERT INTO attempts (delivery_id, id, number, started_at, outcome, failure, total_us, request_head,
                       response_head, response_body, response_body_truncated)
                   VALUES (?1, ?1, 1, ?2, 'failed', 'server_error', 1, '', '', ''::bytea, FALSE)";
        self.backend.execute(sql, &[key.into(), at.into()]).await;
        id
    }

    /// How many attempts of these tests lie in a table.
    async fn attempts_in(&self, table: &str) -> i64 {
        let sql = format!(
            "SELECT count(*) FROM {table} WHERE substring(delivery_id FROM 11) = decode(repeat('07', 6), 'hex')"
        );
        self.number(&sql).await
    }

    async fn number(&self, sql: &str) -> i64 {
        self.world.backend.number(sql, &[]).await
    }
}

/// Prunes until nothing more is found.
async fn prune(store: &Database, now: Timestamp) {
    let retention = Retention {
        delivered_before: now.minus(2 * DAY),
        dead_before: now.minus(20 * DAY),
        receipts_before: now,
        activity_before: now,
        message_refs_before: now,
        inbox_requests_before: now,
        alerts_before: now,
        expired_by: now,
    };
    while store.prune(retention).await.unwrap() > 0 {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_are_made_ahead_and_dropped_whole_but_for_what_must_stay() {
    let days = Days::new().await;
    let webhook_id = days.world.ordered;
    days.prune(days.now).await;
    let made = days
        .number("SELECT count(*) FROM attempt_partitions WHERE from_at > 0")
        .await;
    assert!(made >= 3, "{made} days");
    let delivered = days.plant(webhook_id, "delivered", days.now).await;
    let dead = days.plant(webhook_id, "dead", days.now.plus(HOUR)).await;
    assert_eq!(days.attempts_in("attempts_elsewhere").await, 0);
    assert_eq!(days.attempts_in("attempts_before").await, 0);
    let expired_at = days.now.plus(4 * DAY);
    days.prune(expired_at).await;
    assert!(days.store.get(delivered).await.is_err());
    let kept = days.store.get(dead).await.unwrap();
    assert_eq!(kept.attempts.len(), 1);
    assert_eq!(days.attempts_in("attempts").await, 1);
    assert_eq!(days.attempts_in("attempts_elsewhere").await, 1);
    let first = days.number("SELECT min(from_at) FROM attempt_partitions").await;
    assert!(first > days.now.as_millis(), "the day of the deliveries is gone");
    days.prune(days.now.plus(22 * DAY)).await;
    assert!(days.store.get(dead).await.is_err());
    assert_eq!(days.attempts_in("attempts").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_find_a_place_without_a_partition_and_the_check_says_that_there_is_none() {
    let days = Days::new().await;
    let late = days.now.plus(10 * DAY);
    let id = days.plant(days.world.ordered, "dead", late).await;
    assert_eq!(days.store.get(id).await.unwrap().attempts.len(), 1);
    let codes = |findings: Vec<store::upkeep::Finding>| {
        let codes = findings.into_iter().map(|finding| finding.code);
        codes.filter(|code| *code == "partitions_missing").count()
    };
    assert_eq!(codes(days.store.examine(late).await.unwrap()), 1);
    days.prune(late).await;
    // The day on which something lies elsewhere gets none, the next ones do.
    assert_eq!(codes(days.store.examine(late).await.unwrap()), 0);
    assert_eq!(days.store.get(id).await.unwrap().attempts.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_prune_at_the_same_time_make_each_day_once() {
    let days = Days::new().await;
    let url = days.backend.url();
    let other = open_database(
        &url,
        &Opening {
            node: 2,
            ..Opening::default()
        },
    )
    .await
    .unwrap();
    tokio::join!(prune(&days.store, days.now), prune(&other, days.now));
    // A lock may not have been free.
    days.prune(days.now).await;
    let sql = "SELECT count(*) - count(DISTINCT from_at) FROM attempt_partitions";
    assert_eq!(days.number(sql).await, 0);
    let sql = "SELECT (SELECT count(*) FROM pg_inherits WHERE inhparent = 'attempts'::regclass) - count(*)
               FROM attempt_partitions";
    assert_eq!(days.number(sql).await, 1, "the partition for everything else");
}
