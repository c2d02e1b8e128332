//! When canaries are due, and what they came to.

use std::time::Duration;

use model::exchange::FailureCode;
use model::id::DeliveryId;
use model::time::Timestamp;
use model::webhook::CanaryResult;
use store::canaries::CANARY_RETRY;

use crate::{Backend, cases};

use super::world::{NODE, World};

const HOUR: Duration = Duration::from_secs(3600);

cases! {
    engine::canaries;

    async fn a_canary_is_due_every_so_many_hours_and_sooner_after_a_failure(world: &mut World) {
        let (id, start) = (world.ordered, world.at(0));
        let due_at = start.as_millis();
        world
            .restart_as(NODE + 1, async |backend: &dyn Backend| {
                let sql = "UPDATE webhooks SET canary_hours = 6, canary_due_at = ?2 WHERE id = ?1";
                backend.execute(sql, &[id.as_bytes().into(), due_at.into()]).await;
            })
            .await;
        let canaries = world.store().canaries.clone();
        assert_eq!(canaries.take_due(world.at(-1), 9).await, Ok(vec![]));
        assert_eq!(canaries.take_due(start, 9).await, Ok(vec![id]));
        assert_eq!(canaries.take_due(start, 9).await, Ok(vec![]));
        // Its result was lost with the server: it is sent again soon.
        assert_eq!(canaries.take_due(start.plus(CANARY_RETRY), 9).await, Ok(vec![id]));
        let result = |at, failure| CanaryResult { at, delivery_id: DeliveryId::new(at, [1; 10]), failure };
        let arrived = result(start.plus(CANARY_RETRY), None);
        canaries.record(id, arrived).await.unwrap();
        assert_eq!(world.store().webhooks.get(id).await.unwrap().last_canary, Some(arrived));
        let next = arrived.at.plus(6 * HOUR);
        assert_eq!(canaries.take_due(next.minus(Duration::from_millis(1)), 9).await, Ok(vec![]));
        assert_eq!(canaries.take_due(next, 9).await, Ok(vec![id]));
        let failed = result(next, Some(FailureCode::ConnectRefused));
        canaries.record(id, failed).await.unwrap();
        assert_eq!(world.store().webhooks.get(id).await.unwrap().last_canary, Some(failed));
        assert_eq!(canaries.take_due(next.plus(CANARY_RETRY), 9).await, Ok(vec![id]));
        world.backend.disable_webhook(id).await;
        assert_eq!(canaries.take_due(next.plus(9 * HOUR), 9).await, Ok(vec![]));
        assert_eq!(canaries.take_due(next.plus(9 * HOUR), 9).await, Ok(vec![]));
        canaries.record(world.loose, failed).await.unwrap();
        assert_eq!(world.store().webhooks.get(world.loose).await.unwrap().last_canary, None);
    }

    async fn when_the_clock_is_set_back_a_canary_comes_as_early_as_if_it_never_had_been_ahead(world: &mut World) {
        let (id, ahead) = (world.ordered, HOUR);
        let due_at = world.at(0).plus(ahead).plus(6 * HOUR).as_millis();
        world
            .restart_as(NODE + 1, async |backend: &dyn Backend| {
                let sql = "UPDATE webhooks SET canary_hours = 6, canary_due_at = ?2 WHERE id = ?1";
                backend.execute(sql, &[id.as_bytes().into(), due_at.into()]).await;
            })
            .await;
        let for_ever = Timestamp::from_millis(i64::MAX);
        let by_ms = -i64::try_from(ahead.as_millis()).unwrap();
        world.store().queue.shift_schedule(world.at(0), for_ever, by_ms).await.unwrap();
        let canaries = world.store().canaries.clone();
        let due = world.at(0).plus(6 * HOUR);
        assert_eq!(canaries.take_due(due.minus(Duration::from_millis(1)), 9).await, Ok(vec![]));
        assert_eq!(canaries.take_due(due, 9).await, Ok(vec![id]));
    }
}
