//! Lists of deliveries.

use model::attempt::{Failure, Outcome};
use model::delivery::{Delivery, DeliveryState, NextStep};
use model::event::{EventName, EventSet, EventType};
use model::exchange::FailureCode;
use model::id::DeliveryId;
use model::incident::IncidentAction;
use model::restriction::Restriction;
use store::Page;
use store::StoreError;
use store::deliveries::{AttemptPage, DeliveryFilter};

fn ids(deliveries: &[Delivery]) -> Vec<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}

use crate::cases;

use super::world::World;

cases! {
    engine::lists;

    async fn filters_combine(world: &mut World) {
        let incident = world.trigger("one").await;
        let other = world.trigger("two").await;
        world.act(incident.id, IncidentAction::Resolve, world.at(10)).await;
        let resolved = DeliveryFilter {
            webhook_id: Some(world.ordered),
            event: Some(EventType::Incident(EventName::Resolved)),
            ..DeliveryFilter::default()
        };
        let lane = world.lane(world.ordered, incident.id).await;
        assert_eq!(world.list(resolved.clone()).await, lane[1..]);
        assert_eq!(world.list(DeliveryFilter { incident_id: Some(other.id), ..resolved }).await, []);
        let period = |since, until| DeliveryFilter {
            webhook_id: Some(world.ordered),
            since: Some(world.at(since)),
            until: Some(world.at(until)),
            ..DeliveryFilter::default()
        };
        assert_eq!(world.list(period(1, 10)).await, []);
        assert_eq!(world.list(period(10, 11)).await, lane[1..]);
        assert_eq!(world.list(period(0, 10)).await.len(), 2);
    }

    async fn attempts_are_listed_by_when_their_deliveries_were_made(world: &mut World) {
        let mut expected = Vec::new();
        for ms in [1, 10] {
            world.trigger("one").await;
            let retry = NextStep::Retry { at: world.at(ms + 1) };
            expected.push(world.finish_next(world.ordered, retry, world.at(ms)).await.id);
            world.finish_next(world.ordered, NextStep::Delivered, world.at(ms + 1)).await;
        }
        let list = async |page: AttemptPage| world.store().deliveries.list_attempts(page).await.unwrap().rows;
        let all = AttemptPage { since: Some(world.at(0)), until: None, before: None, restriction: Restriction::default(), limit: 50 };
        let found = list(all.clone()).await;
        let places: Vec<_> = found.iter().map(|(delivery, attempt)| (*delivery, attempt.id)).collect();
        expected.sort_unstable_by(|a, b| b.cmp(a));
        let of_two = [expected[0], expected[0], expected[1], expected[1]];
        assert_eq!(places.iter().map(|place| place.0).collect::<Vec<_>>(), of_two);
        assert_eq!(found.iter().map(|(_, attempt)| attempt.number).collect::<Vec<_>>(), [2, 1, 2, 1]);
        for (index, place) in places.iter().enumerate().take(3) {
            let next = list(AttemptPage { before: Some(*place), limit: 1, ..all.clone() }).await;
            assert_eq!(next, found[index + 1..index + 2]);
        }
        let of_nothing = AttemptPage { until: Some(world.at(0)), ..all };
        assert_eq!(list(of_nothing).await, []);
        let detail = world.store().deliveries.get(found[0].0).await.unwrap();
        assert!(detail.attempts.contains(&found[0].1));
    }

    async fn a_restricted_reader_is_shown_its_services_and_events_only(world: &mut World) {
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Resolve, world.at(10)).await;
        let first = world.finish_next(world.ordered, NextStep::Delivered, world.at(11)).await.id;
        let second = world.finish_next(world.ordered, NextStep::Delivered, world.at(12)).await.id;
        let bystander = world.list(DeliveryFilter {
            webhook_id: Some(world.bystanders.webhook),
            ..DeliveryFilter::default()
        });
        let foreign = ids(&bystander.await);
        assert!(!foreign.is_empty());
        let (ours, other) = (world.service, world.bystanders.service);
        let resolved = Some(EventSet::new(&[EventName::Resolved]));
        let nobodys = model::id::ServiceId::from_bytes([1; 16]);
        for (services, events, expected) in [
            (vec![ours], None, vec![second, first]),
            (vec![ours, nobodys], None, vec![second, first]),
            (vec![ours], resolved, vec![second]),
            (vec![nobodys], None, vec![]),
            (vec![nobodys], resolved, vec![]),
        ] {
            let restriction = Restriction::new(services, events);
            let filter = DeliveryFilter {
                webhook_id: Some(world.ordered),
                restriction: restriction.clone(),
                ..DeliveryFilter::default()
            };
            assert_eq!(ids(&world.list(filter).await), expected);
            let page = AttemptPage { since: None, until: None, before: None, restriction, limit: 50 };
            let attempts = world.store().deliveries.list_attempts(page).await.unwrap().rows;
            assert_eq!(attempts.iter().map(|(delivery, _)| *delivery).collect::<Vec<_>>(), expected);
        }
        let of = async |services: Vec<_>, state| {
            let restriction = Restriction::new(services, None);
            ids(&world.list(DeliveryFilter { state, restriction, ..DeliveryFilter::default() }).await)
        };
        assert_eq!(of(vec![other], None).await, foreign);
        assert_eq!(of(vec![ours, other], None).await.len(), foreign.len() + 4);
        assert_eq!(of(vec![ours], Some(DeliveryState::Delivered)).await, [second, first]);
        assert_eq!(of(vec![ours], Some(DeliveryState::Queued)).await, []);
        assert_eq!(of(vec![other], Some(DeliveryState::Queued)).await.len(), 1);
    }

    async fn states_are_found_with_and_without_a_webhook(world: &mut World) {
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Acknowledge, world.at(1)).await;
        world.act(incident.id, IncidentAction::Resolve, world.at(2)).await;
        let dead = world.finish_next(world.ordered, NextStep::Dead, world.at(3)).await;
        let delivered = world.finish_next(world.loose, NextStep::Delivered, world.at(3)).await;
        let claimed = world.claim(world.ordered, 1, world.at(3)).await.deliveries.remove(0);
        let lane = world.lane(world.ordered, incident.id).await;
        let loose = world.lane(world.loose, incident.id).await;
        let of = |webhook_id, state| DeliveryFilter {
            webhook_id,
            state: Some(state),
            since: Some(world.at(0)),
            ..DeliveryFilter::default()
        };
        for webhook in [None, Some(world.ordered)] {
            assert_eq!(ids(&world.list(of(webhook, DeliveryState::Dead)).await), [dead.id]);
            assert_eq!(ids(&world.list(of(webhook, DeliveryState::Claimed)).await), [claimed.id]);
            assert_eq!(ids(&world.list(of(webhook, DeliveryState::Queued)).await), [lane[2].id]);
        }
        for webhook in [None, Some(world.loose)] {
            assert_eq!(ids(&world.list(of(webhook, DeliveryState::Delivered)).await), [delivered.id]);
            assert_eq!(
                ids(&world.list(of(webhook, DeliveryState::Scheduled)).await),
                [loose[2].id, loose[1].id]
            );
        }
        let id = world.loose;
        world.restart_as(2, async |backend| backend.disable_webhook(id).await).await;
        let of = |state| DeliveryFilter {
            state: Some(state),
            since: Some(world.at(0)),
            ..DeliveryFilter::default()
        };
        let held = world.list(of(DeliveryState::Held)).await;
        assert_eq!(ids(&held), [loose[2].id, loose[1].id]);
        assert!(held.iter().all(|delivery| delivery.state == DeliveryState::Held));
        assert_eq!(world.list(of(DeliveryState::Scheduled)).await, []);
        let in_lane = DeliveryFilter { incident_id: Some(incident.id), ..of(DeliveryState::Held) };
        assert_eq!(world.list(in_lane).await.len(), 2);
    }

    async fn a_cause_chooses_those_whose_last_attempt_failed_for_it(world: &mut World) {
        world.trigger("one").await;
        let first = world.finish_next(world.ordered, NextStep::Dead, world.at(1)).await;
        let second = world.claim(world.loose, 1, world.at(1)).await.deliveries.remove(0);
        let mut record = world.attempt(&second, NextStep::Dead, world.at(1));
        record.attempt.outcome = Outcome::Failed(Failure {
            code: FailureCode::ConnectRefused,
            detail: "refused".into(),
            retry_after: None,
            disposition: model::attempt::Disposition::Backoff,
        });
        world.store().queue.record([record].into(), world.at(1)).await.unwrap();
        let of = |cause| DeliveryFilter { cause: Some(cause), ..DeliveryFilter::default() };
        assert_eq!(ids(&world.list(of(FailureCode::ConnectRefused)).await), [second.id]);
        let dead = DeliveryFilter { state: Some(DeliveryState::Dead), ..of(FailureCode::ServerError) };
        assert_eq!(ids(&world.list(dead).await), [first.id]);
    }

    async fn pages_follow_each_other_without_gap_or_repetition(world: &mut World) {
        for title in ["one", "two", "three"] {
            world.trigger(title).await;
        }
        let all = ids(&world.list(DeliveryFilter::default()).await);
        assert!(all.is_sorted_by(|a, b| a > b));
        let mut paged = Vec::new();
        let mut before = None;
        while paged.len() < all.len() {
            let page = Page { limit: 2, before };
            let rows = world.store().deliveries.list(DeliveryFilter::default(), page).await.unwrap().rows;
            assert!((1..=2).contains(&rows.len()));
            paged.extend(ids(&rows));
            before = paged.last().map(|id| *id.as_bytes());
        }
        assert_eq!(paged, all);
        let scheduled = DeliveryFilter { state: Some(DeliveryState::Scheduled), ..DeliveryFilter::default() };
        let page = Page { limit: 1, before: Some(*all[2].as_bytes()) };
        let rows = world.store().deliveries.list(scheduled, page).await.unwrap().rows;
        assert_eq!(ids(&rows), [all[3]]);
    }

    async fn what_does_not_exist_is_not_found(world: &mut World) {
        let id = DeliveryId::new(world.at(0), [9; 10]);
        let missing = StoreError::NotFound { what: "delivery" };
        assert_eq!(world.store().deliveries.get(id).await, Err(missing.clone()));
        let replayed = world.store().deliveries.replay(id, world.change(world.at(0))).await;
        assert_eq!(replayed, Err(missing));
    }
}
