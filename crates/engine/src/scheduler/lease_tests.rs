//! What the scheduler does when the node's lease runs out, and when it has one again.

use super::tests::{at, board_of, delivery, webhook};
use super::*;

fn board() -> Scheduler {
    let mut scheduler = board_of(1, 2, SchedulerLimits::default());
    scheduler.follow_lease(Some(0));
    scheduler
}

fn take(scheduler: &mut Scheduler, number: u32) {
    assert!(scheduler.reserve(webhook(1)));
    scheduler.take(delivery(webhook(1), number));
}

#[test]
fn without_a_lease_nothing_is_started_and_what_waits_is_given_back() {
    let mut scheduler = board();
    (0..5).for_each(|number| take(&mut scheduler, number));
    assert_eq!(scheduler.tick(at(0)).start.len(), 2);
    scheduler.follow_lease(None);
    scheduler.wake(webhook(1), at(1));
    scheduler.finished(webhook(1), HealthSignal::Succeeded, at(1));
    let effects = scheduler.tick(at(1));
    assert_eq!(
        (effects.start.len(), effects.claim.len(), effects.release.len()),
        (0, 0, 3)
    );
    assert!(!scheduler.reserve(webhook(1)));
    assert!(scheduler.tick(at(5000)).is_empty());
}

#[test]
fn with_a_lease_again_the_store_is_asked_what_is_due() {
    let mut scheduler = board();
    scheduler.follow_lease(None);
    scheduler.tick(at(1));
    scheduler.follow_lease(Some(1));
    assert_eq!(scheduler.tick(at(2)).claim.len(), 1);
}

#[test]
fn a_lease_that_goes_on_changes_nothing() {
    let mut scheduler = board();
    take(&mut scheduler, 1);
    scheduler.follow_lease(Some(0));
    let effects = scheduler.tick(at(1));
    assert_eq!((effects.start.len(), effects.claim.len()), (1, 0));
}

#[test]
fn what_was_claimed_under_a_lease_that_ran_out_is_given_back_whenever_it_arrives() {
    let mut scheduler = board();
    assert!(scheduler.reserve(webhook(1)));
    scheduler.wake(webhook(1), at(1));
    assert_eq!(scheduler.tick(at(1)).claim.len(), 1);
    // Run out and renewed between two looks: a process that was stopped notices nothing else.
    scheduler.follow_lease(Some(1));
    scheduler.claimed(webhook(1), vec![delivery(webhook(1), 1)], None);
    scheduler.take(delivery(webhook(1), 2));
    let effects = scheduler.tick(at(2));
    assert_eq!((effects.start.len(), effects.release.len()), (0, 2));
    scheduler.claimed(webhook(1), vec![delivery(webhook(1), 3)], None);
    assert_eq!(scheduler.tick(at(2)).start.len(), 1, "claimed under the new one");
}

#[test]
fn nothing_is_born_claimed_until_what_was_reserved_under_the_old_lease_is_settled() {
    let mut scheduler = board();
    assert!(scheduler.reserve(webhook(1)));
    scheduler.follow_lease(Some(1));
    scheduler.tick(at(0));
    scheduler.claimed(webhook(1), Vec::new(), None);
    assert!(!scheduler.reserve(webhook(1)));
    scheduler.cancel(webhook(1));
    assert!(scheduler.reserve(webhook(1)));
}
