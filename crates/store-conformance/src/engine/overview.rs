//! Counts for pages.

use std::time::Duration;

use model::activity::{ACTIVITY_PERIOD, Activity, period_of};
use model::attempt::{Attempt, Failure, Outcome};
use model::audit::Actor;
use model::delivery::{ClaimedDelivery, DeliveryState, NextStep};
use model::event::{Event, EventName};
use model::exchange::FailureCode;
use model::id::{IncidentId, ServiceId, WebhookId};
use model::incident::{Incident, IncidentAction, IncidentStatus, Severity};
use model::time::Timestamp;
use store::Page;
use store::StoreError;
use store::deliveries::DeliveryFilter;
use store::incidents::Trigger;
use store::overview::OpenIncidents;
use store::queue::{AttemptRecord, Recorded};

use crate::cases;

use super::world::{World, created};

/// Triggers an incident some time after the start.
async fn trigger_at(world: &World, title: &str, at: Timestamp) -> Incident {
    let trigger = Trigger {
        incident_id: IncidentId::new(at, [u8::try_from(title.len()).unwrap(); 10]),
        change: world.change(at),
        ..world.new_trigger(title)
    };
    created(world.store().incidents.trigger(trigger).await.unwrap())
}

async fn begin_test(world: &World, webhook: WebhookId, incident: &Incident) -> ClaimedDelivery {
    let at = world.at(1);
    let sample = Event::new(
        world.event_id(at),
        EventName::Triggered,
        incident,
        Actor::System,
        at,
    );
    world.store().queue.begin_test(webhook, sample).await.unwrap()
}

/// What was counted since the period in which the world starts, by period.
async fn activity_of(world: &World, webhook: WebhookId) -> Vec<Activity> {
    let since = period_of(world.at(0));
    let all = world.store().overview.activity(since).await.unwrap();
    all.into_iter()
        .filter(|activity| activity.webhook_id == webhook)
        .collect()
}

fn counts(activity: &Activity) -> (u64, u64, u64) {
    (activity.delivered, activity.retried, activity.dead)
}

/// An attempt that failed for the last time, for a reason.
fn dying(world: &World, delivery: &ClaimedDelivery, code: FailureCode) -> AttemptRecord {
    let record = world.attempt(delivery, NextStep::Dead, world.at(9));
    let failure = Failure {
        code,
        detail: "as planned".into(),
        retry_after: None,
        disposition: model::attempt::Disposition::Backoff,
    };
    AttemptRecord {
        attempt: Attempt {
            outcome: Outcome::Failed(failure),
            ..record.attempt
        },
        ..record
    }
}

cases! {
    engine::overview;

    async fn attempts_are_counted_by_what_they_came_to(world: &mut World) {
        for title in ["one", "two", "three"] {
            world.trigger(title).await;
        }
        let claimed = world.claim(world.ordered, 3, world.at(1)).await.deliveries;
        let other = world.claim(world.loose, 1, world.at(1)).await.deliveries;
        let retry = NextStep::Retry { at: world.at(5) };
        let records = vec![
            world.attempt(&claimed[0], NextStep::Delivered, world.at(100)),
            world.attempt(&other[0], NextStep::Delivered, world.at(2)),
            world.attempt(&claimed[1], retry, world.at(2)),
            world.attempt(&claimed[2], NextStep::Dead, world.at(2)),
        ];
        world.store().queue.record(records.into(), world.at(3)).await.unwrap();
        let seen = activity_of(world, world.ordered).await;
        assert_eq!(seen.iter().map(counts).collect::<Vec<_>>(), [(1, 1, 1)]);
        assert_eq!(seen[0].period_at, period_of(world.at(3)));
        // Every attempt took 1234 µs; the delivery was made 100 ms before the attempt that delivered it.
        let (attempt, delivery) = (seen[0].attempt_times.percentile(95), seen[0].delivery_times.percentile(50));
        assert!(attempt.unwrap().abs_diff(1234) < 250, "{attempt:?}");
        assert!(delivery.unwrap().abs_diff(101_234) < 20_000, "{delivery:?}");
        let seen = activity_of(world, world.loose).await;
        assert_eq!(seen.iter().map(counts).collect::<Vec<_>>(), [(1, 0, 0)]);
    }

    async fn activity_adds_up_within_a_period_and_begins_anew_in_the_next(world: &mut World) {
        world.trigger("one").await;
        let next = period_of(world.at(0)).plus(ACTIVITY_PERIOD);
        let last_moment = next.minus(Duration::from_millis(1));
        world.finish_next(world.ordered, NextStep::Retry { at: world.at(1) }, world.at(0)).await;
        world.finish_next(world.ordered, NextStep::Retry { at: world.at(2) }, last_moment).await;
        world.finish_next(world.ordered, NextStep::Delivered, next).await;
        let seen = activity_of(world, world.ordered).await;
        assert_eq!(seen.iter().map(counts).collect::<Vec<_>>(), [(0, 2, 0), (1, 0, 0)]);
        assert_eq!(seen.iter().map(|activity| activity.period_at).collect::<Vec<_>>(), [period_of(world.at(0)), next]);
        let later = world.store().overview.activity(next).await.unwrap();
        assert_eq!(later, seen[1..]);
        let all = world.store().overview.activity(Timestamp::EPOCH).await.unwrap();
        assert_eq!(all[0].webhook_id, world.bystanders.webhook);
    }

    async fn an_attempt_that_comes_late_or_again_is_not_counted(world: &mut World) {
        world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(1)).await.deliveries.remove(0);
        let record = world.attempt(&delivery, NextStep::Dead, world.at(2));
        let late = world.attempt(&delivery, NextStep::Delivered, world.at(3));
        let records = vec![record.clone(), record, late.clone()];
        let recorded = world.store().queue.record(records.into(), world.at(4)).await;
        assert_eq!(recorded, Ok(vec![Recorded::Applied, Recorded::Late, Recorded::Late]));
        world.store().queue.record([late].into(), world.at(5)).await.unwrap();
        let seen = activity_of(world, world.ordered).await;
        assert_eq!(seen.iter().map(counts).collect::<Vec<_>>(), [(0, 0, 1)]);
    }

    async fn a_batch_of_late_attempts_leaves_no_activity(world: &mut World) {
        world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(1)).await.deliveries.remove(0);
        world.store().queue.release(vec![(delivery.id, delivery.claim)]).await.unwrap();
        assert_eq!(world.record(&delivery, NextStep::Delivered, world.at(2)).await, Recorded::Late);
        assert_eq!(activity_of(world, world.ordered).await, []);
    }

    async fn tests_are_no_activity(world: &mut World) {
        let incident = world.trigger("one").await;
        let test = begin_test(world, world.loose, &incident).await;
        assert_eq!(world.record(&test, NextStep::Delivered, world.at(2)).await, Recorded::Applied);
        assert_eq!(activity_of(world, world.loose).await, []);
    }

    async fn open_incidents_are_counted_by_severity_and_status(world: &mut World) {
        world.trigger("one").await;
        world.trigger("two").await;
        let taken = world.trigger("three").await;
        world.act(taken.id, IncidentAction::Acknowledge, world.at(1)).await;
        let over = world.trigger("four").await;
        world.act(over.id, IncidentAction::Resolve, world.at(1)).await;
        let warning = Trigger { severity: Severity::Warning, ..world.new_trigger("five") };
        world.store().incidents.trigger(warning).await.unwrap();
        let mut open = world.store().overview.open_incidents(None).await.unwrap();
        open.sort_by_key(|open| std::cmp::Reverse(open.count));
        open[1..].sort_by_key(|open| open.severity.as_str());
        let of = |severity, status, count| OpenIncidents { severity, status, count };
        let expected = [
            of(Severity::Critical, IncidentStatus::Triggered, 2),
            of(Severity::Critical, IncidentStatus::Acknowledged, 1),
            of(Severity::Warning, IncidentStatus::Triggered, 1),
        ];
        assert_eq!(open, expected);
    }

    async fn every_open_incident_is_counted_and_the_most_urgent_are_found_among_a_thousand(world: &mut World) {
        let worst = world.trigger("worst").await;
        let next = world.trigger("next worst").await;
        let taken = world.trigger("taken").await;
        world.act(taken.id, IncidentAction::Acknowledge, world.at(1)).await;
        for number in 0..1000 {
            let title = format!("info {number}");
            let info = Trigger { severity: Severity::Info, ..world.new_trigger(&title) };
            world.store().incidents.trigger(info).await.unwrap();
        }
        let overview = &world.store().overview;
        let counts = overview.open_by_service().await.unwrap();
        assert_eq!(counts[&worst.service.id], 1003);
        let urgent = overview.most_urgent(None, 1003).await.unwrap();
        let ids: Vec<_> = urgent.iter().take(2).map(|incident| incident.id).collect();
        assert_eq!(ids, [next.id.max(worst.id), next.id.min(worst.id)]);
        assert_eq!(urgent.last().map(|incident| incident.id), Some(taken.id));
        assert_eq!(urgent.len(), 1003);
        let few = overview.most_urgent(Some(worst.service.id), 2).await.unwrap();
        assert_eq!(few.iter().map(|incident| incident.id).collect::<Vec<_>>(), ids);
        let none = overview.most_urgent(Some(ServiceId::from_bytes([9; 16])), 5).await.unwrap();
        assert_eq!(none, []);
    }

    async fn a_test_that_failed_is_no_dead_delivery(world: &mut World) {
        let incident = world.trigger("one").await;
        let test = begin_test(world, world.loose, &incident).await;
        assert_eq!(world.record(&test, NextStep::Dead, world.at(2)).await, Recorded::Applied);
        let lists = [None, Some(world.loose)].map(|webhook_id| DeliveryFilter {
            webhook_id,
            state: Some(DeliveryState::Dead),
            ..DeliveryFilter::default()
        });
        for filter in lists {
            let page = Page { limit: 10, before: None };
            assert_eq!(world.store().deliveries.list(filter, page).await.unwrap().rows, []);
        }
        let replayed = world.store().deliveries.replay(test.id, world.change(world.at(3))).await;
        assert!(matches!(replayed, Err(StoreError::Conflict(_))));
    }

    async fn the_health_of_a_webhook_leaves_tests_out(world: &mut World) {
        let incident = world.trigger("one").await;
        for title in ["two", "three", "four"] {
            world.trigger(title).await;
        }
        world.finish_next(world.ordered, NextStep::Delivered, world.at(7)).await;
        world.finish_next(world.ordered, NextStep::Dead, world.at(8)).await;
        world.claim(world.ordered, 1, world.at(9)).await;
        let delivered = begin_test(world, world.ordered, &incident).await;
        world.record(&delivered, NextStep::Delivered, world.at(10)).await;
        let dead = begin_test(world, world.loose, &incident).await;
        world.record(&dead, NextStep::Dead, world.at(11)).await;
        let health = world.store().overview.webhook_health().await.unwrap();
        let ordered = &health[&world.ordered];
        assert_eq!(ordered.last_delivered_at, Some(world.at(7)));
        assert_eq!((ordered.dead, ordered.scheduled, ordered.queued), (1, 1, 0));
        let waiting = ordered.oldest_waiting.unwrap();
        let waiting = world.store().deliveries.get(waiting).await.unwrap().delivery;
        assert_eq!((waiting.webhook_id, waiting.state), (world.ordered, DeliveryState::Scheduled));
        let loose = &health[&world.loose];
        assert_eq!(loose.last_delivered_at, None);
        assert_eq!((loose.dead, loose.scheduled, loose.queued), (0, 4, 0));
    }

    async fn the_oldest_that_waits_was_made_first_and_not_one_that_is_due_first(world: &mut World) {
        let first = trigger_at(world, "one", world.at(0)).await;
        trigger_at(world, "three", world.at(5)).await;
        let health = |world: &World| {
            let overview = world.store().overview.clone();
            let id = world.ordered;
            async move { overview.webhook_health().await.unwrap()[&id].oldest_waiting }
        };
        let oldest = health(world).await.unwrap();
        let found = world.store().deliveries.get(oldest).await.unwrap().delivery;
        assert_eq!(found.incident_id, first.id);
        let retry = NextStep::Retry { at: world.at(5000) };
        world.finish_next(world.ordered, retry, world.at(7)).await;
        assert_eq!(health(world).await, Some(oldest));
    }

    async fn a_deleted_webhook_has_no_health(world: &mut World) {
        let ordered = world.ordered;
        world.restart_as(super::world::NODE, async |backend| backend.delete_webhook(ordered).await).await;
        let health = world.store().overview.webhook_health().await.unwrap();
        assert_eq!((health.len(), health.contains_key(&ordered)), (2, false));
    }

    async fn dead_deliveries_are_grouped_by_webhook_and_cause_without_tests(world: &mut World) {
        let incident = trigger_at(world, "one", world.at(0)).await;
        trigger_at(world, "three", world.at(5)).await;
        trigger_at(world, "fourth", world.at(6)).await;
        let claimed = world.claim(world.ordered, 3, world.at(8)).await.deliveries;
        let other = world.claim(world.loose, 1, world.at(8)).await.deliveries;
        let test = begin_test(world, world.loose, &incident).await;
        let records = vec![
            dying(world, &claimed[0], FailureCode::ServerError),
            dying(world, &claimed[1], FailureCode::ConnectRefused),
            dying(world, &claimed[2], FailureCode::ServerError),
            dying(world, &other[0], FailureCode::ServerError),
            dying(world, &test, FailureCode::DnsFailed),
        ];
        world.store().queue.record(records.into(), world.at(9)).await.unwrap();
        let groups = world.store().overview.dead_groups().await.unwrap();
        let first = &groups[0];
        assert_eq!((first.webhook_id, first.webhook_name.as_str()), (world.ordered, "ordered"));
        assert_eq!((first.cause, first.count), (Some(FailureCode::ServerError), 2));
        assert_eq!(first.made_between, (world.at(0), world.at(6)));
        let mut rest: Vec<_> = groups[1..].iter().map(|group| (group.webhook_id, group.cause, group.count)).collect();
        rest.sort_by_key(|(webhook, ..)| *webhook);
        let expected = [
            (world.ordered, Some(FailureCode::ConnectRefused), 1),
            (world.loose, Some(FailureCode::ServerError), 1),
        ];
        assert_eq!(rest, expected);
    }

    async fn titles_are_told_of_the_incidents_that_exist(world: &mut World) {
        let (one, two) = (world.trigger("one").await, world.trigger("two").await);
        let nowhere = IncidentId::new(world.at(0), [99; 10]);
        let titles = world.store().overview.titles(vec![two.id, nowhere, one.id]).await.unwrap();
        assert_eq!(titles.len(), 2);
        assert_eq!((titles[&one.id].as_str(), titles[&two.id].as_str()), ("one", "two"));
    }
}
