//! What is counted of incidents on a database that had some before anything was counted, and by nodes that fold at once.

use std::sync::Arc;

use model::id::ServiceId;
use model::incident::IncidentAction;
use model::insight::InsightDay;
use model::time::Timestamp;
use store::overview::Overview;
use store::upkeep::Upkeep;
use store_conformance::Backend;
use store_conformance::engine::World;

use super::backend::PostgresBackend;
use super::nodes::Nodes;
use super::server::server;

const MIGRATION: &str = include_str!("../../migrations/0011_insights.sql");

#[tokio::test]
async fn what_happened_before_the_migration_is_counted_by_it() {
    let backend = Arc::new(PostgresBackend::new());
    let world = World::new(Arc::clone(&backend) as Arc<dyn Backend>).await;
    let first = world.trigger("one").await;
    world.trigger("two").await;
    for (action, ms) in [
        (IncidentAction::Escalate, 1000),
        (IncidentAction::Acknowledge, 90_000),
        (IncidentAction::Resolve, 600_000),
    ] {
        world.act(first.id, action, world.at(ms)).await;
    }
    let days = async || {
        let end = Timestamp::from_millis(i64::MAX);
        let overview = &world.store().overview;
        overview.insight_days(Timestamp::EPOCH, end, None).await.unwrap()
    };
    let counted = days().await;
    let client = backend.connection().await;
    client.batch_execute("DELETE FROM insight_changes").await.unwrap();
    assert_eq!(days().await, []);
    let (_, filling) = MIGRATION
        .split_once("-- What happened before this was counted")
        .unwrap();
    let (_, filling) = filling.split_once('\n').unwrap();
    client.batch_execute(filling).await.unwrap();
    assert_eq!(days().await, counted);
}

/// How many changes each of two rounds counts: more than a batch of folding.
const CHANGES: i64 = 5000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_fold_at_once_count_everything_once() {
    let nodes = Nodes::new().await;
    let client = server().connect(&nodes.database).await;
    let service = ServiceId::from_bytes([7; 16]);
    let fold = async |node: &store_postgres::Database| while node.fold_insights().await.unwrap() > 0 {};
    for round in 0..2 {
        // Two days, so that both nodes want both rows, new ones first and then those that are there.
        let sql = format!(
            "INSERT INTO insight_changes (id, part, at, service_id, measure, took_ms, count)
             SELECT decode(repeat('07', 16), 'hex'), n, n * 34000 % 172800000, decode(repeat('07', 16), 'hex'), 'error', 0, 1
             FROM generate_series({}::bigint, {}) n",
            round * CHANGES,
            (round + 1) * CHANGES - 1
        );
        client.batch_execute(&sql).await.unwrap();
        tokio::join!(fold(&nodes.first), fold(&nodes.second));
        // One may have left for later what the other had locked.
        fold(&nodes.first).await;
        let days =
            nodes
                .second
                .insight_days(Timestamp::EPOCH, Timestamp::from_millis(i64::MAX), Some(service));
        let count = |day: &InsightDay| day.counts.iter().map(|(_, _, count)| count).sum::<i64>();
        assert_eq!(
            days.await.unwrap().iter().map(count).sum::<i64>(),
            (round + 1) * CHANGES
        );
        let left = "SELECT count(*) FROM insight_changes";
        let left: i64 = client.query_one(left, &[]).await.unwrap().get(0);
        assert_eq!(left, 0);
    }
}
