//! What a claim costs does not grow with history: it reads the index of open deliveries and nothing else.
//!
//! `CHECK_LONG=1 cargo test -p opsknight-store-postgres --test it plans -- --nocapture` measures claims with ten thousand and
//! ten million finished deliveries; without it the plans are looked at.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::delivery::DeliveryState;
use model::event::EventType;
use model::time::Timestamp;
use store::deliveries::{COUNTED_AT_MOST, DeliveryFilter};
use store::page::WALKED_ROWS;
use store::queue::ClaimRequest;
use store::{Page, Store};
use store_conformance::engine::World;
use store_conformance::{Backend, Opening};
use tokio_postgres::Client;

use super::backend::{PostgresBackend, open_database};

/// How many are claimed at once.
const CLAIMED: u32 = 100;
/// How often.
const CLAIMS: u32 = 50;

struct History {
    client: Client,
    world: World,
    store: Store,
}

impl History {
    async fn new() -> Self {
        let backend = Arc::new(PostgresBackend::new());
        let world = World::new(Arc::clone(&backend) as Arc<dyn Backend>).await;
        Self {
            client: backend.connection().await,
            store: open_database(&backend.url(), &Opening::default())
                .await
                .unwrap()
                .into(),
            world,
        }
    }

    /// Adds deliveries of one event in some state, made a second apart before now.
    async fn add(&self, state: &str, count: u32) {
        let finished = if state == "delivered" { "s.at" } else { "NULL" };
        let webhook_id: String = self
            .world
            .ordered
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let sql = format!(
            "INSERT INTO events (id, incident_id, name, at, actor, body)
                 SELECT uuid_send(gen_random_uuid()), uuid_send(gen_random_uuid()), 'incident.triggered', 1, 'system', '';
             INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, created_at, finished_at)
                 SELECT substring(decode(lpad(to_hex(s.at), 12, '0'), 'hex') || uuid_send(gen_random_uuid()) FROM 1 FOR 16),
                     '\\x{webhook_id}', uuid_send(gen_random_uuid()), e.sequence, '{state}', s.at, s.at, {finished}
                 FROM (SELECT max(sequence) AS sequence FROM events) e,
                     (SELECT 1705000000000 - 1000 * g AS at FROM generate_series(1::bigint, {count}) g) s"
        );
        self.client.batch_execute(&sql).await.unwrap();
    }

    async fn analyze(&self) {
        for sql in ["VACUUM (ANALYZE) deliveries", "CHECKPOINT"] {
            self.client.batch_execute(sql).await.unwrap();
        }
    }

    /// Claims that took so long in all, with the deliveries claimed.
    async fn claim(&self, times: u32) -> (Duration, usize) {
        let request = ClaimRequest {
            webhook_id: self.world.ordered,
            limit: CLAIMED,
        };
        let (began_at, mut count) = (Instant::now(), 0);
        for _ in 0..times {
            let now = Timestamp::from_millis(1_705_000_000_000);
            let claimed = self.store.queue.claim_due(vec![request], now).await.unwrap();
            count += claimed[0].deliveries.len();
        }
        (began_at.elapsed(), count)
    }
}

/// A plan, as PostgreSQL makes it for any values.
async fn plan(client: &Client, parameters: &str, values: &str, sql: &str) -> String {
    let sql = format!(
        "SET plan_cache_mode = force_generic_plan; DEALLOCATE ALL;
         PREPARE looked_at ({parameters}) AS {sql}; EXPLAIN EXECUTE looked_at ({values})"
    );
    let messages = client.simple_query(&sql).await.unwrap();
    let lines = messages.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_all_the_time_reads_indexes_however_long_the_history_is() {
    let history = History::new().await;
    history.add("delivered", 20_000).await;
    history.add("scheduled", 500).await;
    history.analyze().await;
    let due = "SELECT d.id FROM deliveries d
               WHERE d.webhook_id = $1 AND d.state = 'scheduled' AND d.finished_at IS NULL AND d.due_at <= $2
               ORDER BY d.due_at, d.id LIMIT $3 FOR UPDATE SKIP LOCKED";
    let plan_of_due = plan(&history.client, "bytea, bigint, bigint", "'\\x00', 1, 1", due).await;
    assert!(plan_of_due.contains("deliveries_open"), "{plan_of_due}");
    assert!(!plan_of_due.contains("Sort"), "{plan_of_due}");
    let next = "SELECT d.id FROM deliveries d
                WHERE d.incident_id = $1 AND d.webhook_id = $2 AND d.state = 'queued'
                ORDER BY d.event_sequence LIMIT 1 FOR NO KEY UPDATE";
    let locked =
        "SELECT id, node, claim FROM deliveries WHERE id = ANY($1::bytea[]) ORDER BY id FOR NO KEY UPDATE";
    let attempts = "SELECT id FROM attempts WHERE delivery_id = $1 ORDER BY number DESC LIMIT 5";
    for (parameters, values, sql) in [
        ("bytea, bigint, bigint", "'\\x00', 1, 1", due),
        ("bytea, bytea", "'\\x00', '\\x00'", next),
        ("bytea[]", "ARRAY['\\x00'::bytea]", locked),
        ("bytea", "'\\x00'", attempts),
    ] {
        let plan = plan(&history.client, parameters, values, sql).await;
        assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
    }
    let (_, count) = history.claim(CLAIMS).await;
    assert_eq!(count, 500);
}

/// The rows of a list's pages, until the last page or so many.
async fn pages(store: &Store, filter: &DeliveryFilter, at_most: usize) -> (Vec<usize>, bool) {
    let (mut lengths, mut before) = (Vec::new(), None);
    for _ in 0..at_most {
        let page = Page { limit: 50, before };
        let listed = store.deliveries.list(filter.clone(), page).await.unwrap();
        assert!(listed.rows.is_sorted_by(|one, next| one.id > next.id));
        assert!(
            listed
                .rows
                .iter()
                .all(|row| before.is_none_or(|before| *row.id.as_bytes() < before))
        );
        lengths.push(listed.rows.len());
        before = listed.next;
        if before.is_none() {
            return (lengths, true);
        }
    }
    (lengths, false)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_what_no_index_knows_goes_on_from_where_it_stopped_looking() {
    let history = History::new().await;
    history.add("delivered", WALKED_ROWS + 50).await;
    history.add("scheduled", WALKED_ROWS + 50).await;
    history.analyze().await;
    for webhook_id in [None, Some(history.world.ordered)] {
        let of = |event: Option<&str>, state| DeliveryFilter {
            webhook_id,
            event: event.and_then(EventType::parse),
            state,
            ..DeliveryFilter::default()
        };
        let reopened = pages(&history.store, &of(Some("incident.reopened"), None), 9).await;
        assert_eq!(reopened, (vec![0, 0, 0], true));
        let triggered = pages(&history.store, &of(Some("incident.triggered"), None), 2).await;
        assert_eq!(triggered, (vec![50, 50], false));
        let scheduled = pages(&history.store, &of(None, Some(DeliveryState::Scheduled)), 3).await;
        assert_eq!(scheduled, (vec![50; 3], false));
        let superseded = pages(&history.store, &of(None, Some(DeliveryState::Superseded)), 3).await;
        assert_eq!(superseded, (vec![0], true));
        let claimed = pages(&history.store, &of(None, Some(DeliveryState::Claimed)), 3).await;
        assert_eq!(claimed, (vec![0], true));
    }
    let counts = history.store.deliveries.counts().await.unwrap();
    assert_eq!(counts.scheduled, u64::from(COUNTED_AT_MOST));
    let exact = history.store.deliveries.counts_by_webhook(None).await.unwrap();
    let exact = exact.iter().map(|webhook| webhook.counts.scheduled).sum::<u64>();
    assert!(exact >= u64::from(WALKED_ROWS + 50), "{exact}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_take_no_longer_with_ten_million_finished_deliveries() {
    if std::env::var_os("CHECK_LONG").is_none() {
        return;
    }
    let mut histories = Vec::new();
    for size in [10_000, 10_000_000] {
        let history = History::new().await;
        history.add("delivered", size).await;
        history.add("scheduled", CLAIMED * CLAIMS).await;
        history.analyze().await;
        histories.push((size, history, Duration::ZERO));
    }
    // In turn: whatever else the machine does meets both.
    for _ in 0..CLAIMS {
        for (_, history, took) in &mut histories {
            let (once, count) = history.claim(1).await;
            assert_eq!(count, CLAIMED as usize);
            *took += once;
        }
    }
    let mut rates = Vec::new();
    for (size, _, took) in histories {
        let rate = f64::from(CLAIMED * CLAIMS) / took.as_secs_f64();
        println!("{size:>10} finished: {rate:.0} claims/s, {CLAIMED} at a time");
        rates.push(rate);
    }
    assert!(rates[1] > rates[0] / 2.0, "{rates:?}");
}
