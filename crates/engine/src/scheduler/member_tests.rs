//! What the scheduler does when nodes come and go: what this one serves shrinks at once, and grows once it is safe.

use super::tests::{at, delivery, enabled, webhook};
use super::*;
use crate::breaker::FAILURES_TO_OPEN;
use crate::scheduler::shares::Share;
use model::exchange::FailureCode;
use model::webhook::Degraded;

const OWN: i64 = 1;
const OTHER: i64 = 2;

/// A scheduler of node 1, beside these nodes, that has been there for long.
fn board(nodes: &[i64]) -> Scheduler {
    let mut scheduler = Scheduler::new(SchedulerLimits::default());
    scheduler.follow_lease(Some(1));
    scheduler.follow_members(nodes, OWN, at(-60_000));
    scheduler.tick(at(0));
    scheduler
}

fn know(scheduler: &mut Scheduler, number: u8, limits: WebhookLimits, now: Timestamp) {
    scheduler.set_limits(webhook(number), limits, now);
    scheduler.tick(now);
    scheduler.claimed(webhook(number), Vec::new(), None);
}

/// A webhook that can have one delivery in flight and whose home is a node.
fn webhook_at(home: i64) -> u8 {
    let is_home = |number: &u8| {
        let share = Share::of(webhook(*number), &enabled(1), false, &[OWN, OTHER], home);
        share == Share::Whole
    };
    (1..=u8::MAX).find(is_home).unwrap()
}

fn give(scheduler: &mut Scheduler, number: u8, count: u32) {
    for each in 0..count {
        assert!(scheduler.reserve(webhook(number)));
        scheduler.take(delivery(webhook(number), each));
    }
}

#[test]
fn of_a_webhook_without_a_home_each_node_serves_a_part() {
    let mut scheduler = board(&[OWN, OTHER]);
    know(&mut scheduler, 1, enabled(4), at(0));
    give(&mut scheduler, 1, 5);
    assert_eq!(scheduler.tick(at(0)).start.len(), 2);
}

#[test]
fn a_node_that_is_not_the_home_takes_nothing_and_claims_nothing() {
    let mut scheduler = board(&[OWN, OTHER]);
    let number = webhook_at(OTHER);
    know(&mut scheduler, number, enabled(1), at(0));
    assert!(!scheduler.reserve(webhook(number)));
    scheduler.wake(webhook(number), at(1));
    assert_eq!(scheduler.tick(at(2)).claim, []);
    scheduler.claimed(webhook(number), vec![delivery(webhook(number), 1)], None);
    assert_eq!(scheduler.tick(at(2)).release.len(), 1);
}

#[test]
fn nothing_is_born_claimed_for_a_webhook_of_which_nobody_knows_the_home_yet() {
    let mut scheduler = board(&[OWN, OTHER]);
    assert!(!scheduler.reserve(webhook(9)));
    assert!(board(&[OWN]).reserve(webhook(9)));
}

#[test]
fn a_share_shrinks_at_once_when_a_node_comes() {
    let mut scheduler = board(&[OWN]);
    let number = webhook_at(OTHER);
    know(&mut scheduler, number, enabled(1), at(0));
    give(&mut scheduler, number, 3);
    assert_eq!(scheduler.tick(at(0)).start.len(), 1);
    scheduler.follow_members(&[OWN, OTHER], OWN, at(1));
    scheduler.finished(webhook(number), HealthSignal::Succeeded, at(2));
    let effects = scheduler.tick(at(2));
    assert_eq!((effects.start.len(), effects.release.len()), (0, 2));
}

#[test]
fn what_a_node_that_is_gone_had_is_taken_over_at_once() {
    let mut scheduler = board(&[OWN, OTHER]);
    let number = webhook_at(OTHER);
    know(&mut scheduler, number, enabled(1), at(0));
    scheduler.follow_members(&[OWN], OWN, at(10));
    assert_eq!(scheduler.tick(at(10)).claim.len(), 1);
}

#[test]
fn the_home_of_a_node_that_is_gone_among_three_is_taken_over_at_once() {
    let nodes = [OWN, OTHER, 3];
    let share = |number: u8, own| Share::of(webhook(number), &enabled(1), false, &nodes, own);
    let after = |number: u8| Share::of(webhook(number), &enabled(1), false, &[OWN, OTHER], OWN);
    let inherited = |number: &u8| share(*number, 3) == Share::Whole && after(*number) == Share::Whole;
    let number = (1..=u8::MAX).find(inherited).unwrap();
    let mut scheduler = board(&nodes);
    know(&mut scheduler, number, enabled(1), at(0));
    scheduler.follow_members(&[OWN, OTHER], OWN, at(10));
    assert_eq!(scheduler.tick(at(10)).claim.len(), 1);
}

#[test]
fn a_node_that_comes_waits_until_the_others_have_heard_of_it() {
    let mut scheduler = Scheduler::new(SchedulerLimits::default());
    scheduler.follow_lease(Some(1));
    scheduler.follow_members(&[OWN, OTHER], OWN, at(0));
    let number = webhook_at(OWN);
    scheduler.set_limits(webhook(number), enabled(1), at(0));
    let waiting = scheduler.tick(at(2_999));
    assert_eq!(waiting.claim, []);
    assert_eq!(waiting.next_tick_at, Some(at(3_000)));
    assert_eq!(scheduler.tick(at(3_000)).claim.len(), 1);
}

#[test]
fn a_node_whose_lease_had_run_out_comes_anew_even_if_nobody_else_changed() {
    let mut scheduler = board(&[OWN, OTHER]);
    let number = webhook_at(OWN);
    know(&mut scheduler, number, enabled(1), at(0));
    scheduler.follow_lease(Some(2));
    scheduler.follow_members(&[OWN, OTHER], OWN, at(100));
    assert!(!scheduler.reserve(webhook(number)));
    assert_eq!(scheduler.tick(at(101)).claim, []);
    assert_eq!(scheduler.tick(at(3_100)).claim.len(), 1);
}

#[test]
fn a_webhook_that_is_new_is_served_at_once_by_its_home() {
    let mut scheduler = board(&[OWN, OTHER]);
    let number = webhook_at(OWN);
    scheduler.set_limits(webhook(number), enabled(1), at(5));
    assert_eq!(scheduler.tick(at(5)).claim.len(), 1);
}

#[test]
fn a_home_that_gains_a_webhook_by_a_change_waits_until_the_others_have_heard() {
    let mut scheduler = board(&[OWN, OTHER]);
    let number = webhook_at(OWN);
    know(&mut scheduler, number, enabled(4), at(0));
    let one = WebhookLimits {
        rate: model::webhook::Rate::parse("100/s"),
        ..enabled(4)
    };
    know(&mut scheduler, number, one, at(10));
    give(&mut scheduler, number, 5);
    assert_eq!(scheduler.tick(at(10)).start.len(), 2, "its part as before");
    assert_eq!(scheduler.tick(at(1_010)).start.len(), 2, "all of it");
}

fn degraded() -> Option<Degraded> {
    Some(Degraded {
        since: at(0),
        code: FailureCode::ServerError,
        detail: None,
    })
}

#[test]
fn a_breaker_that_opens_gives_the_webhook_a_home() {
    let mut scheduler = board(&[OWN, OTHER]);
    let number = webhook_at(OTHER);
    know(&mut scheduler, number, enabled(64), at(0));
    give(&mut scheduler, number, FAILURES_TO_OPEN + 1);
    let started = scheduler.tick(at(0)).start.len();
    for _ in 0..started {
        scheduler.finished(
            webhook(number),
            HealthSignal::Failed(FailureCode::ServerError),
            at(1),
        );
    }
    assert_eq!(scheduler.tick(at(1)).health.len(), 1);
    scheduler.wake(webhook(number), at(1));
    assert_eq!(scheduler.tick(at(60_000)).claim, [], "its home probes");
    // The home notes that all is well.
    let noted = WebhookLimits {
        degraded: degraded(),
        ..enabled(64)
    };
    scheduler.set_limits(webhook(number), noted, at(60_000));
    scheduler.set_limits(webhook(number), enabled(64), at(61_000));
    assert_eq!(scheduler.tick(at(61_000)).claim, []);
    assert_eq!(scheduler.tick(at(62_000)).claim.len(), 1);
}

#[test]
fn a_home_opens_its_breaker_when_another_node_notes_that_a_webhook_is_degraded() {
    let mut scheduler = board(&[OWN, OTHER]);
    let number = webhook_at(OWN);
    know(&mut scheduler, number, enabled(64), at(0));
    let noted = WebhookLimits {
        degraded: degraded(),
        ..enabled(64)
    };
    scheduler.set_limits(webhook(number), noted, at(10));
    assert_eq!(scheduler.tick(at(10)).claim[0].limit, 1);
    assert_eq!(scheduler.breaker_counts(), (0, 1));
}

#[test]
fn what_becomes_of_requests_at_another_nodes_webhook_says_nothing_to_its_breaker() {
    let mut scheduler = board(&[OWN, OTHER]);
    let number = webhook_at(OTHER);
    let noted = WebhookLimits {
        degraded: degraded(),
        ..enabled(64)
    };
    scheduler.set_limits(webhook(number), noted, at(0));
    scheduler.finished(webhook(number), HealthSignal::Succeeded, at(1));
    assert_eq!(scheduler.tick(at(1)).health, []);
}

#[test]
fn a_home_whose_clock_was_ahead_serves_soon_after_it_was_set_right() {
    const AHEAD: i64 = 3_600_000;
    let mut scheduler = Scheduler::new(SchedulerLimits::default());
    scheduler.follow_lease(Some(1));
    scheduler.follow_members(&[OWN, OTHER], OWN, at(AHEAD));
    let number = webhook_at(OWN);
    know(&mut scheduler, number, enabled(1), at(AHEAD));
    scheduler.wake(webhook(number), at(0));
    assert_eq!(scheduler.tick(at(0)).claim, [], "it waits for the others");
    let later = scheduler.tick(at(4_000)).claim;
    assert_eq!(later.len(), 1);
    // So it is with a webhook that is loaded after that.
    let next = (number + 1..=u8::MAX).find(|next| {
        let share = Share::of(webhook(*next), &enabled(1), false, &[OWN, OTHER], OWN);
        share == Share::Whole
    });
    let next = next.unwrap();
    know(&mut scheduler, next, enabled(1), at(4_000));
    assert!(scheduler.reserve(webhook(next)));
}
