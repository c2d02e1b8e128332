//! Deliveries that leave together, case by case.

use bytes::Bytes;
use destination::joint::{AlonePace, JointLimits};
use model::event::Event;
use model::exchange::FailureCode;
use std::sync::Arc;

use super::tests::{at, delivery, enabled, webhook};
use super::*;
use crate::scheduler::groups::JOINT_SHARE;

const WAIT: Duration = Duration::from_secs(5);

fn joint(max_count: usize) -> JointLimits {
    JointLimits {
        max_count,
        max_bytes: 1_000_000,
        max_wait: WAIT,
        alone: None,
    }
}

fn scheduler_of(joints: &[Option<JointLimits>], limits: SchedulerLimits) -> Scheduler {
    let mut scheduler = Scheduler::new(limits);
    for (number, joint) in (1..).zip(joints) {
        let limits = WebhookLimits {
            joint: *joint,
            ..enabled(2)
        };
        scheduler.set_limits(webhook(number), limits, at(0));
    }
    scheduler.tick(at(0));
    for (number, _) in (1..).zip(joints) {
        scheduler.claimed(webhook(number), Vec::new(), None);
    }
    scheduler
}

fn one(joint: JointLimits) -> Scheduler {
    scheduler_of(&[Some(joint)], SchedulerLimits::default())
}

fn give(scheduler: &mut Scheduler, number: u8, deliveries: std::ops::Range<u32>) {
    for each in deliveries {
        assert!(scheduler.reserve(webhook(number)));
        scheduler.take(delivery(webhook(number), each));
    }
}

fn sizes(effects: &Effects) -> Vec<usize> {
    let together = effects.start_together.iter().map(Vec::len);
    effects.start.iter().map(|_| 1).chain(together).collect()
}

#[test]
fn a_group_leaves_when_it_is_full_or_when_its_first_delivery_has_waited() {
    let mut scheduler = one(joint(3));
    give(&mut scheduler, 1, 0..2);
    let effects = scheduler.tick(at(1));
    assert_eq!(sizes(&effects), [0; 0]);
    assert_eq!(effects.next_tick_at, Some(at(5_000)));
    give(&mut scheduler, 1, 2..5);
    let effects = scheduler.tick(at(2));
    let sequences = |group: &Vec<ClaimedDelivery>| -> Vec<_> {
        group.iter().map(|delivery| delivery.event.sequence).collect()
    };
    assert_eq!(sequences(&effects.start_together[0]), [0, 1, 2]);
    assert_eq!(sizes(&scheduler.tick(at(4_999))), [0; 0]);
    assert_eq!(sizes(&scheduler.tick(at(5_000))), [2]);
    assert_eq!(
        (scheduler.ready, scheduler.in_flight, scheduler.unrecorded),
        (0, 2, 5)
    );
}

#[test]
fn the_wait_of_many_deliveries_is_one_alarm() {
    let mut scheduler = one(joint(100));
    for each in 0..50 {
        give(&mut scheduler, 1, each..each + 1);
        scheduler.tick(at(each.into()));
    }
    assert_eq!(scheduler.alarms.len(), 1);
}

#[test]
fn a_group_is_one_request_for_concurrency() {
    let mut scheduler = one(joint(3));
    give(&mut scheduler, 1, 0..9);
    assert_eq!(sizes(&scheduler.tick(at(0))), [3, 3]);
    scheduler.finished(webhook(1), HealthSignal::Succeeded, at(1));
    scheduler.recorded(3);
    assert_eq!(sizes(&scheduler.tick(at(1))), [3]);
}

#[test]
fn bodies_bound_a_group_and_one_that_is_larger_alone_leaves_alone() {
    let mut scheduler = one(JointLimits {
        max_bytes: 100,
        ..joint(50)
    });
    for (number, bytes) in [60, 40, 1, 500].into_iter().enumerate() {
        let mut delivery = delivery(webhook(1), u32::try_from(number).unwrap());
        let event = Event {
            body: Bytes::from(vec![b'x'; bytes]),
            ..(*delivery.event).clone()
        };
        delivery.event = Arc::new(event);
        assert!(scheduler.reserve(webhook(1)));
        scheduler.take(delivery);
    }
    assert_eq!(sizes(&scheduler.tick(at(0))), [1, 2]);
    scheduler.finished(webhook(1), HealthSignal::Succeeded, at(1));
    assert_eq!(sizes(&scheduler.tick(at(5_000))), [1]);
}

#[test]
fn what_failed_together_goes_together_again_and_in_parts_if_it_was_refused() {
    let mut scheduler = one(joint(8));
    let tried = |number: u32, attempts_made, left: &str| ClaimedDelivery {
        attempts_made,
        continuation: Some(left.to_owned()).filter(|left| !left.is_empty()),
        ..delivery(webhook(1), number)
    };
    let mut deliveries = vec![tried(0, 1, ""), tried(1, 0, ""), tried(2, 1, "")];
    deliveries.extend((3..6).map(|number| tried(number, 1, "at_most=2")));
    scheduler.claimed(webhook(1), deliveries, None);
    let effects = scheduler.tick(at(1));
    let numbers: Vec<Vec<_>> = effects
        .start_together
        .iter()
        .map(|group| group.iter().map(|delivery| delivery.claim.0).collect())
        .collect();
    assert_eq!(numbers, [[0, 2]]);
    scheduler.finished(webhook(1), HealthSignal::Succeeded, at(1));
    // The fresh one waits for others; the rest is behind it.
    assert_eq!(sizes(&scheduler.tick(at(5_000))), [1, 2]);
    scheduler.finished(webhook(1), HealthSignal::Succeeded, at(5_001));
    assert_eq!(sizes(&scheduler.tick(at(5_001))), [1]);
}

fn failed(number: u32, due_at: Timestamp) -> ClaimedDelivery {
    ClaimedDelivery {
        attempts_made: 1,
        due_at,
        ..delivery(webhook(1), number)
    }
}

#[test]
fn two_batches_that_failed_are_two_again() {
    let mut scheduler = one(joint(8));
    let deliveries = (0..6)
        .map(|number| failed(number, at(i64::from(number % 2))))
        .collect();
    scheduler.claimed(webhook(1), deliveries, None);
    assert_eq!(sizes(&scheduler.tick(at(10))), [3, 3]);
}

#[test]
fn what_failed_together_does_not_leave_alone_and_in_a_storm_goes_with_others() {
    let pace = AlonePace {
        interval: Duration::from_secs(30),
        burst: 2,
    };
    let limits = JointLimits {
        max_wait: Duration::ZERO,
        alone: Some(pace),
        ..joint(100)
    };
    let mut scheduler = scheduler_of(&[Some(limits)], SchedulerLimits::default());
    let deliveries = (0..9)
        .map(|number| failed(number, at(i64::from(number / 3))))
        .collect();
    scheduler.claimed(webhook(1), deliveries, None);
    assert_eq!(sizes(&scheduler.tick(at(10))), [3, 6]);
}

#[test]
fn what_leaves_alone_does_so_until_it_is_too_fast_and_then_takes_along_all_that_waits() {
    let pace = AlonePace {
        interval: Duration::from_secs(30),
        burst: 3,
    };
    let limits = JointLimits {
        max_wait: Duration::ZERO,
        alone: Some(pace),
        ..joint(100)
    };
    let mut scheduler = scheduler_of(&[Some(limits)], SchedulerLimits::default());
    let finish =
        |scheduler: &mut Scheduler, now| scheduler.finished(webhook(1), HealthSignal::Succeeded, now);
    give(&mut scheduler, 1, 0..1);
    assert_eq!(sizes(&scheduler.tick(at(0))), [1]);
    finish(&mut scheduler, at(0));
    give(&mut scheduler, 1, 1..10);
    assert_eq!(sizes(&scheduler.tick(at(1))), [1, 8]);
    finish(&mut scheduler, at(1));
    finish(&mut scheduler, at(1));
    give(&mut scheduler, 1, 10..30);
    let effects = scheduler.tick(at(2));
    assert_eq!(
        (sizes(&effects), effects.next_tick_at),
        (vec![], Some(at(30_000)))
    );
    assert_eq!(sizes(&scheduler.tick(at(30_000))), [20]);
    finish(&mut scheduler, at(30_000));
    // After a rest each leaves alone again.
    give(&mut scheduler, 1, 30..32);
    assert_eq!(sizes(&scheduler.tick(at(300_000))), [1, 1]);
}

#[test]
fn a_probe_is_one_delivery() {
    let mut scheduler = one(joint(3));
    let failed = HealthSignal::Failed(FailureCode::ServerError);
    for round in 0..crate::breaker::FAILURES_TO_OPEN {
        give(&mut scheduler, 1, 3 * round..3 * round + 3);
        assert_eq!(sizes(&scheduler.tick(at(0))), [3]);
        scheduler.finished(webhook(1), failed.clone(), at(0));
        scheduler.recorded(3);
    }
    scheduler.tick(at(0));
    scheduler.wake(webhook(1), at(0));
    let effects = scheduler.tick(at(60_000));
    assert_eq!(
        effects.claim.iter().map(|claim| claim.limit).collect::<Vec<_>>(),
        [1]
    );
    scheduler.claimed(webhook(1), vec![delivery(webhook(1), 99)], None);
    assert_eq!(sizes(&scheduler.tick(at(60_000))), [1]);
}

#[test]
fn whoever_collects_leaves_room_for_others_and_waits_no_longer_without_room() {
    let limits = SchedulerLimits {
        max_ready: 400,
        ..SchedulerLimits::default()
    };
    let mut scheduler = scheduler_of(&[Some(joint(1_000)), Some(joint(1_000)), None], limits);
    for number in [1, 2] {
        scheduler.wake(webhook(number), at(1));
    }
    let claims = scheduler.tick(at(1)).claim;
    let claims: Vec<_> = claims
        .iter()
        .map(|claim| (claim.webhook_id, claim.limit))
        .collect();
    assert_eq!(claims, [(webhook(1), 200), (webhook(2), 100)]);
    for (number, count) in [(1, 200), (2, 100)] {
        let deliveries = (0..count).map(|each| delivery(webhook(number), each)).collect();
        scheduler.claimed(webhook(number), deliveries, Some(at(1)));
    }
    // Both hold as much as they may: their requests leave as they are, and what is due is claimed for the next ones.
    let effects = scheduler.tick(at(1));
    assert_eq!(sizes(&effects), [200, 100]);
    give(&mut scheduler, 3, 0..2);
    assert_eq!(sizes(&scheduler.tick(at(2))), [1, 1]);
}

#[test]
fn a_node_without_room_still_lets_requests_carry_many() {
    let limits = SchedulerLimits {
        max_ready: 0,
        ..SchedulerLimits::default()
    };
    let mut scheduler = scheduler_of(&[Some(joint(1_000)), None], limits);
    for number in [1, 2] {
        scheduler.wake(webhook(number), at(1));
    }
    let claims: Vec<_> = scheduler
        .tick(at(1))
        .claim
        .iter()
        .map(|claim| claim.limit as usize)
        .collect();
    assert_eq!(claims, [JOINT_SHARE, OWN_SHARE]);
}

#[test]
fn what_is_collected_is_given_back_at_a_stop_a_change_and_without_a_lease() {
    let ends: [fn(&mut Scheduler); 3] = [
        Scheduler::stop,
        |scheduler| {
            let limits = WebhookLimits {
                is_enabled: false,
                joint: Some(joint(10)),
                ..enabled(2)
            };
            scheduler.set_limits(webhook(1), limits, at(2));
        },
        |scheduler| scheduler.follow_lease(None),
    ];
    for end in ends {
        let mut scheduler = one(joint(10));
        scheduler.follow_lease(Some(0));
        scheduler.tick(at(0));
        give(&mut scheduler, 1, 0..4);
        scheduler.tick(at(1));
        end(&mut scheduler);
        let effects = scheduler.tick(at(2));
        assert_eq!(
            (sizes(&effects).len(), effects.release.len(), scheduler.ready),
            (0, 4, 0)
        );
    }
}

#[test]
fn a_clock_that_goes_back_makes_nothing_wait_for_the_old_time() {
    let mut scheduler = one(joint(10));
    give(&mut scheduler, 1, 0..2);
    assert_eq!(sizes(&scheduler.tick(at(1))), [0; 0]);
    assert_eq!(sizes(&scheduler.tick(at(-3_600_000))), [2]);
}
