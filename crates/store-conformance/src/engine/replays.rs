//! Replaying and recovering.

use model::delivery::DeliveryState::{Dead, Delivered, Queued, Scheduled};
use model::delivery::NextStep;
use model::incident::IncidentAction;
use store::StoreError;
use store::deliveries::{RecoverStep, Replayed};
use store::queue::Recorded;

use crate::cases;

use super::world::World;

cases! {
    engine::replays;

    async fn a_replay_starts_a_fresh_schedule_and_keeps_the_history(world: &mut World) {
        let incident = world.trigger("one").await;
        let delivery = world.finish_next(world.ordered, NextStep::Dead, world.at(1)).await;
        world.dispatcher.forget();
        let change = world.change(world.at(5));
        let replayed = world.store().deliveries.replay(delivery.id, change).await.unwrap();
        let Replayed::Scheduled(after) = replayed else { panic!("it was dead") };
        assert_eq!((after.state, after.due_at, after.attempts_made), (Scheduled, world.at(5), 1));
        assert_eq!(world.dispatcher.woken(), [(world.ordered, world.at(5))]);
        let again = world.store().deliveries.replay(delivery.id, world.change(world.at(6))).await.unwrap();
        assert_eq!(again, Replayed::StillOpen(after));
        let claimed = world.claim(world.ordered, 1, world.at(7)).await.deliveries.remove(0);
        assert_eq!((claimed.attempts_made, claimed.spent.attempts), (1, 0));
        assert_eq!(world.record(&claimed, NextStep::Delivered, world.at(8)).await, Recorded::Applied);
        let detail = world.store().deliveries.get(delivery.id).await.unwrap();
        assert_eq!(detail.attempts.len(), 2);
        assert_eq!(world.states(world.ordered, incident.id).await, [Delivered]);
        assert_eq!(world.backend.audited(&delivery.id.to_string()).await, ["delivery.replay"]);
        assert_eq!(world.backend.accepted(world.ordered).await, 1);
    }

    async fn a_replayed_delivery_takes_its_place_in_the_lane(world: &mut World) {
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Acknowledge, world.at(1)).await;
        world.act(incident.id, IncidentAction::Resolve, world.at(2)).await;
        let first = world.finish_next(world.ordered, NextStep::Delivered, world.at(3)).await;
        let change = world.change(world.at(4));
        world.store().deliveries.replay(first.id, change).await.unwrap();
        assert_eq!(world.states(world.ordered, incident.id).await, [Queued, Scheduled, Queued]);
        world.finish_next(world.ordered, NextStep::Delivered, world.at(5)).await;
        assert_eq!(world.states(world.ordered, incident.id).await, [Scheduled, Delivered, Queued]);
        world.finish_next(world.ordered, NextStep::Dead, world.at(6)).await;
        assert_eq!(world.states(world.ordered, incident.id).await, [Dead, Delivered, Scheduled]);
    }

    async fn deliveries_of_a_deleted_webhook_are_not_replayed(world: &mut World) {
        world.trigger("one").await;
        let delivery = world.finish_next(world.ordered, NextStep::Dead, world.at(1)).await;
        let ordered = world.ordered;
        world.restart_as(2, async |backend| backend.delete_webhook(ordered).await).await;
        let replayed = world.store().deliveries.replay(delivery.id, world.change(world.at(2))).await;
        assert!(matches!(replayed, Err(StoreError::Conflict(_))));
        let change = world.change(world.at(2));
        let recovered = world.store().deliveries.recover(ordered, world.at(0), world.at(9), None, change).await;
        assert_eq!(recovered, Err(StoreError::NotFound { what: "webhook" }));
    }

    async fn a_recovery_replays_what_is_dead_of_a_period_in_order_and_comes_to_an_end(world: &mut World) {
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Acknowledge, world.at(0)).await;
        world.act(incident.id, IncidentAction::Resolve, world.at(20)).await;
        for ms in [21, 22, 23] {
            world.finish_next(world.ordered, NextStep::Dead, world.at(ms)).await;
        }
        let deliveries = &world.store().deliveries;
        assert_eq!(deliveries.count_dead(world.ordered, world.at(0), world.at(20)).await, Ok(2));
        let change = world.change(world.at(30));
        let step = |change| deliveries.recover(world.ordered, world.at(0), world.at(20), None, change);
        assert_eq!(step(change.clone()).await, Ok(RecoverStep { count: 2, is_done: true }));
        assert_eq!(world.states(world.ordered, incident.id).await, [Scheduled, Queued, Dead]);
        world.finish_next(world.ordered, NextStep::Dead, world.at(31)).await;
        assert_eq!(step(change).await, Ok(RecoverStep { count: 0, is_done: true }));
        assert_eq!(world.states(world.ordered, incident.id).await, [Dead, Scheduled, Dead]);
        assert_eq!(deliveries.count_dead(world.loose, world.at(0), world.at(99)).await, Ok(0));
        assert_eq!(world.backend.audited(&world.ordered.to_string()).await, ["webhook.recover"]);
    }
}
