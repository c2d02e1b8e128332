//! What the scheduler decides, case by case. What holds for every sequence of happenings stands in `properties`.

use bytes::Bytes;

use super::*;
use crate::breaker::{FAILURES_TO_OPEN, FIRST_PROBE_WAIT, MAX_PROBE_WAIT};
use model::audit::Actor;
use model::delivery::Claim;
use model::event::{Event, EventName};
use model::exchange::FailureCode;
use model::id::{DeliveryId, EventId, IncidentId};
use model::webhook::{Degraded, Rate, RateUnit};

const FAILED: HealthSignal = HealthSignal::Failed(FailureCode::ServerError);
const UNREACHABLE: HealthSignal = HealthSignal::Failed(FailureCode::ConnectRefused);

pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000 + millis)
}

pub fn webhook(number: u8) -> WebhookId {
    WebhookId::new(Timestamp::EPOCH, [number; 10])
}

pub fn delivery(webhook_id: WebhookId, number: u32) -> ClaimedDelivery {
    let random = |kind: u8| {
        let mut random = [kind; 10];
        random[4..8].copy_from_slice(&number.to_be_bytes());
        random
    };
    let event = Event {
        id: EventId::new(at(0), random(1)),
        sequence: i64::from(number),
        name: EventName::Triggered,
        operational: None,
        at: at(0),
        incident_id: IncidentId::new(at(0), random(2)),
        incident_number: None,
        actor: Actor::System,
        is_test: false,
        body: Bytes::new(),
    };
    ClaimedDelivery {
        id: DeliveryId::new(at(0), random(webhook_id.as_bytes()[15])),
        webhook_id,
        event: event.into(),
        attempts_made: 0,
        spent: Default::default(),
        continuation: None,
        created_at: at(0),
        due_at: at(0),
        claim: Claim(i64::from(number)),
    }
}

pub fn enabled(concurrency: usize) -> WebhookLimits {
    WebhookLimits {
        is_enabled: true,
        concurrency,
        rate: None,
        buckets: Vec::new(),
        joint: None,
        degraded: None,
    }
}

fn disabled() -> WebhookLimits {
    WebhookLimits {
        is_enabled: false,
        ..enabled(1)
    }
}

/// A scheduler that knows webhooks 1, 2, … with this concurrency each, whose stores are empty.
pub fn board_of(webhooks: u8, concurrency: usize, limits: SchedulerLimits) -> Scheduler {
    let mut scheduler = Scheduler::new(limits);
    for number in 1..=webhooks {
        scheduler.set_limits(webhook(number), enabled(concurrency), at(0));
    }
    scheduler.tick(at(0));
    for number in 1..=webhooks {
        scheduler.claimed(webhook(number), Vec::new(), None);
    }
    scheduler
}

fn board_of_one(concurrency: usize) -> Scheduler {
    board_of(1, concurrency, SchedulerLimits::default())
}

/// Reserves room for deliveries of one webhook and takes them.
fn give(scheduler: &mut Scheduler, webhook_id: WebhookId, count: u32) {
    for number in 0..count {
        assert!(scheduler.reserve(webhook_id));
        scheduler.take(delivery(webhook_id, number));
    }
}

fn finish(scheduler: &mut Scheduler, webhook_id: WebhookId, signals: &[HealthSignal], now: Timestamp) {
    for signal in signals {
        scheduler.finished(webhook_id, signal.clone(), now);
        scheduler.recorded(1);
    }
}

fn starts(effects: &Effects) -> Vec<WebhookId> {
    effects.start.iter().map(|delivery| delivery.webhook_id).collect()
}

/// A scheduler whose one webhook has an open breaker since `at(0)`, with nothing in flight.
fn board_with_open_breaker(signal: HealthSignal) -> Scheduler {
    let mut scheduler = board_of_one(16);
    give(&mut scheduler, webhook(1), FAILURES_TO_OPEN);
    scheduler.tick(at(0));
    finish(
        &mut scheduler,
        webhook(1),
        &vec![signal; FAILURES_TO_OPEN as usize],
        at(0),
    );
    scheduler
}

#[test]
fn a_webhook_has_at_most_its_concurrency_in_flight() {
    let mut scheduler = board_of_one(2);
    give(&mut scheduler, webhook(1), 5);
    assert_eq!(scheduler.tick(at(0)).start.len(), 2);
    finish(&mut scheduler, webhook(1), &[HealthSignal::Succeeded], at(1));
    assert_eq!(scheduler.tick(at(1)).start.len(), 1);
}

#[test]
fn the_node_has_at_most_its_own_limit_in_flight() {
    let limits = SchedulerLimits {
        max_in_flight: 3,
        ..SchedulerLimits::default()
    };
    let mut scheduler = board_of(2, 16, limits);
    give(&mut scheduler, webhook(1), 4);
    give(&mut scheduler, webhook(2), 4);
    assert_eq!(
        starts(&scheduler.tick(at(0))),
        [webhook(1), webhook(2), webhook(1)]
    );
    finish(&mut scheduler, webhook(1), &[HealthSignal::Succeeded], at(1));
    assert_eq!(starts(&scheduler.tick(at(1))), [webhook(2)]);
}

#[test]
fn attempts_that_are_not_on_disk_hold_back_new_ones() {
    let limits = SchedulerLimits {
        max_unrecorded: 2,
        ..SchedulerLimits::default()
    };
    let mut scheduler = board_of(1, 16, limits);
    give(&mut scheduler, webhook(1), 3);
    assert_eq!(scheduler.tick(at(0)).start.len(), 2);
    scheduler.finished(webhook(1), HealthSignal::Succeeded, at(1));
    assert_eq!(scheduler.tick(at(1)).start.len(), 0);
    scheduler.recorded(1);
    assert_eq!(scheduler.tick(at(1)).start.len(), 1);
}

#[test]
fn a_webhook_with_a_long_queue_does_not_delay_another() {
    let limits = SchedulerLimits {
        max_in_flight: 1,
        ..SchedulerLimits::default()
    };
    let mut scheduler = board_of(2, 16, limits);
    give(&mut scheduler, webhook(1), 200);
    assert_eq!(starts(&scheduler.tick(at(0))), [webhook(1)]);
    give(&mut scheduler, webhook(2), 1);
    finish(&mut scheduler, webhook(1), &[HealthSignal::Succeeded; 1], at(1));
    assert_eq!(starts(&scheduler.tick(at(1))), [webhook(1)]);
    finish(&mut scheduler, webhook(1), &[HealthSignal::Succeeded; 1], at(2));
    assert_eq!(starts(&scheduler.tick(at(2))), [webhook(2)]);
}

#[test]
fn the_backlog_of_others_leaves_every_webhook_a_share_of_its_own() {
    let limits = SchedulerLimits {
        max_ready: 10,
        ..SchedulerLimits::default()
    };
    let mut scheduler = board_of(2, 1, limits);
    give(&mut scheduler, webhook(1), 10);
    assert!(!scheduler.reserve(webhook(2)));
    scheduler.wake(webhook(2), at(0));
    let request = ClaimRequest {
        webhook_id: webhook(2),
        limit: u32::try_from(OWN_SHARE).unwrap(),
    };
    assert_eq!(scheduler.tick(at(0)).claim, [request]);
}

#[test]
fn no_delivery_is_born_claimed_while_older_ones_are_due_in_the_store() {
    let mut scheduler = board_of_one(16);
    scheduler.wake(webhook(1), at(5));
    assert!(scheduler.reserve(webhook(1)));
    scheduler.tick(at(5));
    assert!(!scheduler.reserve(webhook(1)), "a claim is under way");
    scheduler.claimed(webhook(1), Vec::new(), Some(at(5)));
    assert!(!scheduler.reserve(webhook(1)), "more is due");
    scheduler.cancel(webhook(1));
    scheduler.tick(at(5));
    scheduler.claimed(webhook(1), Vec::new(), Some(at(900)));
    assert!(scheduler.reserve(webhook(1)), "nothing is due for long");
}

#[test]
fn what_is_due_is_claimed_up_to_the_room_and_once_at_a_time() {
    let mut scheduler = board_of_one(16);
    give(&mut scheduler, webhook(1), 20);
    scheduler.tick(at(0));
    scheduler.wake(webhook(1), at(10));
    let early = scheduler.tick(at(9));
    assert_eq!((early.claim.len(), early.next_tick_at), (0, Some(at(10))));
    let due = scheduler.tick(at(10));
    let room = u32::try_from(READY_PER_WEBHOOK).unwrap() - 4;
    assert_eq!(
        due.claim,
        [ClaimRequest {
            webhook_id: webhook(1),
            limit: room
        }]
    );
    scheduler.wake(webhook(1), at(10));
    assert_eq!(scheduler.tick(at(10)).claim, []);
    scheduler.claimed(webhook(1), Vec::new(), None);
    assert_eq!(scheduler.tick(at(10)).claim.len(), 1);
}

#[test]
fn a_full_webhook_claims_again_once_it_runs_low() {
    let mut scheduler = board_of_one(1);
    let full = u32::try_from(READY_PER_WEBHOOK / 2).unwrap() + 1;
    give(&mut scheduler, webhook(1), full);
    scheduler.wake(webhook(1), at(1));
    assert_eq!(scheduler.tick(at(1)).claim, []);
    finish(&mut scheduler, webhook(1), &[HealthSignal::Succeeded], at(2));
    assert_eq!(scheduler.tick(at(2)).claim.len(), 1);
}

#[test]
fn room_that_is_given_back_is_used_for_what_waits_in_the_store() {
    let mut scheduler = board_of_one(16);
    assert!((0..(READY_PER_WEBHOOK / 2)).all(|_| scheduler.reserve(webhook(1))));
    scheduler.wake(webhook(1), at(1));
    assert_eq!(scheduler.tick(at(1)).claim, []);
    (0..(READY_PER_WEBHOOK / 2)).for_each(|_| scheduler.cancel(webhook(1)));
    assert_eq!(scheduler.tick(at(1)).claim.len(), 1);
}

#[test]
fn a_claim_that_failed_is_tried_again_at_its_time() {
    let mut scheduler = board_of_one(16);
    scheduler.wake(webhook(1), at(0));
    assert_eq!(scheduler.tick(at(0)).claim.len(), 1);
    scheduler.claim_failed(webhook(1), at(500));
    let waiting = scheduler.tick(at(499));
    assert_eq!((waiting.claim.len(), waiting.next_tick_at), (0, Some(at(500))));
    assert_eq!(scheduler.tick(at(500)).claim.len(), 1);
}

#[test]
fn a_disabled_webhook_gives_back_what_it_holds_and_starts_nothing() {
    let mut scheduler = board_of_one(1);
    give(&mut scheduler, webhook(1), 3);
    assert!(scheduler.reserve(webhook(1)));
    scheduler.tick(at(0));
    scheduler.set_limits(webhook(1), disabled(), at(1));
    scheduler.take(delivery(webhook(1), 9));
    finish(&mut scheduler, webhook(1), &[HealthSignal::Succeeded], at(1));
    let effects = scheduler.tick(at(1));
    assert_eq!((effects.start.len(), effects.release.len()), (0, 3));
    assert!(!scheduler.reserve(webhook(1)));
    scheduler.set_limits(webhook(1), enabled(1), at(2));
    assert_eq!(scheduler.tick(at(2)).claim.len(), 1);
}

#[test]
fn an_unknown_webhook_is_loaded_once_before_it_starts() {
    let mut scheduler = Scheduler::new(SchedulerLimits::default());
    give(&mut scheduler, webhook(7), 2);
    scheduler.wake(webhook(7), at(0));
    let effects = scheduler.tick(at(0));
    assert_eq!((effects.load, effects.start.len()), (vec![webhook(7)], 0));
    scheduler.set_limits(webhook(7), enabled(16), at(1));
    let effects = scheduler.tick(at(1));
    assert_eq!((effects.load.len(), effects.start.len()), (0, 2));
}

#[test]
fn a_webhook_that_changes_while_it_is_loaded_is_loaded_again() {
    let mut scheduler = board_of_one(16);
    scheduler.webhook_changed(webhook(1));
    scheduler.webhook_changed(webhook(1));
    give(&mut scheduler, webhook(1), 1);
    assert_eq!(scheduler.tick(at(0)).load, [webhook(1)]);
    scheduler.set_limits(webhook(1), disabled(), at(1));
    let effects = scheduler.tick(at(1));
    assert_eq!((effects.load, effects.release.len()), (vec![webhook(1)], 0));
    scheduler.set_limits(webhook(1), enabled(16), at(2));
    assert_eq!(scheduler.tick(at(2)).start.len(), 1);
}

#[test]
fn a_webhook_that_is_gone_gives_back_what_it_holds_and_has_no_breaker() {
    let mut scheduler = board_with_open_breaker(FAILED);
    scheduler.claimed(webhook(1), vec![delivery(webhook(1), 1)], None);
    scheduler.forget(webhook(1));
    let effects = scheduler.tick(at(1));
    assert_eq!((effects.start.len(), effects.release.len()), (0, 1));
    assert_eq!(scheduler.breaker_counts(), (1, 0));
}

#[test]
fn an_opening_breaker_is_noted_and_gives_back_what_waits() {
    let mut scheduler = board_of_one(16);
    give(&mut scheduler, webhook(1), 20);
    scheduler.tick(at(0));
    finish(
        &mut scheduler,
        webhook(1),
        &[FAILED; FAILURES_TO_OPEN as usize],
        at(0),
    );
    let effects = scheduler.tick(at(0));
    let degraded = Degraded {
        since: at(0),
        code: FailureCode::ServerError,
        detail: None,
    };
    assert_eq!(effects.health, [(webhook(1), Some(degraded))]);
    assert_eq!((effects.start.len(), effects.release.len()), (0, 4));
    assert!(!scheduler.reserve(webhook(1)));
    assert_eq!(scheduler.breaker_counts(), (0, 1));
}

#[test]
fn an_open_breaker_lets_one_probe_at_a_time_through() {
    let mut scheduler = board_with_open_breaker(FAILED);
    scheduler.wake(webhook(1), at(0));
    assert_eq!(scheduler.tick(at(0)).claim[0].limit, 1);
    scheduler.claimed(
        webhook(1),
        vec![delivery(webhook(1), 1), delivery(webhook(1), 2)],
        Some(at(0)),
    );
    let probing = scheduler.tick(at(0));
    assert_eq!(
        (probing.start.len(), probing.release.len(), probing.claim.len()),
        (1, 1, 0)
    );
    finish(&mut scheduler, webhook(1), &[FAILED], at(1));
    assert_eq!(scheduler.tick(at(1)).claim[0].limit, 1);
}

#[test]
fn a_probe_of_an_unreachable_receiver_waits() {
    let mut scheduler = board_with_open_breaker(UNREACHABLE);
    let probe_at = at(0).plus(FIRST_PROBE_WAIT);
    scheduler.wake(webhook(1), at(0));
    let waiting = scheduler.tick(at(0));
    assert_eq!((waiting.claim.len(), waiting.next_tick_at), (0, Some(probe_at)));
    assert_eq!(scheduler.tick(probe_at).claim[0].limit, 1);
}

#[test]
fn a_probe_that_succeeds_lets_deliveries_flow_again() {
    let mut scheduler = board_with_open_breaker(FAILED);
    scheduler.wake(webhook(1), at(0));
    scheduler.tick(at(0));
    scheduler.claimed(webhook(1), vec![delivery(webhook(1), 1)], Some(at(0)));
    scheduler.tick(at(0));
    finish(&mut scheduler, webhook(1), &[HealthSignal::Succeeded], at(1));
    let effects = scheduler.tick(at(1));
    assert_eq!(effects.health, [(webhook(1), None)]);
    assert_eq!(effects.claim[0].limit, u32::try_from(READY_PER_WEBHOOK).unwrap());
}

#[test]
fn a_webhook_that_an_earlier_run_left_degraded_starts_with_a_probe() {
    let mut scheduler = Scheduler::new(SchedulerLimits::default());
    let degraded = Some(Degraded {
        since: at(-900),
        code: FailureCode::ServerError,
        detail: None,
    });
    let limits = WebhookLimits {
        degraded,
        ..enabled(16)
    };
    scheduler.set_limits(webhook(1), limits, at(0));
    assert_eq!(scheduler.tick(at(0)).claim[0].limit, 1);
    scheduler.claimed(webhook(1), vec![delivery(webhook(1), 1)], None);
    scheduler.tick(at(0));
    finish(&mut scheduler, webhook(1), &[HealthSignal::Succeeded], at(1));
    assert_eq!(scheduler.tick(at(1)).health, [(webhook(1), None)]);
}

#[test]
fn a_webhook_with_a_rate_starts_at_its_pace() {
    let mut scheduler = board_of_one(16);
    let rate = Some(Rate {
        count: 6,
        per: RateUnit::Minute,
    });
    let limits = WebhookLimits { rate, ..enabled(16) };
    scheduler.set_limits(webhook(1), limits, at(0));
    scheduler.tick(at(0));
    scheduler.claimed(webhook(1), Vec::new(), None);
    give(&mut scheduler, webhook(1), 3);
    let first = scheduler.tick(at(0));
    assert_eq!((first.start.len(), first.next_tick_at), (1, Some(at(10_000))));
    assert_eq!(scheduler.tick(at(9_999)).start.len(), 0);
    assert_eq!(scheduler.tick(at(10_000)).start.len(), 1);
}

#[test]
fn after_the_clock_was_set_back_nothing_waits_for_the_old_time() {
    let mut scheduler = board_with_open_breaker(UNREACHABLE);
    scheduler.wake(webhook(1), at(0));
    scheduler.tick(at(0));
    let hour_ago = at(-3_600_000);
    scheduler.tick(hour_ago);
    let probe_at = hour_ago.plus(MAX_PROBE_WAIT);
    assert_eq!(scheduler.tick(probe_at).claim.len(), 1);
}

#[test]
fn a_stopped_board_starts_and_claims_nothing_and_gives_back_everything() {
    let mut scheduler = board_of_one(2);
    give(&mut scheduler, webhook(1), 5);
    assert!(scheduler.reserve(webhook(1)));
    scheduler.tick(at(0));
    scheduler.stop();
    scheduler.take(delivery(webhook(1), 9));
    scheduler.wake(webhook(1), at(0));
    finish(
        &mut scheduler,
        webhook(1),
        &[HealthSignal::Succeeded, HealthSignal::Succeeded],
        at(1),
    );
    let effects = scheduler.tick(at(1));
    assert_eq!(
        (effects.start.len(), effects.claim.len(), effects.release.len()),
        (0, 0, 4)
    );
    assert!(!scheduler.reserve(webhook(1)));
    assert!(scheduler.is_idle());
}

#[test]
fn a_canary_that_failed_opens_the_breaker_once_and_a_test_that_arrives_closes_it() {
    let mut scheduler = board_of_one(16);
    let failed = model::webhook::Degraded {
        since: at(1),
        code: model::exchange::FailureCode::ConnectRefused,
        detail: Some("its canary failed".into()),
    };
    scheduler.unreached(webhook(1), failed.clone(), at(1));
    scheduler.unreached(webhook(1), failed.clone(), at(2));
    assert!(scheduler.is_degraded(webhook(1)));
    assert_eq!(scheduler.tick(at(2)).health, [(webhook(1), Some(failed))]);
    scheduler.reached(webhook(1), at(3));
    assert_eq!(scheduler.tick(at(3)).health, [(webhook(1), None)]);
}
