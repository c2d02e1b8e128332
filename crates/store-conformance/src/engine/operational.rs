//! Operational events: notices, the events that are made of them, and who gets those.

use model::delivery::DeliveryState::{Queued, Scheduled};
use model::delivery::{ClaimedDelivery, NextStep};
use model::exchange::FailureCode;
use model::id::{IncidentId, WebhookId};
use model::operational::DEAD_INTERVAL;
use model::time::Timestamp;
use model::webhook::Degraded;
use store::queue::AttemptRecord;

use crate::{Backend, cases};

use super::world::{NODE, World};

/// Has webhooks choose every operational event.
async fn choose_all(world: &mut World, webhooks: &[WebhookId]) {
    world
        .restart_as(NODE + 1, async |backend: &dyn Backend| {
            for id in webhooks {
                let sql = "UPDATE webhooks SET operational_events = 31 WHERE id = ?1";
                backend.execute(sql, &[id.as_bytes().into()]).await;
            }
        })
        .await;
}

/// What stands in for the incident of what is told about a webhook.
fn about(webhook: WebhookId) -> IncidentId {
    IncidentId::from_bytes(*webhook.as_bytes())
}

fn degraded(at: Timestamp) -> Option<Degraded> {
    Some(Degraded {
        since: at,
        code: FailureCode::ConnectRefused,
        detail: None,
    })
}

/// The claimed deliveries of operational events: event and how often it happened.
fn told(claimed: &[ClaimedDelivery]) -> Vec<(&'static str, String)> {
    let told = |delivery: &ClaimedDelivery| {
        let body = String::from_utf8_lossy(&delivery.event.body).into_owned();
        let event = delivery.event.event_type().as_str();
        assert!(body.starts_with(&format!("{{\"event\":\"{event}\",")), "{body}");
        let (_, count) = body.rsplit_once(':').unwrap();
        (event, count.trim_end_matches('}').to_owned())
    };
    let operational = claimed.iter().filter(|of| of.event.operational.is_some());
    let mut told: Vec<_> = operational.map(told).collect();
    told.sort();
    told
}

cases! {
    engine::operational;

    async fn a_webhook_that_was_disabled_is_told_to_those_who_chose_it_but_not_to_itself(world: &mut World) {
        let both = [world.ordered, world.loose];
        choose_all(world, &both).await;
        world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(1)).await.deliveries.remove(0);
        let record = AttemptRecord {
            disable_webhook: Some("answered 410".into()),
            ..world.attempt(&delivery, NextStep::Dead, world.at(2))
        };
        world.store().queue.record([record].into(), world.at(2)).await.unwrap();
        let feed = world.store().events.latest_sequence().await;
        assert_eq!(world.store().operational.publish_due(world.at(3)).await, Ok(2));
        assert_eq!(world.store().operational.publish_due(world.at(4)).await, Ok(0));
        let claimed = world.claim(world.loose, 9, world.at(5)).await.deliveries;
        assert_eq!(told(&claimed), [("delivery.dead", "1".into()), ("webhook.disabled", "1".into())]);
        assert_eq!(world.states(world.ordered, about(world.ordered)).await, []);
        assert_eq!(world.store().events.latest_sequence().await, feed);
        let listed = world.lane(world.loose, about(world.ordered)).await;
        let types: Vec<_> = listed.iter().map(|delivery| delivery.event_type.as_str()).collect();
        assert_eq!(types, ["webhook.disabled", "delivery.dead"]);
    }

    async fn a_breaker_is_told_of_once_and_in_order(world: &mut World) {
        let (subscriber, subject) = (world.ordered, world.loose);
        choose_all(world, &[subscriber]).await;
        let endpoints = world.store().endpoints.clone();
        for at in [1, 2] {
            endpoints.set_degraded(subject, degraded(world.at(at)), world.at(at)).await.unwrap();
        }
        for at in [3, 4] {
            endpoints.set_degraded(subject, None, world.at(at)).await.unwrap();
        }
        assert_eq!(world.store().operational.publish_due(world.at(5)).await, Ok(2));
        assert_eq!(world.states(subscriber, about(subject)).await, [Scheduled, Queued]);
        let mut events = Vec::new();
        for at in [6, 7] {
            let delivery = world.finish_next(subscriber, NextStep::Delivered, world.at(at)).await;
            events.push(delivery.event.event_type().as_str());
        }
        assert_eq!(events, ["webhook.degraded", "webhook.recovered"]);
    }

    async fn deaths_after_the_first_are_counted(world: &mut World) {
        let (subscriber, subject) = (world.loose, world.ordered);
        choose_all(world, &[subscriber]).await;
        let (first, later) = (world.at(10), world.at(10).plus(DEAD_INTERVAL));
        let operational = world.store().operational.clone();
        world.trigger("one").await;
        world.finish_next(subject, NextStep::Dead, world.at(2)).await;
        assert_eq!(operational.publish_due(first).await, Ok(1));
        for title in ["two", "three"] {
            world.trigger(title).await;
            world.finish_next(subject, NextStep::Dead, world.at(20)).await;
        }
        assert_eq!(operational.publish_due(world.at(30)).await, Ok(0));
        assert_eq!(operational.publish_due(later).await, Ok(1));
        let claimed = world.claim(subscriber, 9, later).await.deliveries;
        assert_eq!(told(&claimed), [("delivery.dead", "1".into()), ("delivery.dead", "2".into())]);
        assert_eq!(operational.publish_due(later.plus(DEAD_INTERVAL)).await, Ok(0));
        let sql = "SELECT count(*) FROM operational_notices";
        assert_eq!(world.backend.number(sql, &[]).await, 0);
    }

    async fn when_the_clock_is_set_back_deaths_are_told_as_early_as_if_it_never_had_been_ahead(world: &mut World) {
        let (subscriber, subject) = (world.loose, world.ordered);
        choose_all(world, &[subscriber]).await;
        let ahead = 3_600_000;
        let operational = world.store().operational.clone();
        for title in ["one", "two"] {
            world.trigger(title).await;
            world.finish_next(subject, NextStep::Dead, world.at(ahead)).await;
            operational.publish_due(world.at(ahead)).await.unwrap();
        }
        let for_ever = Timestamp::from_millis(i64::MAX);
        world.store().queue.shift_schedule(world.at(1), for_ever, -ahead).await.unwrap();
        let due = world.at(0).plus(DEAD_INTERVAL);
        assert_eq!(operational.publish_due(world.at(1)).await, Ok(0));
        assert_eq!(operational.publish_due(due).await, Ok(1));
        let claimed = world.claim(subscriber, 9, due).await.deliveries;
        assert_eq!(told(&claimed), [("delivery.dead", "1".into()), ("delivery.dead", "1".into())]);
    }

    async fn what_becomes_of_an_operational_event_is_told_to_nobody(world: &mut World) {
        let both = [world.ordered, world.loose];
        choose_all(world, &both).await;
        let endpoints = world.store().endpoints.clone();
        endpoints.set_degraded(world.loose, degraded(world.at(1)), world.at(1)).await.unwrap();
        assert_eq!(world.store().operational.publish_due(world.at(2)).await, Ok(1));
        let delivery = world.claim(world.ordered, 1, world.at(3)).await.deliveries.remove(0);
        let record = AttemptRecord {
            disable_webhook: Some("answered 410".into()),
            ..world.attempt(&delivery, NextStep::Dead, world.at(4))
        };
        world.store().queue.record([record].into(), world.at(4)).await.unwrap();
        assert_eq!(world.store().operational.publish_due(world.at(5)).await, Ok(0));
        assert!(world.backend.disabled_reason(world.ordered).await.is_some());
    }

    async fn nothing_is_noted_that_nobody_chose(world: &mut World) {
        world.trigger("one").await;
        world.finish_next(world.ordered, NextStep::Dead, world.at(2)).await;
        let endpoints = world.store().endpoints.clone();
        endpoints.set_degraded(world.loose, degraded(world.at(1)), world.at(1)).await.unwrap();
        let sql = "SELECT count(*) FROM operational_notices";
        assert_eq!(world.backend.number(sql, &[]).await, 0);
    }
}
