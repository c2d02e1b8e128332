//! Idempotency keys of triggers and transitions.

use model::incident::IncidentAction;
use store::incidents::{Committed, TransitionRequest, Trigger};
use store::receipts::{Answer, Receipt};

use crate::cases;

use super::world::{World, created};

fn receipt(key: &str, hash: u8) -> Option<Receipt> {
    Some(Receipt {
        owner: "key_1".into(),
        key: key.into(),
        request_hash: [hash; 32],
        render,
    })
}

fn render(committed: &Committed) -> Answer {
    let (status, text) = match committed {
        Committed::Created(incident) => (201, incident.title.clone()),
        Committed::Changed(incident) | Committed::Unchanged(incident) => (200, incident.title.clone()),
        Committed::Refused(_) => (409, "refused".into()),
        Committed::Repeated(_) | Committed::KeyMisused => panic!("these are not rendered"),
    };
    Answer {
        status,
        body: text.into_bytes(),
    }
}

fn answer(status: u16, body: &str) -> Committed {
    Committed::Repeated(Answer {
        status,
        body: body.into(),
    })
}

cases! {
    engine::repeated_requests;

    async fn a_repeated_trigger_gets_the_first_answer_and_makes_nothing(world: &mut World) {
        let trigger = |title: &str, hash| Trigger { receipt: receipt("k", hash), ..world.new_trigger(title) };
        let incidents = &world.store().incidents;
        let first = created(incidents.trigger(trigger("first", 1)).await.unwrap());
        assert_eq!(incidents.trigger(trigger("again", 1)).await, Ok(answer(201, "first")));
        assert_eq!(incidents.trigger(trigger("other", 2)).await, Ok(Committed::KeyMisused));
        let other_owner = Receipt { owner: "key_2".into(), ..receipt("k", 3).unwrap() };
        let of_other = Trigger { receipt: Some(other_owner), ..world.new_trigger("theirs") };
        created(incidents.trigger(of_other).await.unwrap());
        assert_eq!(world.lane(world.ordered, first.id).await.len(), 1);
        assert_eq!(world.backend.accepted(world.ordered).await, 2);
    }

    async fn transitions_keep_their_answers_whatever_they_came_to(world: &mut World) {
        let incident = world.trigger("one").await;
        let request = |action, key: &str| TransitionRequest {
            receipt: receipt(key, 1),
            ..world.new_transition(incident.id, action, world.at(1))
        };
        let incidents = &world.store().incidents;
        for (action, key, again) in [
            (IncidentAction::Resolve, "changed", answer(200, "one")),
            (IncidentAction::Resolve, "unchanged", answer(200, "one")),
            (IncidentAction::Escalate, "refused", answer(409, "refused")),
        ] {
            incidents.transition(request(action, key)).await.unwrap();
            assert_eq!(incidents.transition(request(action, key)).await, Ok(again));
        }
        assert_eq!(world.lane(world.ordered, incident.id).await.len(), 2);
    }

    async fn a_key_is_forgotten_after_a_day(world: &mut World) {
        let trigger = |title: &str, ms| Trigger {
            receipt: receipt("k", 1),
            change: world.change(world.at(ms)),
            ..world.new_trigger(title)
        };
        let day_ms = 24 * 3_600_000;
        let incidents = &world.store().incidents;
        created(incidents.trigger(trigger("first", 0)).await.unwrap());
        assert_eq!(incidents.trigger(trigger("late", day_ms)).await, Ok(answer(201, "first")));
        created(incidents.trigger(trigger("too late", day_ms + 1)).await.unwrap());
        assert_eq!(incidents.trigger(trigger("again", day_ms + 2)).await, Ok(answer(201, "too late")));
    }

    async fn a_request_that_fails_leaves_its_key_free(world: &mut World) {
        let unknown = world.new_trigger("one").incident_id;
        let request = |incident_id| TransitionRequest {
            receipt: receipt("k", 1),
            ..world.new_transition(incident_id, IncidentAction::Resolve, world.at(1))
        };
        let incidents = &world.store().incidents;
        assert!(incidents.transition(request(unknown)).await.is_err());
        let incident = world.trigger("one").await;
        let committed = incidents.transition(request(incident.id)).await.unwrap();
        assert!(matches!(committed, Committed::Changed(_)));
    }
}
