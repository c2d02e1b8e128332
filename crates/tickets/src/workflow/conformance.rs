//! What every ticket system must do, played against the toy's small world and against the simulated systems: the engine's part
//! with every way in which a request can end.

mod play;
mod toy;
mod world;

use std::time::Duration;

use crate::forge::system::Issues;
use crate::workflow::conformance::play::{Ending, Play, at};
use crate::workflow::conformance::toy::Toy;
use crate::workflow::conformance::world::{Simulated, ToyWorld};
use crate::workflow::state::TicketState;
use crate::workflow::system::TicketSystem;
use destination::sample::Sample;
use destination::task::Intention;
use model::attempt::Outcome;
use model::event::EventName;
use model::exchange::FailureCode;
use model::ticket::TicketPhase;
use model::webhook::WebhookKind;

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

/// Tickets that others make while it is not known whether ours was made.
const OTHERS: u64 = 450;

/// Every property for every system.
macro_rules! conforming {
    ($($system:ident: $play:expr, $rounds:literal rounds;)*) => {
        $(mod $system {
            use super::*;

            #[test]
            fn a_life_without_trouble_takes_one_ticket() {
                super::a_life_without_trouble_takes_one_ticket($play);
            }

            #[test]
            fn whatever_happens_at_one_request_there_is_one_ticket_and_each_comment_once() {
                super::whatever_happens_at_one_request_there_is_one_ticket_and_each_comment_once(&|| $play);
            }

            #[test]
            fn whatever_happens_at_many_requests_there_is_one_ticket_and_each_comment_once() {
                super::whatever_happens_at_many_requests_there_is_one_ticket_and_each_comment_once(&|| $play, $rounds);
            }

            #[test]
            fn a_search_that_lags_is_not_believed_too_early() {
                super::a_search_that_lags_is_not_believed_too_early($play);
            }

            #[test]
            fn a_create_that_was_killed_in_a_storm_of_others_is_made_once() {
                super::a_create_that_was_killed_in_a_storm_of_others_is_made_once(&|| $play);
            }

            #[test]
            fn a_create_that_never_left_is_repeated_without_a_look() {
                super::a_create_that_never_left_is_repeated_without_a_look($play);
            }

            #[test]
            fn a_rate_limit_holds_others_too_and_makes_nothing_twice() {
                super::a_rate_limit_holds_others_too_and_makes_nothing_twice($play);
            }

            #[test]
            fn a_delivery_whose_turns_are_far_apart_comes_to_its_end() {
                super::a_delivery_whose_turns_are_far_apart_comes_to_its_end($play);
            }

            #[test]
            fn an_event_that_is_delivered_again_is_not_noted_again() {
                super::an_event_that_is_delivered_again_is_not_noted_again($play);
            }

            #[test]
            fn a_vanished_ticket_is_told_and_never_made_again() {
                super::a_vanished_ticket_is_told_and_never_made_again($play);
            }

            #[test]
            fn a_ticket_that_was_made_twice_is_merged_into_the_oldest_and_merging_again_does_nothing() {
                super::a_ticket_that_was_made_twice_is_merged_into_the_oldest_and_merging_again_does_nothing($play);
            }

            #[test]
            fn what_is_kept_of_a_delivery_is_one_text_that_reads_back() {
                super::what_is_kept_of_a_delivery_is_one_text_that_reads_back($play);
            }
        })*
    };
}

conforming! {
    the_toy: toy_play(), 200 rounds;
    jira: simulated(
        crate::jira::Jira,
        "jira",
        &[("account", "opsknight@example.com"), ("project", "OPS")],
        ("token", "good-token"),
    ), 40 rounds;
    servicenow: simulated(
        crate::servicenow::ServiceNow,
        "servicenow",
        &[("account", "opsknight.integration")],
        ("password", "good-password"),
    ), 40 rounds;
    github: simulated(
        Issues(crate::github::GitHub),
        "github",
        &[("acknowledgedLabel", "acknowledged")],
        ("token", "good-token"),
    ), 40 rounds;
    gitlab: simulated(
        Issues(crate::gitlab::GitLab),
        "gitlab",
        &[("acknowledgedLabel", "acknowledged")],
        ("token", "good-token"),
    ), 40 rounds;
}

fn sample(kind: &'static str, url: &str) -> Sample {
    Sample::new(
        WebhookKind::new(kind),
        url.parse().unwrap(),
        EventName::Triggered,
        at(),
    )
}

fn toy_play() -> Play<Toy> {
    Play::new(
        Toy,
        Box::new(ToyWorld::default()),
        sample("toy", "https://toy.example"),
    )
}

fn simulated<S: TicketSystem>(
    system: S,
    kind: &'static str,
    options: &[(&str, &str)],
    (secret, value): (&str, &str),
) -> Play<S> {
    let world = simulators::simulator(kind).unwrap();
    let mut sample = sample(kind, &world.url("https://desk.example")).with_secret(secret, value);
    for (name, value) in options {
        sample = sample.with_option(name, value);
    }
    Play::new(system, Box::new(Simulated(world)), sample)
}

/// Lives a whole life, and says what became of each delivery.
fn live<S: TicketSystem>(play: &mut Play<S>) -> Vec<Outcome> {
    let lived = LIFE.iter().zip(1..);
    lived
        .map(|(name, sequence)| play.deliver(*name, sequence))
        .collect()
}

/// One ticket, one comment for each event that is news (two escalations, two assignees) in their order, and the ticket where the
/// incident stands.
fn expect_one_of_each<S: TicketSystem>(play: &Play<S>, told: &str) {
    let tickets = play.world.tickets();
    assert_eq!(tickets.len(), 1, "{told}: {:#?}", play.story);
    let events = play.events_in(&tickets[0]);
    assert_eq!(events, [2, 3, 4, 5], "{told}: {tickets:#?} {:#?}", play.story);
    let phase = play.phase();
    let is_open = matches!(phase, Some(TicketPhase::New | TicketPhase::InProgress));
    assert!(is_open, "{told}: {phase:?} {:#?}", play.story);
    let is_linked_twice = tickets[0].contains("links: ") && !tickets[0].contains("links: 1\n");
    assert!(!is_linked_twice, "{told}: {:#?}", play.story);
}

fn a_life_without_trouble_takes_one_ticket<S: TicketSystem>(mut play: Play<S>) {
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

fn whatever_happens_at_one_request_there_is_one_ticket_and_each_comment_once<S: TicketSystem>(
    begin: &dyn Fn() -> Play<S>,
) {
    let mut untroubled = begin();
    live(&mut untroubled);
    for ending in Ending::ALL {
        for index in 0..untroubled.requests {
            let mut play = begin();
            play.endings = Box::new(move |request, _| {
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

fn whatever_happens_at_many_requests_there_is_one_ticket_and_each_comment_once<S: TicketSystem>(
    begin: &dyn Fn() -> Play<S>,
    rounds: u64,
) {
    let seed = std::collections::hash_map::RandomState::new();
    let seed = std::hash::BuildHasher::hash_one(&seed, 0u8);
    for round in 0..rounds {
        let mut random = seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut play = begin();
        play.endings = Box::new(move |_, _| {
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

/// The first request that makes a ticket ends so.
fn end_create<S: TicketSystem>(play: &mut Play<S>, ending: Ending) {
    let mut endings = Some(ending).into_iter();
    play.endings = Box::new(move |_, request| match request.intent {
        Some(Intention::MakeTicket) => endings.next().unwrap_or(Ending::Answered),
        Some(Intention::Workflow(_)) | None => Ending::Answered,
    });
}

fn a_search_that_lags_is_not_believed_too_early<S: TicketSystem>(mut play: Play<S>) {
    play.world.lag();
    end_create(&mut play, Ending::AnswerLost);
    live(&mut play);
    expect_one_of_each(&play, "a search that lags");
    let is_found = play.story.iter().any(|line| line.contains("made after all"));
    assert!(is_found, "{:#?}", play.story);
}

fn a_create_that_was_killed_in_a_storm_of_others_is_made_once<S: TicketSystem>(begin: &dyn Fn() -> Play<S>) {
    for ending in [Ending::KilledBefore, Ending::KilledAfter] {
        let mut play = begin();
        play.others = OTHERS;
        end_create(&mut play, ending);
        let outcome = play.deliver(EventName::Triggered, 1);
        assert_eq!(outcome, Outcome::Delivered, "{ending:?}: {:#?}", play.story);
        let tickets = play.world.tickets().len() as u64;
        assert_eq!(tickets, OTHERS + 1, "{ending:?}: {:#?}", play.story);
    }
}

fn a_create_that_never_left_is_repeated_without_a_look<S: TicketSystem>(mut play: Play<S>) {
    end_create(&mut play, Ending::NeverSent);
    assert_eq!(play.deliver(EventName::Triggered, 1), Outcome::Delivered);
    let is_create = |line: &&String| line.starts_with("POST");
    let places = play.story.iter().enumerate().filter(|(_, line)| is_create(line));
    let places: Vec<usize> = places.map(|(place, _)| place).collect();
    assert_eq!(places[1], places[0] + 1, "{:#?}", play.story);
    assert_eq!(play.world.tickets().len(), 1);
}

fn a_rate_limit_holds_others_too_and_makes_nothing_twice<S: TicketSystem>(mut play: Play<S>) {
    play.endings = Box::new(|index, _| match index % 5 {
        0 => Ending::Limited,
        _ => Ending::Answered,
    });
    live(&mut play);
    expect_one_of_each(&play, "every fifth request limited");
    assert!(play.pauses > 0);
}

fn a_delivery_whose_turns_are_far_apart_comes_to_its_end<S: TicketSystem>(mut play: Play<S>) {
    play.pace = Duration::from_secs(3600);
    live(&mut play);
    expect_one_of_each(&play, "an hour between two requests");
}

fn an_event_that_is_delivered_again_is_not_noted_again<S: TicketSystem>(mut play: Play<S>) {
    play.deliver(EventName::Triggered, 1);
    for _ in 0..2 {
        assert_eq!(play.deliver(EventName::Escalated, 2), Outcome::Delivered);
    }
    let tickets = play.world.tickets();
    assert_eq!(play.events_in(&tickets[0]), [2], "{tickets:#?}");
}

fn a_vanished_ticket_is_told_and_never_made_again<S: TicketSystem>(mut play: Play<S>) {
    play.deliver(EventName::Triggered, 1);
    let creates = play.creates();
    play.world.vanish();
    let outcome = play.deliver(EventName::Acknowledged, 2);
    let failure = outcome.failure().expect("a failure");
    assert_eq!(failure.code, FailureCode::TicketLost, "{:#?}", play.story);
    assert_eq!(play.creates(), creates);
}

fn a_ticket_that_was_made_twice_is_merged_into_the_oldest_and_merging_again_does_nothing<S: TicketSystem>(
    mut play: Play<S>,
) {
    play.deliver(EventName::Triggered, 1);
    play.make_twin();
    let marked = play.marked();
    assert_eq!(marked.len(), 2, "{:#?}", play.world.tickets());
    assert!(play.merge(&marked[0], &marked[1]) > 1);
    let merged = play.world.tickets();
    // What breaks references up is not seen.
    let shown = merged[1].replace('\u{2060}', "");
    assert!(shown.contains(&format!("{} stays", marked[0].key)), "{merged:#?}");
    assert!(!merged[0].contains(" stays"), "{merged:#?}");
    play.merge(&marked[0], &marked[1]);
    assert_eq!(play.world.tickets(), merged, "merging again changed something");
}

fn what_is_kept_of_a_delivery_is_one_text_that_reads_back<S: TicketSystem>(mut play: Play<S>) {
    play.endings = Box::new(|index, _| match index {
        6 => Ending::AnswerLost,
        _ => Ending::Answered,
    });
    live(&mut play);
    for state in &play.states {
        let text = serde_json::to_string(state).unwrap();
        assert_eq!(serde_json::from_str::<TicketState>(&text).unwrap(), *state);
    }
    assert!(play.states.len() > LIFE.len());
}
