//! Claiming, giving back, rescuing, moving the schedule, tests.

use model::audit::Actor;
use model::delivery::DeliveryState::{Claimed, Scheduled};
use model::delivery::{DeliveryState, NextStep};
use model::event::{Event, EventName};
use model::id::WebhookId;
use model::incident::IncidentAction;
use store::StoreError;
use store::queue::{ClaimRequest, Recorded};

use crate::cases;

use super::world::{NODE, World};

cases! {
    engine::queue;

    async fn claims_take_the_longest_due_first_up_to_the_limit(world: &mut World) {
        for title in ["one", "two", "three"] {
            let incident = world.trigger(title).await;
            world.act(incident.id, IncidentAction::Acknowledge, world.at(5)).await;
        }
        let retry = NextStep::Retry { at: world.at(3) };
        let first = world.claim(world.loose, 1, world.at(2)).await.deliveries.remove(0);
        world.record(&first, retry, world.at(2)).await;
        let claimed = world.claim(world.loose, 3, world.at(4)).await;
        let due: Vec<_> = claimed.deliveries.iter().map(|delivery| delivery.due_at).collect();
        assert_eq!(due, [world.at(0), world.at(0), world.at(3)]);
        assert_eq!(claimed.deliveries[2].id, first.id);
        assert_eq!((claimed.deliveries[2].attempts_made, claimed.deliveries[2].spent.attempts), (1, 1));
        assert_eq!(claimed.next_due_at, Some(world.at(5)));
        let rest = world.claim(world.loose, 2, world.at(9)).await;
        assert_eq!((rest.deliveries.len(), rest.next_due_at), (2, Some(world.at(5))));
        assert_eq!(world.claim(world.loose, 9, world.at(9)).await.next_due_at, None);
    }

    async fn webhooks_claimed_together_share_their_events(world: &mut World) {
        world.trigger("one").await;
        let requests = [world.loose, world.ordered].map(|webhook_id| ClaimRequest { webhook_id, limit: 5 });
        let unknown = ClaimRequest { webhook_id: WebhookId::new(world.at(0), [77; 10]), limit: 5 };
        let requests = [requests.to_vec(), vec![unknown]].concat();
        let claimed = world.store().queue.claim_due(requests, world.at(1)).await.unwrap();
        let ids: Vec<_> = claimed.iter().map(|claimed| claimed.webhook_id).collect();
        assert_eq!(ids, [world.loose, world.ordered, unknown.webhook_id]);
        let event = |index: usize| &claimed[index].deliveries[0].event;
        assert!(std::sync::Arc::ptr_eq(event(0), event(1)));
        assert_ne!(claimed[0].deliveries[0].id, claimed[1].deliveries[0].id);
        assert!(claimed[2].deliveries.is_empty());
    }

    async fn a_released_delivery_is_due_as_before_and_its_claim_is_void(world: &mut World) {
        let incident = world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(1)).await.deliveries.remove(0);
        world.dispatcher.forget();
        world.store().queue.release(vec![(delivery.id, delivery.claim)]).await.unwrap();
        assert_eq!(world.states(world.ordered, incident.id).await, [Scheduled]);
        assert_eq!(world.dispatcher.woken(), [(world.ordered, world.at(0))]);
        let again = world.claim(world.ordered, 1, world.at(2)).await.deliveries.remove(0);
        assert_ne!(again.claim, delivery.claim);
        assert_eq!(again.attempts_made, 0);
        world.store().queue.release(vec![(delivery.id, delivery.claim)]).await.unwrap();
        assert_eq!(world.states(world.ordered, incident.id).await, [Claimed]);
    }

    async fn the_next_due_times_are_those_of_enabled_webhooks(world: &mut World) {
        let incident = world.trigger("one").await;
        world.finish_next(world.loose, NextStep::Retry { at: world.at(70) }, world.at(1)).await;
        let ordered = world.ordered;
        world.restart_as(2, async |backend| backend.disable_webhook(ordered).await).await;
        let mut next = world.store().queue.next_due().await.unwrap();
        next.retain(|(webhook, _)| *webhook != world.bystanders.webhook);
        assert_eq!(next, [(world.loose, world.at(70))]);
        assert_eq!(world.states(ordered, incident.id).await, [DeliveryState::Held]);
    }

    async fn claims_of_a_node_are_rescued_once_its_lease_ran_out(world: &mut World) {
        let incident = world.trigger("one").await;
        world.store().queue.heartbeat(world.at(0)).await.unwrap();
        let claimed = world.claim(world.ordered, 1, world.at(1)).await.deliveries.remove(0);
        world.restart_as(NODE + 1, async |_| ()).await;
        world.store().queue.heartbeat(world.at(2)).await.unwrap();
        let own = world.claim(world.loose, 1, world.at(2)).await.deliveries.remove(0);
        assert_eq!(world.store().queue.rescue(world.at(3)).await, Ok(0));
        world.backend.execute("UPDATE nodes SET lease_until = 1", &[]).await;
        assert_eq!(world.store().queue.rescue(world.at(3)).await, Ok(1));
        assert_eq!(world.states(world.ordered, incident.id).await, [Scheduled]);
        assert_eq!(world.states(world.loose, incident.id).await, [Claimed]);
        assert_eq!(world.dispatcher.woken(), [(world.ordered, world.at(0))]);
        assert_eq!(world.record(&claimed, NextStep::Delivered, world.at(9)).await, Recorded::Late);
        assert_eq!(world.record(&own, NextStep::Delivered, world.at(9)).await, Recorded::Applied);
    }

    async fn claims_of_a_node_without_a_heartbeat_are_rescued_at_once(world: &mut World) {
        let incident = world.trigger("one").await;
        world.claim(world.ordered, 1, world.at(1)).await;
        world.restart_as(NODE + 1, async |_| ()).await;
        assert_eq!(world.store().queue.rescue(world.at(1)).await, Ok(1));
        assert_eq!(world.states(world.ordered, incident.id).await, [Scheduled]);
        assert_eq!(world.store().queue.rescue(world.at(1)).await, Ok(0));
    }

    async fn what_is_scheduled_between_two_times_moves_with_the_clock(world: &mut World) {
        let first = world.trigger("one").await;
        let second = world.trigger("two").await;
        for (ms, retry_ms) in [(1, 60_000), (2, 900_000)] {
            world.finish_next(world.ordered, NextStep::Retry { at: world.at(retry_ms) }, world.at(ms)).await;
        }
        let queue = &world.store().queue;
        queue.shift_schedule(world.at(10), world.at(600_000), -1_000).await.unwrap();
        let lanes = [world.lane(world.ordered, first.id).await, world.lane(world.ordered, second.id).await];
        let due_times: Vec<_> = lanes.concat().iter().map(|delivery| delivery.due_at).collect();
        assert_eq!(due_times, [world.at(59_000), world.at(900_000)]);
        assert_eq!(world.lane(world.loose, first.id).await[0].due_at, world.at(0));
        let moved = world.store().incidents.get(first.id).await.unwrap();
        assert_eq!(moved.escalate_at, Some(world.at(5 * 60_000 - 1_000)));
    }

    async fn a_delivery_that_is_given_back_has_moved_with_the_clock_too(world: &mut World) {
        let incident = world.trigger("one").await;
        world.finish_next(world.ordered, NextStep::Retry { at: world.at(60_000) }, world.at(1)).await;
        let claimed = world.claim(world.ordered, 1, world.at(60_000)).await.deliveries.remove(0);
        let queue = &world.store().queue;
        queue.shift_schedule(world.at(10), world.at(600_000), -30_000).await.unwrap();
        queue.release(vec![(claimed.id, claimed.claim)]).await.unwrap();
        assert_eq!(world.lane(world.ordered, incident.id).await[0].due_at, world.at(30_000));
    }

    async fn a_node_that_is_alone_leads_and_serves_everything(world: &mut World) {
        for at in [0, 1] {
            let membership = world.store().queue.heartbeat(world.at(at)).await.unwrap();
            assert_eq!((membership.own, membership.nodes), (NODE, vec![NODE]));
            assert!(membership.is_leader);
        }
    }

    async fn a_node_that_is_about_to_leave_keeps_its_claims(world: &mut World) {
        world.trigger("one").await;
        world.store().queue.heartbeat(world.at(0)).await.unwrap();
        let claimed = world.claim(world.ordered, 1, world.at(1)).await.deliveries.remove(0);
        world.store().queue.leave().await.unwrap();
        world.store().queue.heartbeat(world.at(2)).await.unwrap();
        assert_eq!(world.store().queue.rescue(world.at(2)).await, Ok(0));
        assert_eq!(world.record(&claimed, NextStep::Delivered, world.at(3)).await, Recorded::Applied);
    }

    async fn a_test_goes_to_a_disabled_webhook_too_and_stands_outside_of_everything(world: &mut World) {
        let incident = world.trigger("one").await;
        let ordered = world.ordered;
        world.restart_as(NODE, async |backend| backend.disable_webhook(ordered).await).await;
        let at = world.at(1);
        let sample = Event::new(world.event_id(at), EventName::Resolved, &incident, Actor::System, at);
        let test = world.store().queue.begin_test(ordered, sample.clone()).await.unwrap();
        assert!(test.event.is_test);
        assert_eq!((test.event.body.clone(), test.attempts_made), (sample.body.clone(), 0));
        let lane = world.lane(ordered, incident.id).await;
        let shown: Vec<_> = lane.iter().map(|delivery| (delivery.is_test, delivery.state)).collect();
        assert_eq!(shown, [(false, DeliveryState::Held), (true, Claimed)]);
        assert_eq!(world.record(&test, NextStep::Dead, world.at(2)).await, Recorded::Applied);
        assert_eq!(world.backend.accepted(ordered).await, 1);
        let counts = world.store().deliveries.counts().await.unwrap();
        assert_eq!(counts.dead, 0);
        let stats = world.store().deliveries.webhook_stats(ordered, world.at(0)).await.unwrap();
        assert_eq!((stats.dead, stats.failures), (0, vec![]));
        let dead = world.store().deliveries.count_dead(ordered, world.at(0), world.at(9)).await;
        assert_eq!(dead, Ok(0));
        world.restart_as(NODE, async |backend| backend.delete_webhook(ordered).await).await;
        let refused = world.store().queue.begin_test(ordered, sample).await;
        assert!(matches!(refused, Err(StoreError::NotFound { what: "webhook" })));
    }

    async fn a_test_does_not_make_events_wait(world: &mut World) {
        let incident = world.trigger("one").await;
        world.finish_next(world.ordered, NextStep::Delivered, world.at(1)).await;
        let at = world.at(2);
        let sample = Event::new(world.event_id(at), EventName::Resolved, &incident, Actor::System, at);
        world.store().queue.begin_test(world.ordered, sample).await.unwrap();
        world.act(incident.id, IncidentAction::Resolve, world.at(3)).await;
        let states = world.states(world.ordered, incident.id).await;
        assert_eq!(states, [DeliveryState::Delivered, Claimed, Scheduled]);
    }
}
