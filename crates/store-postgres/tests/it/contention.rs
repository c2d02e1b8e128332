//! Several nodes on the way from an incident to its deliveries, at the same time and on the same rows.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::delivery::{Claim, ClaimedDelivery, NextStep};
use model::id::{DeliveryId, IncidentId};
use model::incident::IncidentAction;
use store::incidents::{Committed, Trigger};
use store::queue::{ClaimRequest, Recorded};
use store::receipts::{Answer, Receipt};
use store::{Store, StoreError};
use store_conformance::engine::World;
use store_conformance::{Backend, Opening};
use tokio::task::JoinSet;

use super::backend::{PostgresBackend, open_database};

const NODES: i64 = 3;

/// A store with two webhooks, and further nodes on it.
struct Fleet {
    world: Arc<World>,
    backend: Arc<PostgresBackend>,
    nodes: Vec<Store>,
}

impl Fleet {
    async fn new() -> Self {
        let backend = Arc::new(PostgresBackend::new());
        let world = World::new(Arc::clone(&backend) as Arc<dyn Backend>).await;
        let mut nodes = Vec::new();
        for node in 0..NODES {
            let opening = Opening {
                node: 100 + node,
                ..Opening::default()
            };
            nodes.push(open_database(&backend.url(), &opening).await.unwrap().into());
        }
        Self {
            world: Arc::new(world),
            backend,
            nodes,
        }
    }

    async fn number(&self, sql: &str) -> i64 {
        self.world.backend.number(sql, &[]).await
    }
}

/// Numbers that look random, from a seed that is printed.
struct Numbers(u64);

impl Numbers {
    /// The numbers of one of several workers.
    fn new(seed: u64, worker: u64) -> Self {
        Self((seed ^ (worker + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_of_the_feed_never_passes_over_what_is_committed_later() {
    let fleet = Fleet::new().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let reader = {
        let (store, is_over) = (fleet.nodes[0].clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut seen = Vec::new();
            loop {
                let was_over = is_over.load(Ordering::SeqCst);
                let last = seen.last().copied().unwrap_or(0);
                let events = store.events.list_after(last, 7).await.unwrap();
                if events.is_empty() && was_over {
                    return seen;
                }
                seen.extend(events.iter().map(|event| event.sequence));
            }
        })
    };
    let mut writers = JoinSet::new();
    for (node, salt) in fleet.nodes.iter().cycle().zip(0..24) {
        let (store, world) = (node.clone(), Arc::clone(&fleet.world));
        writers.spawn(async move {
            for number in 0..10 {
                let trigger = world.new_trigger(&format!("{salt} {number}"));
                store.incidents.trigger(trigger).await.unwrap();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    is_over.store(true, Ordering::SeqCst);
    let seen = reader.await.unwrap();
    let there = fleet
        .number("SELECT count(*) FROM events WHERE NOT is_test")
        .await;
    assert_eq!(seen.len(), usize::try_from(there).unwrap());
    assert!(seen.is_sorted());
}

fn render(committed: &Committed) -> Answer {
    match committed {
        Committed::Created(incident) => Answer {
            status: 201,
            body: incident.title.clone().into_bytes(),
        },
        other => panic!("not rendered here: {other:?}"),
    }
}

/// Runs one trigger on each node at the same moment.
async fn trigger_everywhere(fleet: &Fleet, change: impl Fn(Trigger) -> Trigger) -> Vec<Committed> {
    let mut triggers = JoinSet::new();
    for (index, node) in fleet.nodes.iter().enumerate() {
        let (store, trigger) = (node.clone(), change(fleet.world.new_trigger(&index.to_string())));
        triggers.spawn(async move { store.incidents.trigger(trigger).await.unwrap() });
    }
    triggers.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_request_sent_to_every_node_at_once_is_done_once_and_answered_alike() {
    let fleet = Fleet::new().await;
    for round in 0..10 {
        let committed = trigger_everywhere(&fleet, |trigger| Trigger {
            receipt: Some(Receipt {
                owner: "key_1".into(),
                key: format!("round {round}"),
                request_hash: [7; 32],
                render,
            }),
            ..trigger
        })
        .await;
        let created: Vec<_> = committed
            .iter()
            .filter_map(|committed| match committed {
                Committed::Created(incident) => Some(incident.title.clone().into_bytes()),
                _ => None,
            })
            .collect();
        assert_eq!(created.len(), 1, "{committed:?}");
        let answers: HashSet<_> = committed
            .iter()
            .filter_map(|committed| match committed {
                Committed::Repeated(answer) => Some(answer.body.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(answers.into_iter().collect::<Vec<_>>(), created);
    }
    let made = fleet
        .number("SELECT count(*) FROM incidents WHERE title <> 'bystander'")
        .await;
    assert_eq!(made, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_dedup_key_on_every_node_at_once_makes_one_incident_while_it_is_open() {
    let fleet = Fleet::new().await;
    for round in 1..=10 {
        let committed = trigger_everywhere(&fleet, |trigger| Trigger {
            dedup_key: Some("db".into()),
            ..trigger
        })
        .await;
        let ids: HashSet<IncidentId> = committed
            .iter()
            .map(|committed| match committed {
                Committed::Created(incident) | Committed::Unchanged(incident) => incident.id,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ids.len(), 1, "{committed:?}");
        let id = ids.into_iter().next().unwrap();
        let resolved = fleet
            .world
            .act(id, IncidentAction::Resolve, fleet.world.at(round))
            .await;
        assert!(matches!(resolved, Committed::Changed(_)));
    }
    let made = fleet
        .number("SELECT count(*) FROM incidents WHERE dedup_key = 'db'")
        .await;
    assert_eq!(made, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_wrong_with_one_request_of_a_group_is_no_other_ones_failure() {
    let fleet = Fleet::new().await;
    let first = fleet.world.new_trigger("first");
    let taken = first.event_id;
    fleet.nodes[0].incidents.trigger(first).await.unwrap();
    let mut triggers = JoinSet::new();
    for index in 0..40 {
        let (store, world) = (fleet.nodes[0].clone(), Arc::clone(&fleet.world));
        let mut trigger = world.new_trigger(&index.to_string());
        if index % 20 == 7 {
            trigger.event_id = taken;
        }
        triggers.spawn(async move { (index, store.incidents.trigger(trigger).await) });
    }
    for (index, result) in triggers.join_all().await {
        match index % 20 == 7 {
            true => assert!(
                matches!(result, Err(StoreError::Corrupt(_))),
                "{index}: {result:?}"
            ),
            false => assert!(matches!(result, Ok(Committed::Created(_))), "{index}: {result:?}"),
        }
    }
    let sql = "SELECT count(*) FROM incidents i WHERE title <> 'bystander'
                   AND (SELECT count(*) FROM events e WHERE e.incident_id = i.id) = 1
                   AND (SELECT count(*) FROM deliveries d WHERE d.incident_id = i.id) = 2";
    assert_eq!(fleet.number(sql).await, 39);
}

/// What one node does to a few incidents: everything that moves a lane.
async fn meddle(
    world: Arc<World>,
    store: Store,
    incidents: Vec<IncidentId>,
    mut numbers: Numbers,
) -> Vec<(DeliveryId, Claim)> {
    let mut in_hand: Vec<ClaimedDelivery> = Vec::new();
    let mut claimed = Vec::new();
    for step in 1..60 {
        let now = world.at(step);
        match numbers.below(12) {
            0..=4 => {
                let actions = [
                    IncidentAction::Acknowledge,
                    IncidentAction::Resolve,
                    IncidentAction::Escalate,
                    IncidentAction::Reopen,
                ];
                let action = actions[numbers.below(4) as usize];
                let id = incidents[numbers.below(incidents.len() as u64) as usize];
                let request = world.new_transition(id, action, now);
                store.incidents.transition(request).await.unwrap();
            }
            5 | 6 => {
                let request = ClaimRequest {
                    webhook_id: world.ordered,
                    limit: 4,
                };
                let mut answer = store
                    .queue
                    .claim_due(vec![request], world.at(1_000))
                    .await
                    .unwrap();
                let deliveries = answer.remove(0).deliveries;
                claimed.extend(deliveries.iter().map(|delivery| (delivery.id, delivery.claim)));
                in_hand.extend(deliveries);
            }
            7..=9 => {
                let records: Vec<_> = in_hand
                    .drain(..)
                    .map(|delivery| {
                        let next_step = match numbers.below(4) {
                            0 => NextStep::Dead,
                            1 => NextStep::Retry { at: now },
                            _ => NextStep::Delivered,
                        };
                        world.attempt(&delivery, next_step, now)
                    })
                    .collect();
                let recorded = store.queue.record(records.into(), now).await.unwrap();
                assert!(recorded.iter().all(|recorded| *recorded == Recorded::Applied));
            }
            10 => {
                let claims = in_hand.drain(..).map(|delivery| (delivery.id, delivery.claim));
                store.queue.release(claims.collect()).await.unwrap();
            }
            _ => {
                let id = incidents[numbers.below(incidents.len() as u64) as usize];
                let lane = world.lane(world.ordered, id).await;
                let delivery = &lane[numbers.below(lane.len() as u64) as usize];
                match delivery.state.is_open() {
                    true => drop(
                        store
                            .deliveries
                            .give_up(delivery.id, world.change(now))
                            .await
                            .unwrap(),
                    ),
                    false => drop(
                        store
                            .deliveries
                            .replay(delivery.id, world.change(now))
                            .await
                            .unwrap(),
                    ),
                }
            }
        }
    }
    let claims = in_hand.drain(..).map(|delivery| (delivery.id, delivery.claim));
    store.queue.release(claims.collect()).await.unwrap();
    claimed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lane_has_one_head_and_goes_on_whatever_nodes_do_at_once() {
    let fleet = Fleet::new().await;
    let incidents = vec![
        fleet.world.trigger("one").await.id,
        fleet.world.trigger("two").await.id,
    ];
    let mut nodes = JoinSet::new();
    let seed = RandomState::new().hash_one(0);
    println!("seed {seed}");
    for (node, worker) in fleet.nodes.iter().cycle().zip(0..6) {
        let (world, store, incidents) = (Arc::clone(&fleet.world), node.clone(), incidents.clone());
        nodes.spawn(meddle(world, store, incidents, Numbers::new(seed, worker)));
    }
    let heads = "SELECT coalesce(max(heads), 0)::bigint FROM (
                     SELECT count(*) AS heads FROM deliveries
                     WHERE state IN ('scheduled', 'claimed') AND NOT is_test
                         AND webhook_id = (SELECT id FROM webhooks WHERE name = 'ordered')
                     GROUP BY incident_id) AS lanes";
    let headless = "SELECT count(*) FROM deliveries q WHERE q.state = 'queued' AND NOT EXISTS (
                        SELECT 1 FROM deliveries h WHERE h.incident_id = q.incident_id
                            AND h.webhook_id = q.webhook_id AND h.state IN ('scheduled', 'claimed'))";
    // Between any two of their steps.
    while !nodes.is_empty() {
        assert!(fleet.number(heads).await <= 1);
        assert_eq!(fleet.number(headless).await, 0);
        if let Some(done) = nodes.try_join_next() {
            done.unwrap();
        }
    }
    assert!(fleet.number(heads).await <= 1);
    // Whatever is left comes up one by one.
    for step in 0..1_000 {
        let claimed = fleet
            .world
            .claim(fleet.world.ordered, 10, fleet.world.at(9_000))
            .await;
        if claimed.deliveries.is_empty() {
            break;
        }
        for delivery in &claimed.deliveries {
            let now = fleet.world.at(2_000 + step);
            assert_eq!(
                fleet.world.record(delivery, NextStep::Delivered, now).await,
                Recorded::Applied
            );
        }
    }
    let open = "SELECT count(*) FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id
                WHERE w.name = 'ordered' AND d.finished_at IS NULL";
    assert_eq!(fleet.number(open).await, 0);
    let accepted = fleet.world.backend.accepted(fleet.world.ordered).await;
    assert_eq!(
        accepted,
        fleet.world.backend.deliveries(fleet.world.ordered).await
    );
    fleet.world.expect_bystanders_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_due_delivery_is_claimed_by_one_node_only() {
    let fleet = Fleet::new().await;
    for index in 0..60 {
        fleet.world.trigger(&index.to_string()).await;
    }
    let mut nodes = JoinSet::new();
    for node in fleet.nodes.iter().cycle().take(6) {
        let (world, store) = (Arc::clone(&fleet.world), node.clone());
        nodes.spawn(async move {
            let mut claimed = Vec::new();
            for _ in 0..20 {
                let requests =
                    [world.ordered, world.loose].map(|webhook_id| ClaimRequest { webhook_id, limit: 5 });
                let answers = store
                    .queue
                    .claim_due(requests.to_vec(), world.at(1))
                    .await
                    .unwrap();
                claimed.extend(answers.into_iter().flat_map(|answer| answer.deliveries));
            }
            claimed
                .into_iter()
                .map(|delivery| delivery.id)
                .collect::<Vec<_>>()
        });
    }
    let claimed: Vec<DeliveryId> = nodes.join_all().await.concat();
    assert_eq!(claimed.len(), 120);
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), 120);
}

#[tokio::test]
async fn what_another_node_is_claiming_is_not_asked_for_again_at_once() {
    let fleet = Fleet::new().await;
    fleet.world.trigger("contended").await;
    let mut other = fleet.backend.connection().await;
    let claiming = other.transaction().await.unwrap();
    let sql = "SELECT id FROM deliveries WHERE state = 'scheduled' FOR UPDATE";
    assert!(!claiming.query(sql, &[]).await.unwrap().is_empty());
    let now = fleet.world.at(1);
    let request = ClaimRequest {
        webhook_id: fleet.world.loose,
        limit: 5,
    };
    let passed_over = fleet.nodes[0].queue.claim_due(vec![request], now).await.unwrap();
    assert_eq!(passed_over[0].deliveries.len(), 0);
    assert!(passed_over[0].next_due_at.is_some_and(|at| at > now));
    claiming.rollback().await.unwrap();
    let claimed = fleet.nodes[0].queue.claim_due(vec![request], now).await.unwrap();
    assert_eq!(claimed[0].deliveries.len(), 1);
}
