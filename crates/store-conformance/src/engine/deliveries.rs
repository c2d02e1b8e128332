//! Counting deliveries.

use model::delivery::NextStep;
use model::exchange::FailureCode;
use model::incident::IncidentAction;
use store::deliveries::StateCounts;

use crate::cases;

use super::world::World;

cases! {
    engine::deliveries;

    async fn deliveries_are_counted_by_state(world: &mut World) {
        let before = world.store().deliveries.counts().await.unwrap();
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Acknowledge, world.at(1)).await;
        world.finish_next(world.loose, NextStep::Dead, world.at(2)).await;
        world.claim(world.ordered, 1, world.at(2)).await;
        let counts = world.store().deliveries.counts().await.unwrap();
        let expected = StateCounts {
            scheduled: before.scheduled + 1,
            queued: before.queued + 1,
            claimed: before.claimed + 1,
            dead: before.dead + 1,
            ..before
        };
        assert_eq!(counts, expected);
        let loose = world.loose;
        world.restart_as(2, async |backend| backend.disable_webhook(loose).await).await;
        let counts = world.store().deliveries.counts().await.unwrap();
        assert_eq!((counts.scheduled, counts.held), (before.scheduled, before.held + 1));
    }

    async fn the_stats_of_a_webhook_tell_what_it_did_since_a_time(world: &mut World) {
        world.trigger("one").await;
        world.trigger("two").await;
        world.trigger("three").await;
        world.finish_next(world.loose, NextStep::Retry { at: world.at(50) }, world.at(1)).await;
        world.finish_next(world.loose, NextStep::Dead, world.at(2)).await;
        world.finish_next(world.loose, NextStep::Delivered, world.at(3)).await;
        let stats = world.store().deliveries.webhook_stats(world.loose, world.at(0)).await.unwrap();
        assert_eq!((stats.delivered, stats.dead, stats.open), (1, 1, 1));
        assert_eq!((stats.attempts_delivered, stats.failures), (1, vec![(FailureCode::ServerError, 2)]));
        assert_eq!((stats.p50_us, stats.p95_us), (Some(1234), Some(1234)));
        assert_eq!(stats.last_delivered_at, Some(world.at(3)));
        let later = world.store().deliveries.webhook_stats(world.loose, world.at(3)).await.unwrap();
        assert_eq!((later.delivered, later.dead, later.open), (0, 0, 1));
        assert_eq!((later.attempts_delivered, later.failures), (1, vec![]));
    }

    async fn every_delivery_is_in_the_ledger(world: &mut World) {
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Acknowledge, world.at(1)).await;
        world.finish_next(world.ordered, NextStep::Dead, world.at(2)).await;
        for webhook in [world.ordered, world.loose, world.bystanders.webhook] {
            assert_eq!(world.backend.accepted(webhook).await, world.backend.deliveries(webhook).await);
        }
    }
}
