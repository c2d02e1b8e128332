//! Leases of a store that has one node at a time.

use std::sync::Arc;

use model::delivery::DeliveryState;
use store_conformance::engine::World;

use super::backend::SqliteBackend;

#[tokio::test]
async fn a_lease_from_before_the_clock_was_set_back_does_not_hold() {
    let mut world = World::new(Arc::new(SqliteBackend::new())).await;
    let incident = world.trigger("one").await;
    let ahead = world.at(3_600_000);
    world.store().queue.heartbeat(ahead).await.unwrap();
    world.claim(world.ordered, 1, ahead).await;
    world.restart_as(2, async |_| ()).await;
    assert_eq!(world.store().queue.rescue(world.at(1)).await, Ok(1));
    let states = world.states(world.ordered, incident.id).await;
    assert_eq!(states, [DeliveryState::Scheduled]);
}
