//! Order within one incident and webhook, isolation between all others, and deliveries that are born claimed.

use model::delivery::DeliveryState::{Claimed, Dead, Delivered, Held, Queued, Scheduled};
use model::delivery::NextStep;
use model::incident::IncidentAction;
use store::incidents::Trigger;
use store::queue::Recorded;

use crate::cases;

use super::world::World;

cases! {
    engine::lanes;

    async fn a_later_event_waits_until_the_earlier_one_is_delivered_or_dead(world: &mut World) {
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Acknowledge, world.at(1)).await;
        world.act(incident.id, IncidentAction::Resolve, world.at(2)).await;
        assert_eq!(world.states(world.ordered, incident.id).await, [Scheduled, Queued, Queued]);
        let first = world.claim(world.ordered, 10, world.at(3)).await.deliveries.remove(0);
        assert_eq!(world.states(world.ordered, incident.id).await, [Claimed, Queued, Queued]);
        world.dispatcher.forget();
        world.record(&first, NextStep::Delivered, world.at(4)).await;
        assert_eq!(world.states(world.ordered, incident.id).await, [Delivered, Scheduled, Queued]);
        assert_eq!(world.dispatcher.woken(), [(world.ordered, world.at(4))]);
        world.finish_next(world.ordered, NextStep::Dead, world.at(5)).await;
        assert_eq!(world.states(world.ordered, incident.id).await, [Delivered, Dead, Scheduled]);
    }

    async fn a_retry_keeps_later_events_waiting(world: &mut World) {
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Acknowledge, world.at(1)).await;
        let retry = NextStep::Retry { at: world.at(60_000) };
        world.finish_next(world.ordered, retry, world.at(2)).await;
        assert_eq!(world.states(world.ordered, incident.id).await, [Scheduled, Queued]);
        let claimed = world.claim(world.ordered, 10, world.at(59_999)).await;
        assert!(claimed.deliveries.is_empty());
        assert_eq!(claimed.next_due_at, Some(world.at(60_000)));
    }

    async fn without_ordering_nothing_waits(world: &mut World) {
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Acknowledge, world.at(1)).await;
        assert_eq!(world.states(world.loose, incident.id).await, [Scheduled, Scheduled]);
    }

    async fn incidents_do_not_wait_for_each_other(world: &mut World) {
        let first = world.trigger("one").await;
        let second = world.trigger("two").await;
        let claimed = world.claim(world.ordered, 10, world.at(1)).await;
        assert_eq!(claimed.deliveries.len(), 2);
        assert_eq!(world.states(world.ordered, first.id).await, [Claimed]);
        assert_eq!(world.states(world.ordered, second.id).await, [Claimed]);
    }

    async fn a_delivery_is_born_claimed_while_the_dispatcher_has_room(world: &mut World) {
        world.dispatcher.make_room(1);
        let incident = world.trigger("one").await;
        assert_eq!(world.states(world.ordered, incident.id).await, [Claimed]);
        assert_eq!(world.states(world.loose, incident.id).await, [Scheduled]);
        let taken = world.dispatcher.taken.lock().unwrap().remove(0);
        let [stored] = &world.lane(world.ordered, incident.id).await[..] else { panic!("one delivery") };
        assert_eq!((taken.id, taken.event.sequence), (stored.id, stored.event_sequence));
        assert_eq!(world.dispatcher.woken(), [(world.loose, world.at(0))]);
        assert_eq!(world.record(&taken, NextStep::Delivered, world.at(1)).await, Recorded::Applied);
        world.dispatcher.make_room(9);
        world.act(incident.id, IncidentAction::Acknowledge, world.at(2)).await;
        world.act(incident.id, IncidentAction::Resolve, world.at(3)).await;
        assert_eq!(world.states(world.ordered, incident.id).await, [Delivered, Claimed, Queued]);
    }

    async fn room_is_given_back_when_a_trigger_fails_and_nothing_is_handed_over(world: &mut World) {
        let first = world.new_trigger("one");
        let event_id = first.event_id;
        world.store().incidents.trigger(first).await.unwrap();
        world.dispatcher.forget();
        world.dispatcher.make_room(9);
        let same_event = Trigger { event_id, ..world.new_trigger("two") };
        let id = same_event.incident_id;
        assert!(world.store().incidents.trigger(same_event).await.is_err());
        let reserved = world.dispatcher.reserved.lock().unwrap().clone();
        assert_eq!(*world.dispatcher.cancelled.lock().unwrap(), reserved);
        assert!(reserved.contains(&world.ordered));
        assert!(world.dispatcher.taken.lock().unwrap().is_empty());
        assert!(world.store().incidents.get(id).await.is_err());
        assert_eq!(world.backend.accepted(world.ordered).await, 1);
        assert_eq!(world.backend.deliveries(world.ordered).await, 1);
    }

    async fn a_disabled_webhook_holds_its_deliveries_in_order(world: &mut World) {
        let ordered = world.ordered;
        world.restart_as(2, async |backend| backend.disable_webhook(ordered).await).await;
        world.dispatcher.make_room(9);
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Resolve, world.at(1)).await;
        assert_eq!(world.states(ordered, incident.id).await, [Held, Held]);
        let claimed = world.claim(ordered, 10, world.at(9)).await;
        assert!(claimed.deliveries.is_empty());
        assert_eq!(claimed.next_due_at, None);
        world.restart_as(3, async |backend| backend.enable_webhook(ordered).await).await;
        assert_eq!(world.states(ordered, incident.id).await, [Scheduled, Queued]);
        assert_eq!(world.claim(ordered, 10, world.at(9)).await.deliveries.len(), 1);
    }
}
