//! What every ticket system must do, played against a small world: the engine's part with every way in which a request can end.

mod play;
mod toy;
mod world;

use std::time::Duration;

use crate::workflow::Workflow;
use crate::workflow::conformance::play::{Ending, Play};
use crate::workflow::conformance::toy::Toy;
use crate::workflow::conformance::world::World;
use model::attempt::Outcome;
use model::event::EventName;
use model::ticket::TicketPhase;

/// The life of an incident.
const LIFE: [EventName; 6] = [
    EventName::Triggered,
    EventName::Escalated,
    EventName::Acknowledged,
    EventName::Escalated,
    EventName::Resolved,
    EventName::Reopened,
];
/// More than the requests of a life take.
const MAX_REQUESTS: usize = 60;

fn play() -> Play {
    Play::new(Workflow(Toy), World::default())
}

/// Lives a whole life, and says what became of each delivery.
fn live(play: &mut Play) -> Vec<Outcome> {
    let lived = LIFE.iter().zip(1..);
    lived
        .map(|(name, sequence)| play.deliver(*name, sequence))
        .collect()
}

/// One ticket, one comment for each event that is news (two escalations, two assignees) in their order, and the ticket where the
/// incident stands.
fn expect_one_of_each(play: &Play, told: &str) {
    let tickets = &play.world.tickets;
    assert_eq!(tickets.len(), 1, "{told}: {:#?}", play.story);
    let comments = &tickets[0].comments;
    let keys: Vec<usize> = comments.iter().map(|text| play.event_in(text)).collect();
    assert_eq!(keys, [2, 3, 4, 5], "{told}: {comments:#?} {:#?}", play.story);
    assert_eq!(tickets[0].status, "open", "{told}: {:#?}", play.story);
    assert_eq!(tickets[0].links, 1, "{told}: {:#?}", play.story);
}

#[test]
fn a_life_without_trouble_takes_one_ticket() {
    let mut play = play();
    let outcomes = live(&mut play);
    assert_eq!(
        outcomes,
        vec![Outcome::Delivered; LIFE.len()],
        "{:#?}",
        play.story
    );
    expect_one_of_each(&play, "no trouble");
    assert!(play.requests < MAX_REQUESTS);
}

#[test]
fn whatever_happens_at_one_request_there_is_one_ticket_and_each_comment_once() {
    for ending in Ending::ALL {
        for index in 0..MAX_REQUESTS {
            let mut play = play();
            play.endings = Box::new(move |request| {
                if request == index {
                    ending
                } else {
                    Ending::Answered
                }
            });
            live(&mut play);
            expect_one_of_each(&play, &format!("{ending:?} at request {index}"));
        }
    }
}

#[test]
fn whatever_happens_at_many_requests_there_is_one_ticket_and_each_comment_once() {
    let seed = std::collections::hash_map::RandomState::new();
    let seed = std::hash::BuildHasher::hash_one(&seed, 0u8);
    for round in 0..200u64 {
        let mut random = seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut play = play();
        play.endings = Box::new(move |_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let drawn = usize::try_from(random >> 33).unwrap_or_default();
            match drawn % 3 {
                0 => Ending::ALL[drawn / 3 % Ending::ALL.len()],
                _ => Ending::Answered,
            }
        });
        live(&mut play);
        expect_one_of_each(&play, &format!("seed {seed}, round {round}"));
    }
}

#[test]
fn a_search_that_lags_is_not_believed_too_early() {
    let mut play = play();
    play.world.find_lag = Duration::from_secs(50);
    play.endings = Box::new(|request| match request {
        1 => Ending::AnswerLost,
        _ => Ending::Answered,
    });
    live(&mut play);
    expect_one_of_each(&play, "a search that lags");
    assert!(
        play.story.iter().any(|line| line.contains("made after all")),
        "{:#?}",
        play.story
    );
}

#[test]
fn a_create_that_never_left_is_repeated_without_waiting() {
    let mut play = play();
    play.endings = Box::new(|request| match request {
        1 => Ending::NeverSent,
        _ => Ending::Answered,
    });
    assert_eq!(play.deliver(EventName::Triggered, 1), Outcome::Delivered);
    assert!(
        !play.story.iter().any(|line| line.contains("?mark=")),
        "{:#?}",
        play.story
    );
}

#[test]
fn a_rate_limit_holds_others_too_and_makes_nothing_twice() {
    let mut play = play();
    play.endings = Box::new(|request| {
        if request % 5 == 0 {
            Ending::Limited
        } else {
            Ending::Answered
        }
    });
    live(&mut play);
    expect_one_of_each(&play, "every fifth request limited");
    assert!(play.pauses > 0);
}

#[test]
fn an_event_that_is_delivered_again_is_not_noted_again() {
    let mut play = play();
    play.deliver(EventName::Triggered, 1);
    for _ in 0..2 {
        assert_eq!(play.deliver(EventName::Escalated, 2), Outcome::Delivered);
    }
    assert_eq!(play.world.tickets[0].comments.len(), 1);
}

#[test]
fn a_vanished_ticket_is_told_and_never_made_again() {
    let mut play = play();
    play.deliver(EventName::Triggered, 1);
    play.world.tickets.clear();
    let outcome = play.deliver(EventName::Acknowledged, 2);
    let failure = outcome.failure().expect("a failure");
    assert_eq!(failure.code, model::exchange::FailureCode::TicketLost);
    assert_eq!(play.world.tickets.len(), 0);
}

#[test]
fn a_ticket_that_somebody_closed_is_not_opened_by_an_acknowledgement() {
    let mut play = play();
    play.deliver(EventName::Triggered, 1);
    play.world.tickets[0].status = "closed";
    assert_eq!(play.deliver(EventName::Acknowledged, 2), Outcome::Delivered);
    assert_eq!(play.world.tickets[0].status, "closed");
    assert_eq!(play.phase(), Some(TicketPhase::Done));
}

#[test]
fn a_ticket_that_was_made_twice_is_merged_into_the_oldest_and_merging_again_does_nothing() {
    let mut play = play();
    play.deliver(EventName::Triggered, 1);
    let mut twin = play.world.tickets[0].clone();
    twin.id = 2;
    play.world.tickets.push(twin);
    let marked = play.marked();
    assert_eq!(marked.len(), 2);
    let requests = play.merge(&marked[0], &marked[1]);
    assert!(requests > 1);
    assert_eq!(
        (play.world.tickets[0].status, play.world.tickets[1].status),
        ("open", "closed")
    );
    assert_eq!(play.world.tickets[1].comments.len(), 1);
    assert_eq!(play.merge(&marked[0], &marked[1]), 1);
    assert_eq!(play.marked().len(), 1);
}

#[test]
fn what_is_kept_of_a_delivery_is_one_text_that_reads_back() {
    let mut play = play();
    play.endings = Box::new(|request| match request {
        6 => Ending::AnswerLost,
        _ => Ending::Answered,
    });
    live(&mut play);
    for state in &play.states {
        let text = serde_json::to_string(state).unwrap();
        assert_eq!(
            serde_json::from_str::<crate::workflow::state::TicketState>(&text).unwrap(),
            *state
        );
    }
    assert!(play.states.len() > LIFE.len());
}
