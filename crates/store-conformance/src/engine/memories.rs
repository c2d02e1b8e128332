//! What attempts leave for later ones: the memory of an incident's message, the progress of a delivery, what was learned
//! about a webhook.

use std::time::Duration;

use model::attempt::StateUpdates;
use model::delivery::DeliveryState::Held;
use model::delivery::{Claim, NextStep, Spending};
use model::incident::IncidentAction;
use model::patch::Patch;
use store::queue::{AttemptRecord, Recorded};

fn remembering(text: &str) -> StateUpdates {
    StateUpdates {
        message_ref: Patch::Set(text.into()),
        ..StateUpdates::default()
    }
}

use crate::cases;

use super::world::World;

cases! {
    engine::memories;

    async fn a_message_is_remembered_for_its_webhook_and_incident_alone(world: &mut World) {
        let incident = world.trigger("one").await;
        let other = world.trigger("two").await;
        let delivery = world.claim(world.ordered, 1, world.at(1)).await.deliveries.remove(0);
        let record = AttemptRecord {
            state_updates: remembering("message 5"),
            ..world.attempt(&delivery, NextStep::Delivered, world.at(2))
        };
        world.store().queue.record([record].into(), world.at(2)).await.unwrap();
        let endpoints = &world.store().endpoints;
        let memory = endpoints.load_message_ref(world.ordered, incident.id).await.unwrap().unwrap();
        assert_eq!((memory.text.as_str(), memory.event_sequence), ("message 5", delivery.event.sequence));
        assert_eq!(endpoints.load_message_ref(world.ordered, other.id).await, Ok(None));
        assert_eq!(endpoints.load_message_ref(world.loose, incident.id).await, Ok(None));
    }

    async fn messages_of_open_incidents_are_read_with_the_event_that_they_tell_of(world: &mut World) {
        let mut open = Vec::new();
        for title in ["one", "two", "three", "resolved", "never told"] {
            open.push(world.trigger(title).await.id);
        }
        let never_told = open.pop();
        let claimed = world.claim(world.ordered, 5, world.at(1)).await.deliveries;
        for delivery in claimed.iter().filter(|delivery| Some(delivery.event.incident_id) != never_told) {
            let state_updates = remembering(&format!("of {}", delivery.event.sequence));
            let record = AttemptRecord { state_updates, ..world.attempt(delivery, NextStep::Delivered, world.at(2)) };
            world.store().queue.record([record].into(), world.at(2)).await.unwrap();
        }
        world.act(open.pop().unwrap(), IncidentAction::Resolve, world.at(3)).await;
        world.act(open[0], IncidentAction::Acknowledge, world.at(3)).await;
        open.sort();
        let endpoints = &world.store().endpoints;
        let first = endpoints.open_messages(world.ordered, None, 2).await.unwrap();
        let rest = endpoints.open_messages(world.ordered, Some(first[1].event.incident_id), 2).await.unwrap();
        let read: Vec<_> = first.iter().chain(&rest).collect();
        let ids: Vec<_> = read.iter().map(|message| message.event.incident_id).collect();
        assert_eq!(ids, open);
        for message in read {
            assert_eq!(message.text, format!("of {}", message.event.sequence));
            let told = claimed.iter().find(|delivery| delivery.event.incident_id == message.event.incident_id);
            let told = &told.unwrap().event;
            assert_eq!((message.event.id, message.event.sequence), (told.id, told.sequence));
            assert_eq!((message.event.name, &message.event.body), (told.name, &told.body));
        }
        assert!(endpoints.open_messages(world.loose, None, 10).await.unwrap().is_empty());
    }

    async fn a_memory_changes_and_goes_and_a_late_attempt_leaves_none(world: &mut World) {
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Acknowledge, world.at(1)).await;
        world.act(incident.id, IncidentAction::Resolve, world.at(2)).await;
        let endpoints = &world.store().endpoints;
        let mut seen = Vec::new();
        for message_ref in [Patch::Set("a".into()), Patch::Set("b".into()), Patch::Clear] {
            let delivery = world.claim(world.ordered, 1, world.at(9)).await.deliveries.remove(0);
            let state_updates = StateUpdates { message_ref, ..StateUpdates::default() };
            let record = AttemptRecord { state_updates, ..world.attempt(&delivery, NextStep::Delivered, world.at(9)) };
            let late = AttemptRecord { claim: Claim(9999), state_updates: remembering("late"), ..record.clone() };
            let recorded = world.store().queue.record([record, late].into(), world.at(9)).await;
            assert_eq!(recorded, Ok(vec![Recorded::Applied, Recorded::Late]));
            seen.push(endpoints.load_message_ref(world.ordered, incident.id).await.unwrap().map(|memory| memory.text));
        }
        assert_eq!(seen, [Some("a".into()), Some("b".into()), None]);
    }

    async fn the_next_attempt_finds_what_was_spent_and_left_and_a_replay_begins_anew(world: &mut World) {
        world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(1)).await.deliveries.remove(0);
        let spent = Spending { attempts: 1, follow_ups: 2, waited: Duration::from_secs(90), refusals: 1, steps: 3 };
        let state_updates = StateUpdates { continuation: Patch::Set("plain".into()), ..StateUpdates::default() };
        let retry = NextStep::Retry { at: world.at(5) };
        let record = AttemptRecord { spent, state_updates, ..world.attempt(&delivery, retry, world.at(2)) };
        world.store().queue.record([record].into(), world.at(2)).await.unwrap();
        let again = world.claim(world.ordered, 1, world.at(6)).await.deliveries.remove(0);
        assert_eq!((again.spent, again.continuation.as_deref()), (spent, Some("plain")));
        world.record(&again, NextStep::Dead, world.at(7)).await;
        let change = world.change(world.at(8));
        world.store().deliveries.replay(again.id, change).await.unwrap();
        let fresh = world.claim(world.ordered, 1, world.at(9)).await.deliveries.remove(0);
        assert_eq!((fresh.spent, fresh.continuation), (Spending::default(), None));
    }

    async fn a_replayed_event_does_not_take_the_memory_of_a_later_one(world: &mut World) {
        let incident = world.trigger("one").await;
        world.act(incident.id, IncidentAction::Resolve, world.at(1)).await;
        let first = world.finish_next(world.ordered, NextStep::Dead, world.at(2)).await;
        let second = world.claim(world.ordered, 1, world.at(3)).await.deliveries.remove(0);
        let record = AttemptRecord {
            state_updates: remembering("of the resolution"),
            ..world.attempt(&second, NextStep::Delivered, world.at(3))
        };
        world.store().queue.record([record].into(), world.at(3)).await.unwrap();
        world.store().deliveries.replay(first.id, world.change(world.at(4))).await.unwrap();
        let again = world.claim(world.ordered, 1, world.at(5)).await.deliveries.remove(0);
        let record = AttemptRecord {
            state_updates: remembering("of the trigger"),
            ..world.attempt(&again, NextStep::Delivered, world.at(5))
        };
        world.store().queue.record([record].into(), world.at(5)).await.unwrap();
        let memory = world.store().endpoints.load_message_ref(world.ordered, incident.id).await.unwrap();
        assert_eq!(memory.map(|memory| memory.text).as_deref(), Some("of the resolution"));
    }

    async fn of_what_is_learned_about_a_webhook_the_dispatcher_is_told(world: &mut World) {
        world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(1)).await.deliveries.remove(0);
        let state_updates = StateUpdates { discovered_settings: Some("elsewhere".into()), ..StateUpdates::default() };
        let retry = NextStep::Retry { at: world.at(2) };
        let record = AttemptRecord { state_updates, ..world.attempt(&delivery, retry, world.at(2)) };
        world.store().queue.record([record].into(), world.at(2)).await.unwrap();
        assert!(world.dispatcher.changed.lock().unwrap().contains(&world.ordered));
    }

    async fn a_delivery_on_hold_waits_for_its_webhook_to_be_enabled(world: &mut World) {
        let incident = world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(1)).await.deliveries.remove(0);
        let hold = NextStep::Hold { at: world.at(2) };
        let record = AttemptRecord {
            disable_webhook: Some("no such channel".into()),
            ..world.attempt(&delivery, hold, world.at(2))
        };
        world.store().queue.record([record].into(), world.at(2)).await.unwrap();
        assert_eq!(world.states(world.ordered, incident.id).await, [Held]);
        assert!(world.claim(world.ordered, 1, world.at(9)).await.deliveries.is_empty());
    }
}
