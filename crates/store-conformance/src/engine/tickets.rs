//! Ticket links: intended before they are made, told by attempts, by hand, and by the ticket itself.

use model::attempt::{Outcome, StateUpdates};
use model::audit::Actor;
use model::delivery::{Claim, ClaimedDelivery, DeliveryState, NextStep};
use model::id::IncidentId;
use model::incident::{IncidentAction, IncidentStatus};
use model::patch::Patch;
use model::ticket::{
    LinkState, LinkUpdate, POLL_INTERVAL, PollPurpose, Ticket, TicketLink, TicketNews, TicketPhase,
};
use model::time::Timestamp;
use store::StoreError;
use store::incidents::{Committed, TimelineKind};
use store::queue::AttemptRecord;
use store::tickets::{
    BUSY_WAIT, DuplicateCheck, IntentRecord, NotificationEffect, NotificationRecord, POLL_LEASE, PollOutcome,
    PollResult, Requested, TimelineComment,
};

use crate::cases;

use super::world::World;

pub(super) fn ticket(number: u32, phase: TicketPhase) -> Ticket {
    Ticket {
        id: format!("1000{number}"),
        key: format!("OPS-{number}"),
        url: format!("https://jira.example/browse/OPS-{number}"),
        phase,
        status: phase.as_str().to_owned(),
    }
}

pub(super) fn seen(ticket: Ticket) -> StateUpdates {
    let update = LinkUpdate {
        news: Some(TicketNews::Seen(ticket)),
        error: None,
        workflow: Patch::Keep,
    };
    StateUpdates {
        ticket: Some(update),
        ..StateUpdates::default()
    }
}

impl World {
    async fn link(&self, incident_id: IncidentId) -> Option<TicketLink> {
        let recalled = self.store().tickets.load_context(self.ordered, incident_id).await;
        recalled.unwrap().link
    }

    async fn workflow(&self, incident_id: IncidentId) -> Option<String> {
        let recalled = self.store().tickets.load_context(self.ordered, incident_id).await;
        recalled.unwrap().workflow
    }

    async fn intend(&self, delivery: &ClaimedDelivery, progress: Option<&str>, at: Timestamp) -> bool {
        let intent = IntentRecord {
            delivery_id: delivery.id,
            claim: delivery.claim,
            webhook_id: delivery.webhook_id,
            incident_id: delivery.event.incident_id,
            workflow: progress.map(str::to_owned),
            at,
        };
        self.store().tickets.intend(intent).await.unwrap()
    }

    pub(super) async fn tell(&self, delivery: &ClaimedDelivery, legacy: StateUpdates, at: Timestamp) {
        let record = AttemptRecord {
            state_updates: legacy,
            ..self.attempt(delivery, NextStep::Delivered, at)
        };
        self.store().queue.record([record].into(), at).await.unwrap();
    }

    /// An incident with a linked ticket that is new, at one second.
    pub(super) async fn linked(&self, title: &str, number: u32) -> IncidentId {
        let incident = self.trigger(title).await;
        let delivery = self.claim(self.ordered, 1, self.at(0)).await.deliveries.remove(0);
        self.tell(&delivery, seen(ticket(number, TicketPhase::New)), self.at(1000))
            .await;
        incident.id
    }

    async fn look(&self, incident_id: IncidentId, phase: TicketPhase, at: Timestamp) -> PollOutcome {
        let link = self.link(incident_id).await.unwrap();
        let looked = PollResult {
            webhook_id: self.ordered,
            incident_id,
            version: link.version,
            purpose: PollPurpose::ForChanges,
            ticket: ticket(1, phase),
            comments: Vec::new(),
            asked_by: None,
            event_id: self.event_id(at),
            change: self.change(at),
        };
        self.store().ticket_polls.record_poll(looked).await.unwrap()
    }

    async fn hint(&self, ticket_id: &str, receipt: &str, at: Timestamp) -> NotificationEffect {
        let hint = NotificationRecord {
            ticket_id: ticket_id.into(),
            marker: None,
            receipt: Some(receipt.into()),
        };
        self.store()
            .ticket_polls
            .record_notification(self.ordered, hint, at)
            .await
            .unwrap()
    }
}

cases! {
    engine::tickets;

    async fn an_intention_is_on_record_before_the_ticket_is_and_counts_each_try(world: &mut World) {
        let incident = world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(0)).await.deliveries.remove(0);
        assert!(world.intend(&delivery, None, world.at(10)).await);
        assert!(world.intend(&delivery, None, world.at(20)).await);
        let link = world.link(incident.id).await.unwrap();
        let LinkState::Intended(intent) = &link.state else { panic!("not intended: {link:?}") };
        assert_eq!((intent.at, intent.creates), (world.at(20), 2));
        world.tell(&delivery, seen(ticket(1, TicketPhase::New)), world.at(30)).await;
        let link = world.link(incident.id).await.unwrap();
        assert_eq!(link.ticket(), Some(&ticket(1, TicketPhase::New)));
        assert_eq!((link.event_sequence, link.last_synced_at), (delivery.event.sequence, Some(world.at(30))));
    }

    async fn whoever_lost_the_claim_may_not_make_a_ticket(world: &mut World) {
        let incident = world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(0)).await.deliveries.remove(0);
        let late = ClaimedDelivery { claim: Claim(9999), ..delivery.clone() };
        assert!(!world.intend(&late, None, world.at(1)).await);
        assert_eq!(world.link(incident.id).await, None);
        world.tell(&delivery, seen(ticket(1, TicketPhase::New)), world.at(2)).await;
        assert!(!world.intend(&delivery, None, world.at(3)).await);
    }

    async fn what_a_delivery_is_about_to_do_is_known_after_a_crash(world: &mut World) {
        let incident = world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(0)).await.deliveries.remove(0);
        assert!(world.intend(&delivery, Some(r#"{"noting":1}"#), world.at(1)).await);
        world.store().queue.release(vec![(delivery.id, delivery.claim)]).await.unwrap();
        world.claim(world.ordered, 1, world.at(2)).await.deliveries.remove(0);
        assert_eq!(world.workflow(incident.id).await.as_deref(), Some(r#"{"noting":1}"#));
        assert_eq!(world.link(incident.id).await, None);
    }

    async fn a_failed_attempt_says_on_the_link_why_and_a_step_leaves_it(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        world.act(incident_id, IncidentAction::Acknowledge, world.at(2000)).await;
        let delivery = world.claim(world.ordered, 1, world.at(2000)).await.deliveries.remove(0);
        let failed = LinkUpdate { news: None, error: Some("no way".into()), workflow: Patch::Keep };
        let state_updates = StateUpdates { ticket: Some(failed), ..StateUpdates::default() };
        let retry = NextStep::Retry { at: world.at(3000) };
        let record = AttemptRecord { state_updates, ..world.attempt(&delivery, retry, world.at(2500)) };
        world.store().queue.record([record].into(), world.at(2500)).await.unwrap();
        assert_eq!(world.link(incident_id).await.unwrap().last_error.as_deref(), Some("no way"));
        let again = world.claim(world.ordered, 1, world.at(3000)).await.deliveries.remove(0);
        let mut step = world.attempt(&again, NextStep::Retry { at: world.at(3000) }, world.at(3000));
        step.attempt.outcome = Outcome::Step;
        step.state_updates = seen(ticket(1, TicketPhase::InProgress));
        world.store().queue.record([step].into(), world.at(3000)).await.unwrap();
        let link = world.link(incident_id).await.unwrap();
        assert_eq!(link.last_error.as_deref(), Some("no way"));
        assert_eq!(link.ticket().unwrap().phase, TicketPhase::InProgress);
    }

    async fn a_ticket_that_moved_takes_its_incident_along_once(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        let PollOutcome::Followed(committed) = world.look(incident_id, TicketPhase::Done, world.at(5000)).await
        else { panic!("did not follow") };
        let Committed::Changed(incident) = *committed else { panic!("{committed:?}") };
        assert_eq!(incident.status, IncidentStatus::Resolved);
        // The event goes to the ticket's own webhook too; until it is delivered the ticket says nothing.
        assert_eq!(world.look(incident_id, TicketPhase::New, world.at(6000)).await, PollOutcome::Busy);
        let echo = world.claim(world.ordered, 1, world.at(6000)).await.deliveries.remove(0);
        world.tell(&echo, seen(ticket(1, TicketPhase::Done)), world.at(6500)).await;
        let again = world.look(incident_id, TicketPhase::Done, world.at(7000)).await;
        assert!(matches!(again, PollOutcome::InLine), "{again:?}");
    }

    async fn a_ticket_that_was_closed_while_an_event_went_there_is_news_for_its_incident(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        world.act(incident_id, IncidentAction::Acknowledge, world.at(2000)).await;
        let delivery = world.claim(world.ordered, 1, world.at(2000)).await.deliveries.remove(0);
        world.tell(&delivery, seen(ticket(1, TicketPhase::Done)), world.at(3000)).await;
        let link = world.link(incident_id).await.unwrap();
        assert_eq!((link.ticket().unwrap().phase, link.seen), (TicketPhase::Done, TicketPhase::New));
        assert_eq!(world.store().ticket_polls.take_due(world.at(3000), 9).await.unwrap().len(), 1);
        let followed = world.look(incident_id, TicketPhase::Done, world.at(3100)).await;
        assert!(matches!(followed, PollOutcome::Followed(_)), "{followed:?}");
    }

    async fn what_was_read_before_something_of_ours_went_there_counts_for_nothing(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        let before = world.link(incident_id).await.unwrap().version;
        world.act(incident_id, IncidentAction::Acknowledge, world.at(2000)).await;
        let delivery = world.claim(world.ordered, 1, world.at(2000)).await.deliveries.remove(0);
        world.tell(&delivery, seen(ticket(1, TicketPhase::InProgress)), world.at(3000)).await;
        let stale = PollResult {
            webhook_id: world.ordered,
            incident_id,
            version: before,
            purpose: PollPurpose::ForChanges,
            ticket: ticket(1, TicketPhase::Done),
            comments: Vec::new(),
            asked_by: None,
            event_id: world.event_id(world.at(3100)),
            change: world.change(world.at(3100)),
        };
        assert_eq!(world.store().ticket_polls.record_poll(stale).await.unwrap(), PollOutcome::Busy);
        let incident = world.store().incidents.get(incident_id).await.unwrap();
        assert_eq!(incident.status, IncidentStatus::Acknowledged);
    }

    async fn tickets_are_taken_when_they_are_due_and_by_one_alone(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        let looks = &world.store().ticket_polls;
        assert!(looks.take_due(world.at(1000), 9).await.unwrap().is_empty());
        let due_at = world.at(1000).plus(POLL_INTERVAL);
        let due = looks.take_due(due_at, 9).await.unwrap();
        assert_eq!(due.iter().map(|look| look.link.incident_id).collect::<Vec<_>>(), [incident_id]);
        assert!(looks.take_due(due_at, 9).await.unwrap().is_empty());
        assert_eq!(looks.take_due(due_at.plus(POLL_LEASE), 9).await.unwrap().len(), 1);
        looks.record_failed_poll(world.ordered, incident_id, "10001".into(), "asleep".into(), due_at).await.unwrap();
        let link = world.link(incident_id).await.unwrap();
        assert_eq!(link.last_error.as_deref(), Some("asleep"));
        assert!(looks.take_due(due_at.plus(POLL_INTERVAL), 9).await.unwrap().is_empty());
        assert_eq!(looks.take_due(due_at.plus(2 * POLL_INTERVAL), 9).await.unwrap().len(), 1);
    }

    async fn a_call_has_its_ticket_looked_at_and_the_same_call_again_does_not(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        let looks = &world.store().ticket_polls;
        assert_eq!(world.hint("10001", "call-1", world.at(2000)).await, NotificationEffect::PollDue);
        assert_eq!(looks.take_due(world.at(2000), 9).await.unwrap().len(), 1);
        assert_eq!(world.hint("10001", "call-1", world.at(2001)).await, NotificationEffect::Nothing);
        assert!(looks.take_due(world.at(2001), 9).await.unwrap().is_empty());
        assert_eq!(world.hint("999", "call-2", world.at(2002)).await, NotificationEffect::Nothing);
        let busy = world.act(incident_id, IncidentAction::Acknowledge, world.at(2003)).await;
        assert!(matches!(busy, Committed::Changed(_)));
        assert_eq!(world.look(incident_id, TicketPhase::Done, world.at(2004)).await, PollOutcome::Busy);
        // While something of ours is on its way there, it is not even asked for.
        let soon = world.at(2004).plus(BUSY_WAIT);
        assert!(looks.take_due(soon, 9).await.unwrap().is_empty());
        let delivery = world.claim(world.ordered, 1, soon).await.deliveries.remove(0);
        world.tell(&delivery, seen(ticket(1, TicketPhase::InProgress)), soon).await;
        assert_eq!(looks.take_due(soon.plus(BUSY_WAIT), 9).await.unwrap().len(), 1);
    }

    async fn a_call_that_names_our_marker_finds_a_ticket_whose_making_got_no_answer(world: &mut World) {
        let incident = world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(0)).await.deliveries.remove(0);
        world.intend(&delivery, None, world.at(1)).await;
        world.record(&delivery, NextStep::Retry { at: world.at(60_000) }, world.at(2)).await;
        let hint = NotificationRecord { ticket_id: "10007".into(), marker: Some((incident.id, 1)), receipt: None };
        let looks = &world.store().ticket_polls;
        let other = NotificationRecord { marker: Some((incident.id, 2)), ..hint.clone() };
        assert_eq!(looks.record_notification(world.ordered, other, world.at(3)).await.unwrap(), NotificationEffect::Nothing);
        assert_eq!(looks.record_notification(world.ordered, hint, world.at(3)).await.unwrap(), NotificationEffect::Found);
        let LinkState::Intended(intent) = world.link(incident.id).await.unwrap().state else { panic!("not intended") };
        assert_eq!(intent.hinted.as_deref(), Some("10007"));
        assert_eq!(world.claim(world.ordered, 1, world.at(3)).await.deliveries.len(), 1);
    }

    async fn a_ticket_by_hand_is_made_from_the_latest_event_whether_it_was_wanted_or_not(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        let tickets = &world.store().tickets;
        tickets.unlink(incident_id, world.ordered, world.change(world.at(2000))).await.unwrap();
        let link = world.link(incident_id).await.unwrap();
        assert_eq!((&link.state, link.generation), (&LinkState::Unlinked, 2));
        let requested = tickets.request(incident_id, world.ordered, world.change(world.at(3000))).await.unwrap();
        let delivery = world.claim(world.ordered, 1, world.at(3000)).await.deliveries.remove(0);
        assert_eq!(requested, Requested::OnItsWay(delivery.id));
        let link = world.link(incident_id).await.unwrap();
        assert_eq!((&link.state, link.event_sequence), (&LinkState::Wanted, 0));
        world.tell(&delivery, seen(ticket(2, TicketPhase::New)), world.at(3500)).await;
        assert_eq!(world.states(world.ordered, incident_id).await, [DeliveryState::Delivered]);
        assert!(world.link(incident_id).await.unwrap().marker().ends_with("-2"));
        let notes = world.store().incidents.timeline(incident_id).await.unwrap();
        let notes = notes.into_iter().filter_map(|entry| match entry.kind {
            TimelineKind::Note(sentence) => Some(sentence),
            TimelineKind::Event { .. } => None,
        });
        assert_eq!(notes.collect::<Vec<_>>(), [
            "became the incident's ticket",
            "unlinked the ticket OPS-1",
            "asked for a ticket",
            "became the incident's ticket",
        ]);
    }

    async fn while_a_ticket_is_being_told_something_it_is_not_unlinked(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        world.act(incident_id, IncidentAction::Acknowledge, world.at(2000)).await;
        let delivery = world.claim(world.ordered, 1, world.at(2000)).await.deliveries.remove(0);
        let tickets = &world.store().tickets;
        let busy = tickets.unlink(incident_id, world.ordered, world.change(world.at(2100))).await;
        assert!(matches!(busy, Err(StoreError::Conflict(_))), "{busy:?}");
        let mut retry = world.attempt(&delivery, NextStep::Retry { at: world.at(9000) }, world.at(2200));
        let about = LinkUpdate { workflow: Patch::Set(r#"{"about":"OPS-1"}"#.into()), ..LinkUpdate::default() };
        retry.state_updates.ticket = Some(about);
        world.store().queue.record([retry].into(), world.at(2200)).await.unwrap();
        tickets.unlink(incident_id, world.ordered, world.change(world.at(2300))).await.unwrap();
        assert_eq!(world.workflow(incident_id).await, None);
    }

    async fn a_create_that_is_known_to_have_made_nothing_is_as_if_there_had_been_none(world: &mut World) {
        let incident = world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(0)).await.deliveries.remove(0);
        world.intend(&delivery, None, world.at(1)).await;
        let news = LinkUpdate { news: Some(TicketNews::NotMade), error: Some("refused".into()), workflow: Patch::Keep };
        world.tell(&delivery, StateUpdates { ticket: Some(news), ..StateUpdates::default() }, world.at(2)).await;
        assert_eq!(world.link(incident.id).await, None);
        let shown = world.store().tickets.of_incident(incident.id).await.unwrap();
        assert!(shown.is_empty(), "{shown:?}");
    }

    async fn a_ticket_whose_first_delivery_dies_is_looked_at_all_the_same(world: &mut World) {
        world.trigger("one").await;
        let delivery = world.claim(world.ordered, 1, world.at(0)).await.deliveries.remove(0);
        let record = AttemptRecord {
            state_updates: seen(ticket(1, TicketPhase::New)),
            ..world.attempt(&delivery, NextStep::Dead, world.at(1))
        };
        world.store().queue.record([record].into(), world.at(1)).await.unwrap();
        let due = world.store().ticket_polls.take_due(world.at(1).plus(POLL_INTERVAL), 9).await.unwrap();
        assert_eq!(due.len(), 1);
    }

    async fn a_replay_of_what_died_knows_what_was_written_already(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        world.act(incident_id, IncidentAction::Acknowledge, world.at(2000)).await;
        let delivery = world.claim(world.ordered, 1, world.at(2000)).await.deliveries.remove(0);
        let mut dead = world.attempt(&delivery, NextStep::Dead, world.at(2100));
        let noted = LinkUpdate {
            news: Some(TicketNews::Seen(ticket(1, TicketPhase::New))),
            workflow: Patch::Set(r#"{"noted":1}"#.into()),
            error: None,
        };
        dead.state_updates.ticket = Some(noted);
        world.store().queue.record([dead].into(), world.at(2100)).await.unwrap();
        world.store().deliveries.replay(delivery.id, world.change(world.at(2200))).await.unwrap();
        assert_eq!(world.claim(world.ordered, 1, world.at(2300)).await.deliveries.len(), 1);
        assert_eq!(world.workflow(incident_id).await.as_deref(), Some(r#"{"noted":1}"#));
    }

    async fn a_ticket_belongs_to_one_incident(world: &mut World) {
        let first = world.linked("one", 1).await;
        let second = world.trigger("two").await.id;
        let tickets = &world.store().tickets;
        let busy = tickets.link(second, world.ordered, ticket(2, TicketPhase::New), world.change(world.at(10))).await;
        assert!(matches!(busy, Err(StoreError::Conflict(_))), "an event is on its way: {busy:?}");
        world.finish_next(world.ordered, NextStep::Delivered, world.at(20)).await;
        let taken = tickets.link(second, world.ordered, ticket(1, TicketPhase::New), world.change(world.at(30))).await;
        assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
        tickets.link(second, world.ordered, ticket(2, TicketPhase::New), world.change(world.at(40))).await.unwrap();
        let again = tickets.link(first, world.ordered, ticket(3, TicketPhase::New), world.change(world.at(50))).await;
        assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
        assert_eq!(tickets.count_linked(world.ordered).await.unwrap(), 2);
        // The ticket is told of the incident.
        assert_eq!(world.claim(world.ordered, 9, world.at(60)).await.deliveries.len(), 1);
    }

    async fn of_two_tickets_the_older_stays_and_the_timeline_says_so(world: &mut World) {
        let incident_id = world.linked("one", 2).await;
        let older = ticket(1, TicketPhase::New);
        let looks = &world.store().ticket_polls;
        looks.record_duplicate_check(world.ordered, incident_id, "10002".into(), DuplicateCheck::Merged(Some(older.clone())), world.change(world.at(9))).await.unwrap();
        assert_eq!(world.link(incident_id).await.unwrap().ticket(), Some(&older));
        let timeline = world.store().incidents.timeline(incident_id).await.unwrap();
        assert!(timeline.iter().any(|entry| matches!(&entry.kind, TimelineKind::Note(text) if text.contains("OPS-1"))));
    }

    async fn comments_come_into_the_timeline_once(world: &mut World) {
        let incident_id = world.linked("one", 1).await;
        let link = world.link(incident_id).await.unwrap();
        let actor = Actor::Ticket { webhook_id: world.ordered, name: "Ada".into() };
        let comment = TimelineComment {
            at: world.at(4000),
            actor: actor.clone(),
            sentence: "commented: on it".into(),
            id: world.change(world.at(4000)).audit_id,
        };
        let looked = PollResult {
            webhook_id: world.ordered,
            incident_id,
            version: link.version,
            purpose: PollPurpose::ForChanges,
            ticket: ticket(1, TicketPhase::New),
            comments: vec![comment],
            asked_by: None,
            event_id: world.event_id(world.at(5000)),
            change: world.change(world.at(5000)),
        };
        world.store().ticket_polls.record_poll(looked).await.unwrap();
        assert_eq!(world.link(incident_id).await.unwrap().comments_until, world.at(4000));
        let timeline = world.store().incidents.timeline(incident_id).await.unwrap();
        let last = timeline.last().unwrap();
        assert_eq!((&last.actor, &last.kind), (&actor, &TimelineKind::Note("commented: on it".into())));
    }
}
