//! Recording attempts.

use model::attempt::{Outcome, StateUpdates};
use model::delivery::DeliveryState::{Dead, Delivered, Held, Scheduled};
use model::delivery::{Claim, NextStep};
use model::exchange::FailureCode;
use model::id::DeliveryId;
use model::incident::IncidentAction;
use model::patch::Patch;
use model::webhook::Degraded;
use store::queue::{AttemptRecord, Recorded};

use crate::cases;

use super::world::World;

cases! {
    engine::recording;

    async fn an_attempt_is_kept_whole_and_the_delivery_moves_on(world: &mut World) {
        world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(1)).await.deliveries.remove(0);
        let retry = NextStep::Retry { at: world.at(60_000) };
        let failed = world.attempt(&delivery, retry, world.at(2));
        world.dispatcher.forget();
        let recorded = world.store().queue.record([failed.clone()].into(), world.at(3)).await;
        assert_eq!(recorded, Ok(vec![Recorded::Applied]));
        assert_eq!(world.dispatcher.woken(), [(world.ordered, world.at(60_000))]);
        let detail = world.store().deliveries.get(delivery.id).await.unwrap();
        assert_eq!(detail.attempts, [failed.attempt]);
        assert_eq!(detail.body, delivery.event.body);
        assert_eq!((detail.delivery.state, detail.delivery.due_at), (Scheduled, world.at(60_000)));
        assert_eq!(detail.delivery.last_failure, Some(FailureCode::ServerError));
        world.finish_next(world.ordered, NextStep::Delivered, world.at(60_000)).await;
        let detail = world.store().deliveries.get(delivery.id).await.unwrap();
        assert_eq!((detail.delivery.state, detail.delivery.attempts_made), (Delivered, 2));
        assert_eq!((detail.delivery.finished_at, detail.delivery.last_failure), (Some(world.at(60_000)), None));
        assert_eq!(detail.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
    }

    async fn a_late_attempt_is_kept_but_moves_nothing(world: &mut World) {
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Resolve, world.at(1)).await;
        let delivery = world.finish_next(world.ordered, NextStep::Dead, world.at(2)).await;
        let late = world.attempt(&delivery, NextStep::Delivered, world.at(3));
        let gone = AttemptRecord {
            delivery_id: DeliveryId::new(world.at(0), [88; 10]),
            ..world.attempt(&delivery, NextStep::Delivered, world.at(3))
        };
        let wrong_claim = AttemptRecord { claim: Claim(9999), ..world.attempt(&delivery, NextStep::Dead, world.at(4)) };
        let records = vec![late.clone(), gone, wrong_claim, late];
        let recorded = world.store().queue.record(records.into(), world.at(5)).await.unwrap();
        assert_eq!(recorded, [Recorded::Late, Recorded::Gone, Recorded::Late, Recorded::Late]);
        let detail = world.store().deliveries.get(delivery.id).await.unwrap();
        assert_eq!((detail.delivery.state, detail.delivery.finished_at), (Dead, Some(world.at(2))));
        assert_eq!((detail.delivery.attempts_made, detail.attempts.len()), (3, 3));
        assert_eq!(world.states(world.ordered, incident.id).await, [Dead, Scheduled]);
    }

    async fn a_receiver_that_is_gone_disables_its_webhook_once(world: &mut World) {
        let incident = world.trigger("one").await;
        world.trigger("two").await;
        world.act(incident.id, IncidentAction::Resolve, world.at(1)).await;
        let claimed = world.claim(world.ordered, 2, world.at(2)).await.deliveries;
        let gone = |index: usize, reason: &str| AttemptRecord {
            disable_webhook: Some(reason.into()),
            ..world.attempt(&claimed[index], NextStep::Dead, world.at(3))
        };
        let records = vec![gone(0, "answered 410"), gone(1, "answered 410 again")];
        world.dispatcher.forget();
        world.store().queue.record(records.into(), world.at(3)).await.unwrap();
        assert_eq!(world.backend.disabled_reason(world.ordered).await.as_deref(), Some("answered 410"));
        assert_eq!(*world.dispatcher.changed.lock().unwrap(), [world.ordered]);
        assert_eq!(world.dispatcher.woken(), []);
        assert_eq!(world.states(world.ordered, incident.id).await, [Dead, Held]);
        assert_eq!(world.backend.audited(&world.ordered.to_string()).await, ["webhook.disable"]);
        world.act(incident.id, IncidentAction::Reopen, world.at(4)).await;
        assert_eq!(world.states(world.ordered, incident.id).await, [Dead, Held, Held]);
        assert_eq!(world.backend.disabled_reason(world.loose).await, None);
    }

    async fn an_answer_full_of_nuls_is_recorded(world: &mut World) {
        const NULS: &str = "\0a\0\0b\0";
        let incident = world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(1)).await.deliveries.remove(0);
        let retry = NextStep::Retry { at: world.at(9) };
        let mut record = world.attempt(&delivery, retry, world.at(2));
        if let Outcome::Failed(failure) = &mut record.attempt.outcome {
            failure.detail = NULS.into();
        }
        record.attempt.response_head = format!("server: {NULS}");
        record.attempt.response_body = NULS.into();
        record.attempt.note = Some(NULS.into());
        record.state_updates = StateUpdates {
            message_ref: Patch::Set(NULS.into()),
            continuation: Patch::Set(NULS.into()),
            discovered_settings: Some(NULS.into()),
            ticket: None,
        };
        record.disable_webhook = Some(NULS.into());
        let recorded = world.store().queue.record([record].into(), world.at(2)).await;
        assert_eq!(recorded, Ok(vec![Recorded::Applied]));
        let detail = world.store().deliveries.get(delivery.id).await.unwrap();
        let attempt = &detail.attempts[0];
        let without = |text: &str| text.replace('\0', "");
        assert_eq!(without(&attempt.outcome.failure().unwrap().detail), "ab");
        assert_eq!(without(&attempt.response_head), "server: ab");
        assert_eq!(attempt.response_body, NULS);
        let reason = world.backend.disabled_reason(world.ordered).await.unwrap();
        assert_eq!(without(&reason), "ab");
        let degraded = Degraded { since: world.at(3), code: FailureCode::ServerError, detail: Some(NULS.into()) };
        world.store().endpoints.set_degraded(world.loose, Some(degraded), world.at(3)).await.unwrap();
        let known = world.store().endpoints.load_message_ref(world.ordered, incident.id).await.unwrap();
        assert_eq!(known.map(|known| without(&known.text)).as_deref(), Some("ab"));
    }
}
