//! What an incident's tickets are told without an event.

use model::delivery::{ClaimedDelivery, DeliveryState, NextStep};
use model::event::EventName;
use model::id::IncidentId;
use model::incident::IncidentAction;
use model::ticket::TicketPhase;
use model::time::Timestamp;
use store::queue::AttemptRecord;
use store::tickets::{Requested, TicketContent};
use store::upkeep::Retention;

use crate::cases;

use super::tickets::{seen, ticket};
use super::world::World;

impl World {
    /// Whatever was made before then and is over is pruned, and all that depends on it.
    async fn prune_before(&mut self, before: Timestamp) {
        self.prune(before, before).await;
    }

    async fn prune(&mut self, delivered_before: Timestamp, dead_before: Timestamp) {
        let retention = Retention {
            delivered_before,
            dead_before,
            receipts_before: Timestamp::EPOCH,
            activity_before: Timestamp::EPOCH,
            message_refs_before: Timestamp::EPOCH,
            inbox_requests_before: Timestamp::EPOCH,
            alerts_before: Timestamp::EPOCH,
            expired_by: Timestamp::EPOCH,
        };
        while self.store().upkeep.prune(retention).await.unwrap() > 0 {}
        self.bystanders.accept_changes(self.backend.as_ref()).await;
    }

    async fn content(&self, incident_id: IncidentId) -> TicketContent {
        let recalled = self.store().tickets.load_context(self.ordered, incident_id).await;
        recalled.unwrap().content()
    }

    /// The ticket was told what was known of its incident.
    async fn tell_knowing(&self, delivery: &ClaimedDelivery, known: TicketContent, at: Timestamp) {
        let record = AttemptRecord {
            state_updates: seen(ticket(1, TicketPhase::New)),
            ticket_content: Some(Box::new(known)),
            ..self.attempt(delivery, NextStep::Delivered, at)
        };
        self.store().queue.record([record].into(), at).await.unwrap();
    }
}

cases! {
    engine::ticket_telling;

    async fn a_new_assignee_is_told_to_the_ticket_without_an_event(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        let edit = store::incidents::IncidentEdit {
            assignee: Some(Some(world.bob)),
            ..Default::default()
        };
        world.store().incidents.edit(incident_id, edit, world.change(world.at(2000))).await.unwrap();
        let again = world.claim(world.ordered, 9, world.at(2000)).await.deliveries;
        assert_eq!(again.len(), 1);
        let recalled = world.store().tickets.load_context(world.ordered, incident_id).await.unwrap();
        assert_eq!(recalled.assignee.map(|user| user.id), Some(world.bob));
    }

    async fn an_open_incident_tells_its_ticket_long_after_all_that_was_delivered_is_pruned(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        world.finish_next(world.loose, NextStep::Delivered, world.at(1000)).await;
        let later = world.at(60_000);
        world.prune_before(later).await;
        assert_eq!(world.lane(world.ordered, incident_id).await.len(), 0);
        let edit = store::incidents::IncidentEdit {
            assignee: Some(Some(world.bob)),
            ..Default::default()
        };
        world.store().incidents.edit(incident_id, edit, world.change(later)).await.unwrap();
        let told = world.claim(world.ordered, 9, later).await.deliveries.remove(0);
        assert_eq!(told.event.name, EventName::Triggered);
        world.tell(&told, seen(ticket(1, TicketPhase::New)), later).await;
        // Once it is over, nothing is kept for it.
        world.act(incident_id, IncidentAction::Resolve, later).await;
        for webhook in [world.ordered, world.loose] {
            world.finish_next(webhook, NextStep::Delivered, later).await;
        }
        world.prune_before(world.at(120_000)).await;
        let left = world.store().events.list_after(0, 100).await.unwrap();
        assert!(left.iter().all(|event| event.incident_id != incident_id), "{left:?}");
    }

    async fn a_ticket_can_be_asked_for_after_all_that_was_delivered_is_pruned(world: &mut World) {
        let incident_id = world.trigger("one").await.id;
        for webhook in [world.ordered, world.loose] {
            world.finish_next(webhook, NextStep::Delivered, world.at(1000)).await;
        }
        let later = world.at(60_000);
        world.prune_before(later).await;
        let tickets = &world.store().tickets;
        let requested = tickets.request(incident_id, world.ordered, world.change(later)).await.unwrap();
        let told = world.claim(world.ordered, 9, later).await.deliveries.remove(0);
        assert_eq!((requested, told.event.name), (Requested::OnItsWay(told.id), EventName::Triggered));
    }

    async fn a_ticket_is_told_although_only_a_delivery_of_an_earlier_event_is_left(world: &mut World) {
        let incident_id = world.trigger("one").await.id;
        world.finish_next(world.ordered, NextStep::Dead, world.at(1)).await;
        world.act(incident_id, IncidentAction::Acknowledge, world.at(2000)).await;
        let told = world.claim(world.ordered, 9, world.at(2000)).await.deliveries.remove(0);
        world.tell(&told, seen(ticket(1, TicketPhase::InProgress)), world.at(2000)).await;
        let later = world.at(60_000);
        world.prune(later, Timestamp::EPOCH).await;
        assert_eq!(world.states(world.ordered, incident_id).await, [DeliveryState::Dead]);
        let edit = store::incidents::IncidentEdit {
            assignee: Some(Some(world.bob)),
            ..Default::default()
        };
        world.store().incidents.edit(incident_id, edit, world.change(later)).await.unwrap();
        let again = world.claim(world.ordered, 9, later).await.deliveries.remove(0);
        assert_eq!(again.event.name, EventName::Acknowledged);
    }

    async fn what_changed_while_a_ticket_was_being_told_is_told_once_whatever_the_clock_shows(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        world.act(incident_id, IncidentAction::Acknowledge, world.at(2000)).await;
        let being_told = world.claim(world.ordered, 9, world.at(2000)).await.deliveries.remove(0);
        let before = world.content(incident_id).await;
        // The clock was an hour ahead when somebody took it, and has been set right since.
        let edit = store::incidents::IncidentEdit {
            assignee: Some(Some(world.bob)),
            ..Default::default()
        };
        world.store().incidents.edit(incident_id, edit, world.change(world.at(3_600_000))).await.unwrap();
        world.tell_knowing(&being_told, before, world.at(3000)).await;
        let again = world.claim(world.ordered, 9, world.at(3000)).await.deliveries.remove(0);
        assert_eq!(again.id, being_told.id);
        world.tell_knowing(&again, world.content(incident_id).await, world.at(4000)).await;
        assert_eq!(world.claim(world.ordered, 9, world.at(4000)).await.deliveries.len(), 0);
    }

    async fn an_edit_is_told_though_an_earlier_event_is_being_told_again(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        world.act(incident_id, IncidentAction::Acknowledge, world.at(2000)).await;
        world.finish_next(world.ordered, NextStep::Delivered, world.at(2000)).await;
        let first = world.lane(world.ordered, incident_id).await.remove(0);
        world.store().deliveries.replay(first.id, world.change(world.at(3000))).await.unwrap();
        let edit = store::incidents::IncidentEdit {
            assignee: Some(Some(world.bob)),
            ..Default::default()
        };
        world.store().incidents.edit(incident_id, edit, world.change(world.at(4000))).await.unwrap();
        let states = world.states(world.ordered, incident_id).await;
        assert_eq!(states, [DeliveryState::Scheduled, DeliveryState::Queued]);
    }

    async fn when_a_ticket_is_read_next_moves_with_the_clock(world: &mut World) {
        world.linked("one", 1).await;
        let polls = &world.store().ticket_polls;
        assert_eq!(polls.is_any_due(world.at(200_000)).await, Ok(false));
        world.store().queue.shift_schedule(world.at(2000), world.at(900_000), -101_000).await.unwrap();
        assert_eq!(polls.is_any_due(world.at(200_000)).await, Ok(true));
    }

    async fn what_people_write_is_known_to_the_ticket_and_sentences_of_the_server_are_not(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        let edit = store::incidents::IncidentEdit {
            title: Some("two".into()),
            ..Default::default()
        };
        let incidents = &world.store().incidents;
        incidents.edit(incident_id, edit, world.change(world.at(2000))).await.unwrap();
        let mut written = Vec::new();
        for (number, text) in (0..25).map(|number| (number, format!("note {number}"))) {
            let change = world.change(world.at(3000 + number));
            written.push((change.audit_id, text.clone()));
            incidents.add_note(incident_id, text, change).await.unwrap();
        }
        let recalled = world.store().tickets.load_context(world.ordered, incident_id).await.unwrap();
        let known: Vec<_> = recalled.notes.into_iter().map(|note| (note.id, note.text)).collect();
        assert_eq!(known, written[5..]);
        // Its webhook does not ask for notes: nothing is delivered for them.
        assert_eq!(world.claim(world.ordered, 9, world.at(9000)).await.deliveries.len(), 0);
    }
}
