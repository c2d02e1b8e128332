//! The feed.

use model::audit::Actor;
use model::event::Event;
use model::event::EventName;
use model::incident::IncidentAction;

use crate::cases;

use super::world::World;

cases! {
    engine::events;

    async fn the_feed_has_every_event_in_the_order_of_commits_and_no_tests(world: &mut World) {
        let before = world.store().events.latest_sequence().await.unwrap();
        let incident = world.trigger("one").await;
        let at = world.at(1);
        let sample = Event::new(world.event_id(at), EventName::Triggered, &incident, Actor::System, at);
        world.store().queue.begin_test(world.ordered, sample).await.unwrap();
        world.act(incident.id, IncidentAction::Resolve, world.at(2)).await;
        let events = world.store().events.list_after(before, 10).await.unwrap();
        let names: Vec<_> = events.iter().map(|event| event.name).collect();
        assert_eq!(names, [EventName::Triggered, EventName::Resolved]);
        assert!(events[0].sequence < events[1].sequence);
        assert_eq!(world.store().events.latest_sequence().await, Ok(events[1].sequence));
        let rest = world.store().events.list_after(events[0].sequence, 1).await.unwrap();
        assert_eq!(rest[0].id, events[1].id);
        assert_eq!(rest[0].body, events[1].body);
        assert!(rest[0].body.starts_with(br#"{"event":"incident.resolved","timestamp":"2023-11-14T22:13:20Z""#));
    }
}
