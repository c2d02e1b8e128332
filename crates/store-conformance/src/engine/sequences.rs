//! Whatever happens in whatever order: a lane has at most one head, events arrive in the order of the feed, and what is dead is
//! taken over once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::delivery::{ClaimedDelivery, Delivery, DeliveryState, NextStep};
use model::id::IncidentId;
use model::incident::IncidentAction;
use model::outage::{AfterOutage, MIN_FALLBACK_AFTER};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::Backend;

use super::outages;
use super::world::World;

#[derive(Debug, Clone)]
enum Step {
    Act(usize, IncidentAction),
    MakeRoom(u32),
    Claim(u32),
    Record(usize, Fate),
    Release(usize),
    Wait(i64),
    LookForLate,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Delivered,
    Retry,
    Dead,
}

fn any_step() -> impl Strategy<Value = Step> {
    let action = prop::sample::select(vec![
        IncidentAction::Acknowledge,
        IncidentAction::Resolve,
        IncidentAction::Escalate,
        IncidentAction::Reopen,
    ]);
    let fate = prop::sample::select(vec![Fate::Delivered, Fate::Retry, Fate::Dead]);
    prop_oneof![
        3 => (0usize..2, action).prop_map(|(incident, action)| Step::Act(incident, action)),
        1 => (0u32..3).prop_map(Step::MakeRoom),
        2 => (1u32..4).prop_map(Step::Claim),
        4 => (0usize..4, fate).prop_map(|(index, fate)| Step::Record(index, fate)),
        1 => (0usize..4).prop_map(Step::Release),
        1 => (1i64..400).prop_map(Step::Wait),
        1 => Just(Step::LookForLate),
    ]
}

fn any_policy() -> impl Strategy<Value = AfterOutage> {
    let after = Duration::from_secs(120);
    prop::sample::select(vec![
        AfterOutage::Everything,
        AfterOutage::Newest,
        AfterOutage::Expire { after },
    ])
}

/// What a sequence of steps has come to.
#[derive(Default)]
struct Progress {
    in_hand: Vec<ClaimedDelivery>,
    last_attempted: HashMap<IncidentId, i64>,
    now_ms: i64,
}

async fn take_step(world: &World, incidents: &[IncidentId], progress: &mut Progress, step: Step) {
    progress.now_ms += 1;
    let now = world.at(progress.now_ms);
    match step {
        Step::Act(index, action) => drop(world.act(incidents[index], action, now).await),
        Step::MakeRoom(room) => world.dispatcher.make_room(room),
        Step::Claim(limit) => {
            let claimed = world.claim(world.ordered, limit, now).await;
            progress.in_hand.extend(claimed.deliveries);
        }
        Step::Record(index, fate) if index < progress.in_hand.len() => {
            let delivery = progress.in_hand.remove(index);
            let next_step = match fate {
                Fate::Delivered => NextStep::Delivered,
                Fate::Retry => NextStep::Retry {
                    at: world.at(progress.now_ms + 2),
                },
                Fate::Dead => NextStep::Dead,
            };
            let last = progress
                .last_attempted
                .entry(delivery.event.incident_id)
                .or_default();
            assert!(*last <= delivery.event.sequence, "attempted out of order");
            *last = delivery.event.sequence;
            world.record(&delivery, next_step, now).await;
        }
        Step::Release(index) if index < progress.in_hand.len() => {
            let delivery = progress.in_hand.remove(index);
            let claims = vec![(delivery.id, delivery.claim)];
            world.store().queue.release(claims).await.unwrap();
        }
        Step::Wait(seconds) => progress.now_ms += seconds * 1000,
        Step::LookForLate => drop(world.store().queue.take_over_late(now).await.unwrap()),
        Step::Record(..) | Step::Release(_) => {}
    }
    let taken = std::mem::take(&mut *world.dispatcher.taken.lock().unwrap());
    let ours = |delivery: &ClaimedDelivery| delivery.webhook_id == world.ordered;
    progress.in_hand.extend(taken.into_iter().filter(ours));
}

async fn expect_lane_in_order(world: &World, incident: IncidentId) {
    let states = world.states(world.ordered, incident).await;
    let open: Vec<_> = states.iter().filter(|state| state.is_open()).collect();
    assert!(
        open.iter().skip(1).all(|state| **state == DeliveryState::Queued),
        "{states:?}"
    );
    assert_ne!(open.first(), Some(&&DeliveryState::Queued), "{states:?}");
    assert!(states.is_sorted_by_key(|state| state.is_open()), "{states:?}");
}

/// Each that is dead was taken over, nothing that was sent in time was, and nothing twice.
async fn expect_taken_over_once(world: &World, incident: IncidentId) {
    let lane = world.lane(world.ordered, incident).await;
    let mut noted: Vec<_> = lane
        .iter()
        .filter_map(|delivery| delivery.taken_over_by)
        .collect();
    let taken = world.lane(world.loose, incident).await;
    let taken = taken.iter().filter(|delivery| delivery.fallback_of.is_some());
    let mut made: Vec<_> = taken.map(|delivery| delivery.id).collect();
    noted.sort_unstable();
    made.sort_unstable();
    assert_eq!(noted, made);
    let is_dead = |delivery: &&Delivery| delivery.state == DeliveryState::Dead;
    assert!(
        lane.iter()
            .filter(is_dead)
            .all(|dead| dead.taken_over_by.is_some())
    );
}

async fn run(backend: Arc<dyn Backend>, policy: AfterOutage, steps: Vec<Step>) {
    let mut world = World::new(backend).await;
    let (ordered, loose) = (world.ordered, world.loose);
    outages::fall_back(&mut world, ordered, loose, Some(MIN_FALLBACK_AFTER)).await;
    outages::keep(&mut world, ordered, policy).await;
    let incidents = [world.trigger("one").await.id, world.trigger("two").await.id];
    let mut progress = Progress::default();
    for step in steps {
        take_step(&world, &incidents, &mut progress, step).await;
        expect_lane_in_order(&world, incidents[0]).await;
        expect_lane_in_order(&world, incidents[1]).await;
    }
    expect_taken_over_once(&world, incidents[0]).await;
    expect_taken_over_once(&world, incidents[1]).await;
    let (accepted, found) = (
        world.backend.accepted(world.ordered).await,
        world.backend.deliveries(world.ordered).await,
    );
    assert_eq!(accepted, found);
    world.expect_bystanders_untouched().await;
}

pub fn no_sequence_of_steps_breaks_a_lane(new_backend: fn() -> Arc<dyn Backend>) {
    let config = ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let steps = (any_policy(), prop::collection::vec(any_step(), 1..40));
    let outcome = TestRunner::new(config).run(&steps, |(policy, steps)| {
        crate::block_on(run(new_backend(), policy, steps));
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
