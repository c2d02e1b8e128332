//! The steps: what nodes do, and what happens to them.

use std::sync::atomic::Ordering;

use model::delivery::{ClaimedDelivery, NextStep};
use model::id::{EventId, IncidentId};
use model::incident::{IncidentAction, IncidentStatus};
use store::StoreError;
use store::incidents::Committed;
use store::queue::{ClaimRequest, Recorded};

use super::{NODES, Simulation};

/// How often something that a broken connection stopped is tried again.
const MAX_TRIES: u32 = 20;

impl Simulation {
    pub async fn step(&mut self) {
        self.now_ms += 1;
        let node = self.numbers.below(NODES);
        match self.numbers.below(20) {
            0..=2 => self.trigger(node).await,
            3..=5 => self.transition(node).await,
            6..=8 => self.claim(node).await,
            9 => self.claim_everywhere().await,
            10..=11 => self.attempt(node),
            12..=14 => self.record(node).await,
            15 => self.release(node).await,
            16 => self.rescue(node).await,
            17 => self.end_lease(node).await,
            18 => self.die(node).await,
            _ => self.break_connections(node).await,
        }
    }

    async fn trigger(&mut self, node: usize) {
        let room = u32::try_from(self.numbers.below(3)).unwrap();
        self.nodes[node].sink.room.store(room, Ordering::SeqCst);
        let title = format!("simulated {}", self.now_ms);
        let trigger = self.world.new_trigger(&title);
        let (incident, event) = (trigger.incident_id, trigger.event_id);
        self.expectation.doubtful.insert(event);
        match self.store(node).incidents.trigger(trigger).await {
            Ok(Committed::Created(_)) => self.note_event(incident, event, IncidentStatus::Triggered),
            Err(StoreError::Unavailable(_)) => {
                self.find_out(incident, event, IncidentStatus::Triggered).await
            }
            other => panic!("{other:?}"),
        }
        self.nodes[node].sink.room.store(0, Ordering::SeqCst);
    }

    async fn transition(&mut self, node: usize) {
        if self.incidents.is_empty() {
            return;
        }
        let incident = self.incidents[self.numbers.below(self.incidents.len())];
        let actions = [
            (IncidentAction::Acknowledge, IncidentStatus::Acknowledged),
            (IncidentAction::Resolve, IncidentStatus::Resolved),
            (IncidentAction::Reopen, IncidentStatus::Triggered),
        ];
        let (action, status) = actions[self.numbers.below(actions.len())];
        let request = self
            .world
            .new_transition(incident, action, self.world.at(self.now_ms));
        let event = request.event_id;
        self.expectation.doubtful.insert(event);
        match self.store(node).incidents.transition(request).await {
            Ok(Committed::Changed(changed)) => {
                assert_eq!(changed.status, status);
                self.note_event(incident, event, status);
            }
            Ok(Committed::Unchanged(same) | Committed::Refused(same)) => {
                assert_eq!(same.status, self.expectation.statuses[&incident]);
            }
            Err(StoreError::Unavailable(_)) => self.find_out(incident, event, status).await,
            other => panic!("{other:?}"),
        }
    }

    fn note_event(&mut self, incident: IncidentId, event: EventId, status: IncidentStatus) {
        if self.expectation.statuses.insert(incident, status).is_none() {
            self.incidents.push(incident);
        }
        self.expectation.events.insert(event);
    }

    /// An answer was lost: what is there counts. Nothing may be there in part.
    async fn find_out(&mut self, incident: IncidentId, event: EventId, status: IncidentStatus) {
        self.counts.broken += 1;
        let id = event.as_bytes().to_vec();
        let sql = "SELECT count(*) FROM events WHERE id = $1";
        let there: i64 = self.observer.query_one(sql, &[&id]).await.unwrap().get(0);
        if there == 1 {
            self.note_event(incident, event, status);
        }
    }

    async fn claim(&mut self, node: usize) {
        let requests = self.requests();
        let (store, now) = (self.store(node), self.world.at(self.now_ms));
        let claimed = store.queue.claim_due(requests, now).await;
        self.take(node, claimed);
    }

    /// All nodes at the same moment.
    async fn claim_everywhere(&mut self) {
        let now = self.world.at(self.now_ms);
        let mut claims = tokio::task::JoinSet::new();
        for node in 0..NODES {
            let (store, requests) = (self.store(node), self.requests());
            claims.spawn(async move { (node, store.queue.claim_due(requests, now).await) });
        }
        for (node, claimed) in claims.join_all().await {
            self.take(node, claimed);
        }
    }

    fn requests(&mut self) -> Vec<ClaimRequest> {
        let limit = u32::try_from(1 + self.numbers.below(3)).unwrap();
        [self.world.ordered, self.world.loose]
            .map(|webhook_id| ClaimRequest { webhook_id, limit })
            .into()
    }

    fn take(&mut self, node: usize, claimed: Result<Vec<store::queue::Claimed>, StoreError>) {
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(StoreError::Unavailable(_)) => {
                self.counts.broken += 1;
                return;
            }
            Err(other) => panic!("{other}"),
        };
        for delivery in claimed.into_iter().flat_map(|claimed| claimed.deliveries) {
            self.counts.claims += 1;
            self.expectation.claimed(&delivery, self.nodes[node].run);
            self.nodes[node].hand.push(delivery);
        }
    }

    fn pick_from_hand(&mut self, node: usize) -> Option<ClaimedDelivery> {
        let count = self.nodes[node].hand.len();
        let index = (count > 0).then(|| self.numbers.below(count))?;
        Some(self.nodes[node].hand.swap_remove(index))
    }

    /// A request was made; its result is recorded later, or never.
    fn attempt(&mut self, node: usize) {
        let Some(delivery) = self.pick_from_hand(node) else {
            return;
        };
        let now = self.world.at(self.now_ms);
        let step = match self.numbers.below(4) {
            0 => NextStep::Retry {
                at: self.world.at(self.now_ms + 3),
            },
            1 if self.numbers.one_in(3) => NextStep::Dead,
            _ => NextStep::Delivered,
        };
        let record = self.world.attempt(&delivery, step, now);
        self.nodes[node].unrecorded.push(record);
    }

    async fn record(&mut self, node: usize) {
        let records = std::mem::take(&mut self.nodes[node].unrecorded);
        if records.is_empty() {
            return;
        }
        let (run, now) = (self.nodes[node].run, self.world.at(self.now_ms));
        let store = self.store(node);
        let mut recorded = store.queue.record(records.clone().into(), now).await;
        for _ in 0..MAX_TRIES {
            if recorded.is_ok() {
                break;
            }
            recorded = store.queue.record(records.clone().into(), now).await;
        }
        for (record, recorded) in records.iter().zip(recorded.unwrap()) {
            let is_held = self.expectation.is_held(record.delivery_id, run, record.claim.0);
            let expected = if is_held {
                Recorded::Applied
            } else {
                Recorded::Late
            };
            assert_eq!(recorded, expected, "{}", record.delivery_id);
            self.counts.records += 1;
            self.counts.late += u32::from(!is_held);
            if is_held {
                self.expectation.let_go(record.delivery_id);
            }
        }
    }

    async fn release(&mut self, node: usize) {
        let Some(delivery) = self.pick_from_hand(node) else {
            return;
        };
        let (run, claim) = (self.nodes[node].run, delivery.claim);
        while self
            .store(node)
            .queue
            .release(vec![(delivery.id, claim)])
            .await
            .is_err()
        {}
        if self.expectation.is_held(delivery.id, run, claim.0) {
            self.expectation.let_go(delivery.id);
        }
    }

    /// Everybody beats who has a lease; what is left belongs to nobody.
    async fn rescue(&mut self, node: usize) {
        let now = self.world.at(self.now_ms);
        self.nodes[node].beat(now).await;
        let sql = "SELECT id FROM nodes";
        let rows = self.observer.query(sql, &[]).await.unwrap();
        let living: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        let own = self.nodes[node].run;
        let expected = self
            .expectation
            .rescued(|run| run != own && !living.contains(&run));
        match self.store(node).queue.rescue(now).await {
            Ok(rescued) => {
                // Claims that only a lost answer named are nobody's either.
                assert!(rescued >= expected, "{rescued} of {expected} claims were rescued");
                self.counts.rescued += rescued;
            }
            Err(StoreError::Unavailable(_)) => self.counts.broken += 1,
            Err(other) => panic!("{other}"),
        }
    }

    /// A node was stopped for too long: it goes on with what it held, and comes too late.
    async fn end_lease(&mut self, node: usize) {
        let sql = "DELETE FROM nodes WHERE id = $1";
        self.observer
            .execute(sql, &[&self.nodes[node].run])
            .await
            .unwrap();
        let rescuer = (node + 1) % NODES;
        self.rescue(rescuer).await;
        if self.numbers.one_in(2) {
            self.nodes[node].beat(self.world.at(self.now_ms)).await;
        }
    }

    /// A node dies with what it held, and another run begins in its place.
    async fn die(&mut self, node: usize) {
        self.counts.deaths += 1;
        let new = self.start_node().await;
        let old = std::mem::replace(&mut self.nodes[node], new);
        let sql = "DELETE FROM nodes WHERE id = $1";
        self.observer.execute(sql, &[&old.run]).await.unwrap();
    }

    /// Every connection ends in the middle of what two nodes do.
    async fn break_connections(&mut self, node: usize) {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name = 'opsknight'";
        let observer = super::server().connect(&self.database).await;
        let wait = std::time::Duration::from_micros(self.numbers.below(6000).try_into().unwrap());
        let breaking = tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            observer.query(sql, &[]).await.unwrap();
        });
        match self.numbers.below(4) {
            0 => self.trigger(node).await,
            1 => self.transition(node).await,
            2 => self.record(node).await,
            _ => self.claim(node).await,
        }
        breaking.await.unwrap();
    }

    /// No more faults: everything open is delivered in the end.
    pub async fn heal(&mut self) {
        for node in 0..NODES {
            self.nodes[node].beat(self.world.at(self.now_ms)).await;
            self.record(node).await;
        }
        self.check().await;
        self.rescue(0).await;
        loop {
            // Late enough for every retry.
            self.now_ms += 10;
            for node in 0..NODES {
                self.claim(node).await;
                while let Some(delivery) = self.pick_from_hand(node) {
                    let now = self.world.at(self.now_ms);
                    let record = self.world.attempt(&delivery, NextStep::Delivered, now);
                    self.nodes[node].unrecorded.push(record);
                }
                self.record(node).await;
            }
            self.check().await;
            let sql = "SELECT count(*) FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id
                       WHERE d.finished_at IS NULL AND w.name <> 'bystander'";
            let open: i64 = self.observer.query_one(sql, &[]).await.unwrap().get(0);
            if open == 0 {
                break;
            }
            assert!(self.now_ms < 1_000_000, "{open} deliveries are never finished");
        }
        let balance = self.store(0).upkeep.balance().await.unwrap();
        assert!(
            balance.iter().all(|balance| balance.missing() == 0),
            "{balance:?}"
        );
        let findings = self
            .store(0)
            .upkeep
            .examine(self.world.at(self.now_ms))
            .await
            .unwrap();
        assert_eq!(findings, []);
    }
}
