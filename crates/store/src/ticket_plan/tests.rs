//! The rules, row by row.

use model::event::EventName;
use model::patch::Patch;
use model::ticket::{LinkUpdate, TicketNews};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1000)
}

fn row() -> LinkRow {
    let incident_id = IncidentId::new(at(0), [1; 10]);
    LinkRow::new(WebhookId::new(at(0), [2; 10]), incident_id, at(0))
}

fn ticket(phase: TicketPhase) -> Ticket {
    Ticket {
        id: "10001".into(),
        key: "OPS-1".into(),
        url: "https://example.com/OPS-1".into(),
        phase,
        status: "?".into(),
    }
}

fn facts(update: &LinkUpdate, event: EventName) -> AttemptFacts<'_> {
    AttemptFacts {
        update,
        event: Some(event),
        event_sequence: 3,
        is_step: false,
        is_delivered: true,
        is_over: true,
        owner: None,
        incident: Some(IncidentStanding {
            status: IncidentStatus::Acknowledged,
            resolved_at: None,
        }),
    }
}

fn seen(phase: TicketPhase) -> LinkUpdate {
    LinkUpdate {
        news: Some(TicketNews::Seen(ticket(phase))),
        ..LinkUpdate::default()
    }
}

#[test]
fn a_ticket_that_another_incident_has_is_not_linked_and_what_was_learned_of_it_is_forgotten() {
    let update = LinkUpdate {
        workflow: Patch::Set("{}".into()),
        ..seen(TicketPhase::New)
    };
    let other = IncidentId::new(at(0), [9; 10]);
    let facts = AttemptFacts {
        owner: Some(other),
        ..facts(&update, EventName::Triggered)
    };
    let before = row().about_to("{\"sending\":1}".into(), at(1));
    let plan = after_attempt(Some(before), row(), &facts, at(2));
    let after = plan.row.unwrap();
    assert_eq!(plan.belongs_to, Some(other));
    assert_eq!((after.ticket(), &after.workflow), (None, &None));
}

#[test]
fn nothing_is_written_of_an_attempt_that_says_nothing_of_a_ticket() {
    let update = LinkUpdate::default();
    let plan = after_attempt(None, row(), &facts(&update, EventName::Resolved), at(2));
    assert_eq!(plan.row, None);
}

#[test]
fn a_ticket_that_stands_elsewhere_than_the_event_wants_is_read_at_once() {
    let link = |phase| {
        let update = seen(phase);
        let before = row().join(&ticket(TicketPhase::New), at(1));
        let plan = after_attempt(
            Some(before),
            row(),
            &facts(&update, EventName::Acknowledged),
            at(2),
        );
        plan.row.unwrap()
    };
    let agreed = link(TicketPhase::InProgress);
    assert_eq!(
        (agreed.seen, agreed.next_poll_at),
        (TicketPhase::InProgress, Some(at(1)))
    );
    let moved = link(TicketPhase::Done);
    assert_eq!((moved.seen, moved.next_poll_at), (TicketPhase::New, Some(at(2))));
}

#[test]
fn a_ticket_that_was_closed_before_it_was_known_here_is_news() {
    let link = |event, phase| {
        let update = seen(phase);
        let looking = row().intend(at(1)).unwrap();
        let plan = after_attempt(Some(looking), row(), &facts(&update, event), at(2));
        let row = plan.row.unwrap();
        (row.seen, row.next_poll_at)
    };
    let closed = link(EventName::Escalated, TicketPhase::Done);
    assert_eq!(closed, (TicketPhase::New, Some(at(2))));
    let agreed = link(EventName::Resolved, TicketPhase::Done);
    assert_eq!(agreed.0, TicketPhase::Done);
    // Where tickets begin is their system's affair.
    let begun = link(EventName::Triggered, TicketPhase::InProgress);
    assert_eq!(begun.0, TicketPhase::InProgress);
}

#[test]
fn an_older_ticket_that_was_closed_before_it_was_found_is_news() {
    let seen = |phase| {
        let older = Ticket {
            id: "10000".into(),
            ..ticket(phase)
        };
        let newer = row().join(&ticket(TicketPhase::InProgress), at(1));
        let found = DuplicateCheck::Merged(Some(older));
        let (row, is_replaced) = newer
            .checked_for_duplicates("10001", &found, None, at(2))
            .unwrap();
        assert!(is_replaced);
        row.seen
    };
    assert_eq!(seen(TicketPhase::Done), TicketPhase::InProgress);
    assert_eq!(seen(TicketPhase::New), TicketPhase::New);
}

#[test]
fn whoever_asked_by_hand_is_remembered_while_a_create_fails() {
    let update = LinkUpdate {
        news: Some(TicketNews::NotMade),
        ..LinkUpdate::default()
    };
    let facts = facts(&update, EventName::Triggered);
    let after = |row: LinkRow| {
        after_attempt(Some(row), self::row(), &facts, at(3))
            .row
            .unwrap()
            .state
    };
    let intended = row().intend(at(1)).unwrap();
    assert_eq!(after(intended.clone()), None);
    assert_eq!(after(intended.ask(at(2)).unwrap()), Some(LinkState::Wanted));
}

#[test]
fn a_create_leaves_only_where_a_ticket_may_be_missing() {
    let joined = row().join(&ticket(TicketPhase::New), at(1));
    assert_eq!(joined.clone().intend(at(2)), None);
    let parted = joined.part(at(2));
    assert_eq!((parted.generation, parted.clone().intend(at(3))), (2, None));
    let asked = parted.ask(at(3)).unwrap();
    assert_eq!(asked.intend(at(4)).unwrap().creates, 1);
}

#[test]
fn links_of_deleted_webhooks_are_never_due_again_and_those_of_disabled_ones_later() {
    let joined = row().join(&ticket(TicketPhase::New), at(1));
    let due = |webhook, is_busy| joined.due(webhook, is_busy, at(9));
    assert_eq!(due(WebhookStanding::Deleted, false).next_poll_at, None);
    assert_eq!(due(WebhookStanding::Disabled, false).poll, None);
    assert_eq!(
        due(WebhookStanding::Enabled, true).next_poll_at,
        Some(at(9).plus(BUSY_WAIT))
    );
    assert!(due(WebhookStanding::Enabled, false).poll.is_some());
}

#[test]
fn every_row_reads_back_from_its_text() {
    let linked = row()
        .join(&ticket(TicketPhase::Done), at(1))
        .about_to("{\"a\":1}".into(), at(2));
    let intended = row().intend(at(1)).unwrap().told_of_ticket("7", 1).unwrap();
    let asked = row().ask(at(1)).unwrap();
    let parted = linked.clone().part(at(3));
    for row in [row(), linked, intended, asked, parted] {
        let blank = LinkRow {
            state: None,
            workflow: None,
            seen: TicketPhase::New,
            creates: 0,
            is_asked: false,
            ..row.clone()
        };
        assert_eq!(
            crate::ticket_state::read(&crate::ticket_state::write(&row), blank),
            Some(row)
        );
    }
}
