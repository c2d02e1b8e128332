//! What waits through an outage: taken over by a fallback, superseded, expired.

use std::time::Duration;

use model::audit::Actor;
use model::delivery::DeliveryState::{
    self, Claimed, Dead, Delivered, Expired, Held, Queued, Scheduled, Superseded,
};
use model::delivery::{Delivery, NextStep};
use model::event::{Event, EventName};
use model::exchange::FailureCode;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::incident::IncidentAction;
use model::outage::{AfterOutage, OUTAGE_GRACE};
use model::webhook::WebhookState;
use store::deliveries::{DeliveryFilter, Replayed};

use crate::cases;

use super::world::World;

/// A minute in milliseconds.
const MINUTE: i64 = 60_000;

/// Gives a webhook a fallback, as if it had been saved so at the start.
pub(super) async fn fall_back(
    world: &mut World,
    from: WebhookId,
    to: WebhookId,
    late_after: Option<Duration>,
) {
    let seen = DeliveryId::lower_bound(world.at(0));
    let late_after = late_after.map(|after| i64::try_from(after.as_millis()).unwrap());
    let sql = "UPDATE webhooks SET fallback_id = ?2, fallback_after_ms = ?3, fallback_seen = ?4, updated_at = 1 WHERE id = ?1";
    let values = [
        from.as_bytes().into(),
        to.as_bytes().into(),
        late_after.into(),
        seen.as_bytes().into(),
    ];
    world
        .restart_as(2, async |backend| backend.execute(sql, &values).await)
        .await;
}

/// Says what a webhook wants after an outage.
pub(super) async fn keep(world: &mut World, id: WebhookId, policy: AfterOutage) {
    let after = policy
        .expire_after()
        .map(|after| i64::try_from(after.as_millis()).unwrap());
    let sql = "UPDATE webhooks SET after_outage = ?2, expire_after_ms = ?3, updated_at = 1 WHERE id = ?1";
    let values = [id.as_bytes().into(), policy.as_str().into(), after.into()];
    world
        .restart_as(2, async |backend| backend.execute(sql, &values).await)
        .await;
}

/// What took over for an incident at a webhook.
async fn taken_over(world: &World, webhook: WebhookId, incident: IncidentId) -> Vec<Delivery> {
    let lane = world.lane(webhook, incident).await;
    lane.into_iter()
        .filter(|delivery| delivery.fallback_of.is_some())
        .collect()
}

async fn in_state(world: &World, webhook: WebhookId, state: DeliveryState) -> usize {
    let filter = DeliveryFilter {
        webhook_id: Some(webhook),
        state: Some(state),
        ..DeliveryFilter::default()
    };
    world.list(filter).await.len()
}

async fn missing(world: &World) -> i64 {
    let balances = world.store().upkeep.balance().await.unwrap();
    balances.iter().map(|balance| balance.missing().abs()).sum()
}

async fn set_state(world: &World, id: WebhookId, state: WebhookState) {
    let change = world.change(world.at(1));
    world.store().webhooks.set_state(id, state, change).await.unwrap();
}

fn disabled(world: &World) -> WebhookState {
    WebhookState::Disabled {
        since: world.at(1),
        reason: "down".into(),
    }
}

cases! {
    engine::outages;

    async fn a_test_that_its_node_left_behind_neither_ends_nor_is_in_the_way(world: &mut World) {
        let incident = world.trigger("one").await;
        let at = world.at(1);
        let sample = Event::new(world.event_id(at), EventName::Resolved, &incident, Actor::System, at);
        world.store().queue.begin_test(world.ordered, sample).await.unwrap();
        let ordered = world.ordered;
        keep(world, ordered, AfterOutage::Expire { after: Duration::from_secs(60) }).await;
        world.restart_as(77, async |_| ()).await;
        world.store().queue.rescue(world.at(10 * MINUTE)).await.unwrap();
        world.trigger("two").await;
        let claimed = world.claim(ordered, 9, world.at(10 * MINUTE)).await;
        assert!(claimed.deliveries.iter().all(|of| of.event.is_test), "{claimed:?}");
        assert_eq!(claimed.deliveries.len(), 1);
    }

    async fn what_is_dead_is_taken_over_once_and_both_name_each_other(world: &mut World) {
        let (from, to) = (world.ordered, world.loose);
        fall_back(world, from, to, None).await;
        let incident = world.trigger("one").await;
        world.dispatcher.forget();
        let dead = world.finish_next(world.ordered, NextStep::Dead, world.at(1)).await;
        assert!(world.dispatcher.woken().contains(&(world.loose, world.at(1))));
        let taken = taken_over(world, world.loose, incident.id).await;
        assert_eq!(taken.len(), 1);
        assert_eq!((taken[0].state, taken[0].due_at, taken[0].attempts_made), (Scheduled, world.at(1), 0));
        let original = world.store().deliveries.get(dead.id).await.unwrap();
        assert_eq!(original.delivery.state, Dead);
        assert_eq!((taken[0].fallback_of, original.delivery.taken_over_by), (Some(dead.id), Some(taken[0].id)));
        assert!(!original.is_delivered_by_fallback());
        world.store().deliveries.replay(dead.id, world.change(world.at(2))).await.unwrap();
        world.finish_next(world.ordered, NextStep::Dead, world.at(3)).await;
        assert_eq!(taken_over(world, world.loose, incident.id).await.len(), 1, "once, however often it dies");
        for _ in 0..2 {
            world.finish_next(world.loose, NextStep::Delivered, world.at(4)).await;
        }
        let original = world.store().deliveries.get(dead.id).await.unwrap();
        assert!(original.is_delivered_by_fallback());
        let fallback = world.store().deliveries.get(taken[0].id).await.unwrap();
        assert_eq!(fallback.fallback_of.map(|of| of.id), Some(dead.id));
        assert_eq!(fallback.body, original.body);
        assert_eq!((missing(world).await, world.backend.accepted(world.loose).await), (0, 2));
    }

    async fn what_is_given_up_or_only_fails_is_not_taken_over(world: &mut World) {
        let (from, to) = (world.ordered, world.loose);
        fall_back(world, from, to, None).await;
        let incident = world.trigger("one").await;
        world.finish_next(world.ordered, NextStep::Retry { at: world.at(9) }, world.at(1)).await;
        let waiting = world.lane(world.ordered, incident.id).await.remove(0);
        world.store().deliveries.give_up(waiting.id, world.change(world.at(2))).await.unwrap();
        assert_eq!(taken_over(world, world.loose, incident.id).await, []);
    }

    async fn a_fallback_that_keeps_the_order_takes_over_behind_what_is_open(world: &mut World) {
        let (from, to) = (world.loose, world.ordered);
        fall_back(world, from, to, None).await;
        let incident = world.trigger("one").await;
        world.finish_next(world.loose, NextStep::Dead, world.at(1)).await;
        let taken = taken_over(world, world.ordered, incident.id).await;
        assert_eq!((taken.len(), taken[0].state), (1, Queued));
        world.finish_next(world.ordered, NextStep::Delivered, world.at(2)).await;
        let next = world.finish_next(world.ordered, NextStep::Delivered, world.at(3)).await;
        assert_eq!(next.id, taken[0].id);
    }

    async fn a_chain_ends_where_a_webhook_has_no_fallback(world: &mut World) {
        let (from, to) = (world.ordered, world.loose);
        fall_back(world, from, to, None).await;
        let incident = world.trigger("one").await;
        world.finish_next(world.ordered, NextStep::Dead, world.at(1)).await;
        for _ in 0..2 {
            world.finish_next(world.loose, NextStep::Dead, world.at(2)).await;
        }
        assert_eq!(world.states(world.loose, incident.id).await, [Dead, Dead]);
        assert_eq!(world.states(world.ordered, incident.id).await, [Dead]);
    }

    async fn an_event_goes_round_no_circle_however_it_came_about(world: &mut World) {
        let (one, two) = (world.ordered, world.loose);
        fall_back(world, one, two, None).await;
        fall_back(world, two, one, None).await;
        let incident = world.trigger("one").await;
        world.finish_next(one, NextStep::Dead, world.at(1)).await;
        for _ in 0..2 {
            world.finish_next(two, NextStep::Dead, world.at(2)).await;
        }
        world.finish_next(one, NextStep::Dead, world.at(3)).await;
        assert_eq!(world.states(one, incident.id).await, [Dead, Dead]);
        assert_eq!(world.states(two, incident.id).await, [Dead, Dead]);
        assert_eq!(missing(world).await, 0);
    }

    async fn what_is_late_is_taken_over_once_whatever_it_waits_for(world: &mut World) {
        let (from, to) = (world.ordered, world.loose);
        fall_back(world, from, to, Some(Duration::from_secs(60))).await;
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Acknowledge, world.at(10)).await;
        let late = |now| world.store().queue.take_over_late(now);
        late(world.at(MINUTE - 1)).await.unwrap();
        assert_eq!(taken_over(world, world.loose, incident.id).await, []);
        late(world.at(MINUTE + 5)).await.unwrap();
        assert_eq!(taken_over(world, world.loose, incident.id).await.len(), 1);
        late(world.at(2 * MINUTE)).await.unwrap();
        late(world.at(2 * MINUTE)).await.unwrap();
        late(world.at(0)).await.unwrap();
        late(world.at(3 * MINUTE)).await.unwrap();
        let taken = taken_over(world, world.loose, incident.id).await;
        assert_eq!(taken.len(), 2);
        assert_eq!(world.states(world.ordered, incident.id).await, [Scheduled, Queued]);
        let first = world.finish_next(world.ordered, NextStep::Delivered, world.at(4 * MINUTE)).await;
        let original = world.store().deliveries.get(first.id).await.unwrap().delivery;
        assert_eq!((original.state, original.taken_over_by), (Delivered, Some(taken[0].id)));
        world.finish_next(world.ordered, NextStep::Dead, world.at(4 * MINUTE)).await;
        assert_eq!(taken_over(world, world.loose, incident.id).await.len(), 2);
        assert_eq!(missing(world).await, 0);
    }

    async fn what_a_disabled_webhook_holds_is_taken_over_when_late_and_what_was_delivered_is_not(world: &mut World) {
        let (from, to) = (world.ordered, world.loose);
        fall_back(world, from, to, Some(Duration::from_secs(60))).await;
        let delivered = world.trigger("in time").await;
        world.finish_next(world.ordered, NextStep::Delivered, world.at(1)).await;
        set_state(world, world.ordered, disabled(world)).await;
        let held = world.trigger("held").await;
        world.store().queue.take_over_late(world.at(2 * MINUTE)).await.unwrap();
        assert_eq!(taken_over(world, world.loose, delivered.id).await, []);
        assert_eq!(taken_over(world, world.loose, held.id).await.len(), 1);
        assert_eq!(world.states(world.ordered, held.id).await, [Held]);
    }

    async fn after_an_outage_the_newest_of_an_incident_supersedes_what_was_late(world: &mut World) {
        let kept = world.ordered;
        keep(world, kept, AfterOutage::Newest).await;
        let incident = world.trigger("one").await;
        let alone = world.trigger("two").await;
        world.act(incident.id, IncidentAction::Acknowledge, world.at(1)).await;
        world.act(incident.id, IncidentAction::Resolve, world.at(2)).await;
        let grace = i64::try_from(OUTAGE_GRACE.as_millis()).unwrap();
        let claimed = world.claim(world.ordered, 9, world.at(grace + 3)).await;
        assert_eq!(claimed.deliveries.len(), 1, "what has nothing newer is sent");
        assert_eq!(world.states(world.ordered, incident.id).await, [Superseded, Superseded, Scheduled]);
        assert_eq!(world.states(world.ordered, alone.id).await, [Claimed]);
        let newest = world.claim(world.ordered, 9, world.at(grace + 50)).await.deliveries.remove(0);
        for delivery in [&newest, &claimed.deliveries[0]] {
            world.record(delivery, NextStep::Delivered, world.at(grace + 50)).await;
        }
        let lane = world.lane(world.ordered, incident.id).await;
        assert_eq!((lane[0].last_failure, lane[0].finished_at), (None, Some(world.at(grace + 3))));
        assert_eq!(in_state(world, world.ordered, Superseded).await, 2);
        assert_eq!((in_state(world, world.ordered, Dead).await, missing(world).await), (0, 0));
        let counts = world.store().deliveries.counts().await.unwrap();
        assert_eq!(counts.dead, 0);
        assert_eq!(world.store().upkeep.examine(world.at(grace + 60)).await, Ok(vec![]));
    }

    async fn what_did_not_wait_long_is_sent_in_order(world: &mut World) {
        let kept = world.ordered;
        keep(world, kept, AfterOutage::Newest).await;
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Acknowledge, world.at(1)).await;
        world.finish_next(world.ordered, NextStep::Delivered, world.at(MINUTE)).await;
        assert_eq!(world.states(world.ordered, incident.id).await, [Delivered, Scheduled]);
    }

    async fn what_is_too_old_expires_and_a_replay_sends_it_after_all(world: &mut World) {
        let after = Duration::from_secs(60);
        let kept = world.ordered;
        keep(world, kept, AfterOutage::Expire { after }).await;
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Acknowledge, world.at(MINUTE)).await;
        let now = world.at(MINUTE + 1);
        assert_eq!(world.claim(world.ordered, 9, now).await.deliveries.len(), 0);
        assert_eq!(world.states(world.ordered, incident.id).await, [Expired, Scheduled]);
        world.finish_next(world.ordered, NextStep::Delivered, now).await;
        let expired = world.lane(world.ordered, incident.id).await.remove(0);
        assert_eq!((expired.last_failure, in_state(world, world.ordered, Expired).await), (None, 1));
        let change = world.change(world.at(9 * MINUTE));
        let replayed = world.store().deliveries.replay(expired.id, change).await.unwrap();
        let Replayed::Scheduled(replayed) = replayed else { panic!("it had expired") };
        assert_eq!((replayed.state, replayed.last_failure), (Scheduled, None));
        let again = world.finish_next(world.ordered, NextStep::Dead, world.at(9 * MINUTE)).await;
        let dead = world.store().deliveries.get(again.id).await.unwrap().delivery;
        assert_eq!((dead.id, dead.state, dead.last_failure), (expired.id, Dead, Some(FailureCode::ServerError)));
        assert_eq!(missing(world).await, 0);
    }

    async fn in_a_webhook_without_order_older_events_are_superseded_too(world: &mut World) {
        let kept = world.loose;
        keep(world, kept, AfterOutage::Newest).await;
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Acknowledge, world.at(1)).await;
        world.act(incident.id, IncidentAction::Resolve, world.at(2)).await;
        let claimed = world.claim(world.loose, 9, world.at(10 * MINUTE)).await;
        assert_eq!(claimed.deliveries.len(), 1);
        assert_eq!(world.states(world.loose, incident.id).await, [Superseded, Superseded, Claimed]);
    }
}
