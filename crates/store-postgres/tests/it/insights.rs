//! What is counted of incidents on a database that had some before anything was counted.

use std::sync::Arc;

use model::incident::IncidentAction;
use model::time::Timestamp;
use store_conformance::Backend;
use store_conformance::engine::World;

use super::backend::PostgresBackend;

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
