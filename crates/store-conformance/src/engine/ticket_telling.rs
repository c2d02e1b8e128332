//! What an incident's tickets are told without an event.

use crate::cases;

use super::world::World;

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
