//! Leases and leadership of nodes on one database: measured by its clock, whatever the nodes' own show.

use std::sync::Arc;
use std::time::Duration;

use model::delivery::DeliveryState;
use model::time::Timestamp;
use store::Store;
use store::queue::{Membership, NODE_LEASE};
use store::upkeep::Retention;
use store_conformance::engine::World;
use store_conformance::{Backend, Opening};

use super::backend::{PostgresBackend, open_database};

/// A store with two webhooks as node 1, and a second node.
struct Pair {
    backend: Arc<PostgresBackend>,
    world: World,
    second: Store,
}

impl Pair {
    async fn new() -> Self {
        let backend = Arc::new(PostgresBackend::new());
        let world = World::new(Arc::clone(&backend) as Arc<dyn Backend>).await;
        let opening = Opening {
            node: 2,
            ..Opening::default()
        };
        let second = open_database(&backend.url(), &opening).await.unwrap().into();
        Self {
            backend,
            world,
            second,
        }
    }

    fn first(&self) -> &Store {
        self.world.store()
    }

    async fn execute(&self, sql: &str) {
        let connection = self.backend.connection().await;
        connection.batch_execute(sql).await.unwrap();
    }
}

async fn beat(store: &Store) -> Membership {
    // What a node's own clock shows does not matter.
    store.queue.heartbeat(Timestamp::EPOCH).await.unwrap()
}

#[tokio::test]
async fn a_clock_that_differs_from_the_databases_is_told_of() {
    let pair = Pair::new().await;
    let codes = |store: &Store| {
        let found = store.upkeep.troubles();
        found.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    let shared = beat(pair.first()).await.shared.unwrap();
    assert_eq!(codes(pair.first()), ["clock_differs"], "at the beginning of time");
    let sentence = pair.first().upkeep.troubles()[0].sentence.clone();
    assert!(sentence.contains("behind the database's"), "{sentence}");
    pair.first().queue.heartbeat(shared.database_time).await.unwrap();
    assert_eq!(codes(pair.first()), [""; 0]);
}

async fn rescue(store: &Store) -> u64 {
    store.queue.rescue(Timestamp::EPOCH).await.unwrap()
}

fn beat_number(membership: &Membership) -> i64 {
    membership.shared.unwrap().beat
}

#[tokio::test]
async fn a_lease_is_measured_by_the_databases_clock() {
    let pair = Pair::new().await;
    let before = pair.backend.connection().await;
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let before: i64 = before.query_one(sql, &[]).await.unwrap().get(0);
    let shared = beat(pair.first()).await.shared.unwrap();
    assert_eq!(shared.holds_for, NODE_LEASE);
    let shown = shared.database_time.as_millis();
    assert!((before..before + 10_000).contains(&shown), "{before} {shown}");
    let incident = pair.world.trigger("one").await;
    pair.world.claim(pair.world.ordered, 1, pair.world.at(1)).await;
    // Ten minutes later, as the second node believes.
    let later = shared.database_time.plus(Duration::from_secs(600));
    assert_eq!(pair.second.queue.rescue(later).await, Ok(0));
    pair.execute("UPDATE nodes SET lease_until = lease_until - 8000")
        .await;
    assert_eq!(pair.second.queue.rescue(Timestamp::EPOCH).await, Ok(1));
    let states = pair.world.states(pair.world.ordered, incident.id).await;
    assert_eq!(states, [DeliveryState::Scheduled]);
}

#[tokio::test]
async fn a_node_whose_lease_ran_out_hears_of_it_with_its_next_heartbeat() {
    let pair = Pair::new().await;
    assert_eq!(beat_number(&beat(pair.first()).await), 1);
    assert_eq!(beat_number(&beat(pair.first()).await), 2);
    pair.execute("UPDATE nodes SET lease_until = 1").await;
    assert_eq!(
        beat_number(&beat(pair.first()).await),
        1,
        "nobody was there to take anything"
    );
    assert_eq!(beat_number(&beat(pair.first()).await), 2);
    pair.execute("UPDATE nodes SET lease_until = 1").await;
    rescue(&pair.second).await;
    assert_eq!(
        beat_number(&beat(pair.first()).await),
        1,
        "forgotten by the other"
    );
}

#[tokio::test]
async fn one_node_leads_until_it_leaves_or_its_lease_has_run_out() {
    let pair = Pair::new().await;
    let (one, other) = (beat(pair.first()).await, beat(&pair.second).await);
    assert_eq!((one.nodes, other.nodes), (vec![1], vec![1, 2]));
    assert_eq!((one.is_leader, other.is_leader), (true, false));
    assert!(beat(pair.first()).await.is_leader && !beat(&pair.second).await.is_leader);
    pair.execute("UPDATE leader SET lease_until = 1").await;
    let taken = beat(&pair.second).await;
    assert_eq!((taken.is_leader, taken.shared.unwrap().term), (true, 2));
    assert!(!beat(pair.first()).await.is_leader);
    pair.second.queue.leave().await.unwrap();
    let (left, stays) = (beat(&pair.second).await, beat(pair.first()).await);
    assert_eq!((left.is_leader, left.nodes), (false, vec![1]));
    assert_eq!(
        (stays.is_leader, stays.nodes),
        (true, vec![1]),
        "given up at once"
    );
    assert_eq!(stays.shared.unwrap().term, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_that_would_lead_one_does() {
    for _ in 0..10 {
        let pair = Pair::new().await;
        let (one, other) = tokio::join!(beat(pair.first()), beat(&pair.second));
        assert!(one.is_leader != other.is_leader);
    }
}

#[tokio::test]
async fn a_lease_from_before_the_databases_clock_was_set_back_ends_after_its_usual_time() {
    let pair = Pair::new().await;
    beat(pair.first()).await;
    pair.execute("UPDATE nodes SET lease_until = lease_until + 3600000")
        .await;
    pair.execute("UPDATE leader SET lease_until = lease_until + 3600000")
        .await;
    rescue(&pair.second).await;
    let connection = pair.backend.connection().await;
    for table in ["nodes", "leader"] {
        let sql = format!(
            "SELECT max(lease_until) - (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM {table}"
        );
        let left: i64 = connection.query_one(&sql, &[]).await.unwrap().get(0);
        let longest = i64::try_from(NODE_LEASE.as_millis()).unwrap();
        assert!((1..=longest).contains(&left), "{table}: {left}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_waits_for_no_other_connection_of_its_node() {
    let pair = Pair::new().await;
    beat(&pair.second).await;
    let blocker = pair.backend.connection().await;
    blocker
        .batch_execute("BEGIN; LOCK TABLE deliveries")
        .await
        .unwrap();
    let store = pair.second.clone();
    let webhook_id = pair.world.ordered;
    let busy: Vec<_> = (0..8)
        .map(|_| {
            let (store, limit) = (store.clone(), 1);
            let request = store::queue::ClaimRequest { webhook_id, limit };
            tokio::spawn(async move { store.queue.claim_due(vec![request], Timestamp::EPOCH).await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(beat_number(&beat(&pair.second).await), 2);
    blocker.batch_execute("ROLLBACK").await.unwrap();
    for task in busy {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_leader_does_does_no_harm_if_two_nodes_do_it_at_once() {
    let pair = Pair::new().await;
    let (world, nodes) = (&pair.world, [pair.first(), &pair.second]);
    let incident = world.trigger("one").await;
    let at = world.at(5 * 60_000);
    let due = nodes[1].incidents.due_escalations(at, 10).await.unwrap();
    assert_eq!(due, [incident.id]);
    let fire = |node: &Store| {
        let (incidents, event_id, change) =
            (Arc::clone(&node.incidents), world.event_id(at), world.change(at));
        async move { incidents.fire_escalation(incident.id, event_id, change).await }
    };
    let fired = tokio::join!(fire(nodes[0]), fire(nodes[1]));
    assert!(fired.0.is_ok() && fired.1.is_ok());
    let connection = pair.backend.connection().await;
    let sql = "SELECT count(*) FROM events WHERE name LIKE '%escalated'";
    let escalations: i64 = connection.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(escalations, 1);

    nodes[0]
        .webhooks
        .delete(world.loose, world.change(at))
        .await
        .unwrap();
    let end = |node: &Store| {
        let upkeep = Arc::clone(&node.upkeep);
        async move { upkeep.bury_deleted(at).await.unwrap() }
    };
    let ended = tokio::join!(end(nodes[0]), end(nodes[1]));
    assert_eq!(ended.0 + ended.1, 2, "each once: {ended:?}");
    let later = at.plus(Duration::from_secs(3600));
    let retention = Retention {
        delivered_before: later,
        dead_before: later,
        receipts_before: later,
        activity_before: later,
        message_refs_before: later,
        inbox_requests_before: later,
        alerts_before: later,
        expired_by: later,
    };
    let prune = |node: &Store| {
        let upkeep = Arc::clone(&node.upkeep);
        async move { while upkeep.prune(retention).await.unwrap() > 0 {} }
    };
    tokio::join!(prune(nodes[0]), prune(nodes[1]));
    let balances = nodes[0].upkeep.balance().await.unwrap();
    assert!(
        balances.iter().all(|balance| balance.missing() == 0),
        "{balances:?}"
    );
    let pruned: u64 = balances.iter().map(|balance| balance.pruned).sum();
    assert!(pruned >= 2, "{balances:?}");
}
