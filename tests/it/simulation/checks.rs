//! The whole store against the whole expectation.

use std::collections::{BTreeMap, BTreeSet};

use model::delivery::{Delivery, DeliveryState};
use model::webhook::Ordering;
use store::Page;
use store::deliveries::DeliveryFilter;

use super::expectation::State;
use super::world::World;

const PAGE: u32 = 500;

impl World {
    /// Compares everything.
    pub fn check(&self) {
        let deliveries = self.all_deliveries();
        self.check_states(&deliveries);
        self.check_lanes(&deliveries);
        self.check_balance();
        self.check_feed();
        let now = self.source.now();
        let findings = self.run(async |store| store.upkeep.examine(now).await.unwrap());
        let findings: Vec<_> = findings
            .into_iter()
            // Claims of a crashed run have no lease until they are rescued.
            .filter(|finding| finding.code != "claim_of_nobody")
            .collect();
        assert_eq!(findings, []);
    }

    fn all_deliveries(&self) -> Vec<Delivery> {
        let mut all: Vec<Delivery> = Vec::new();
        loop {
            let page = Page {
                limit: PAGE,
                before: all.last().map(|delivery| *delivery.id.as_bytes()),
            };
            let filter = DeliveryFilter::default();
            let next = self.run(async |store| store.deliveries.list(filter, page).await.unwrap().rows);
            if next.is_empty() {
                return all.into_iter().filter(|delivery| !delivery.is_test).collect();
            }
            all.extend(next);
        }
    }

    fn check_states(&self, deliveries: &[Delivery]) {
        let found: BTreeMap<_, _> = deliveries
            .iter()
            .map(|delivery| ((delivery.webhook_id, delivery.event_sequence), delivery))
            .collect();
        assert_eq!(
            found.len(),
            deliveries.len(),
            "an event has two deliveries to one webhook"
        );
        let expected = &self.expectation.deliveries;
        let found_keys: BTreeSet<_> = found.keys().collect();
        let expected_keys: BTreeSet<_> = expected.keys().collect();
        let different: Vec<_> = found_keys.symmetric_difference(&expected_keys).collect();
        assert!(different.is_empty(), "lost or made up: {different:?}");
        for (key, expected) in expected {
            let delivery = found[key];
            let state = match delivery.state {
                DeliveryState::Delivered => State::Delivered,
                DeliveryState::Dead | DeliveryState::Superseded | DeliveryState::Expired => State::Dead,
                DeliveryState::Scheduled
                | DeliveryState::Queued
                | DeliveryState::Claimed
                | DeliveryState::Held => State::Open,
            };
            assert_eq!((delivery.id, state), (expected.id, expected.state));
            assert_eq!(delivery.attempts_made, expected.attempts_made);
        }
    }

    fn check_lanes(&self, deliveries: &[Delivery]) {
        let mut heads: BTreeMap<_, u32> = BTreeMap::new();
        for delivery in deliveries {
            let webhook = &self.expectation.subscribers[&delivery.webhook_id].webhook;
            let is_head = matches!(delivery.state, DeliveryState::Scheduled | DeliveryState::Claimed);
            if is_head && webhook.settings.ordering == Ordering::Incident {
                *heads
                    .entry((delivery.webhook_id, delivery.incident_id))
                    .or_default() += 1;
            }
        }
        let crowded: Vec<_> = heads.into_iter().filter(|(_, count)| *count > 1).collect();
        assert_eq!(crowded, [], "lanes with two heads");
    }

    fn check_balance(&self) {
        let balances = self.run(async |store| store.upkeep.balance().await.unwrap());
        assert_eq!(balances.len(), self.expectation.subscribers.len());
        for balance in balances {
            let subscriber = &self.expectation.subscribers[&balance.webhook_id];
            assert_eq!(balance.missing(), 0);
            assert_eq!(
                (balance.accepted, balance.pruned),
                (subscriber.accepted, subscriber.pruned)
            );
        }
    }

    fn check_feed(&self) {
        let mut found = BTreeSet::new();
        let mut after = 0;
        loop {
            let next = self.run(async |store| store.events.list_after(after, PAGE).await.unwrap());
            let Some(last) = next.last() else { break };
            assert!(last.sequence > after);
            after = last.sequence;
            for event in next {
                let committed = &self.expectation.events[&event.sequence];
                assert_eq!(
                    (event.id, &event.body),
                    (committed.event.id, &committed.event.body)
                );
                found.insert(event.sequence);
            }
        }
        let kept = self
            .expectation
            .events
            .iter()
            .filter(|(_, committed)| !committed.is_pruned)
            .map(|(sequence, _)| *sequence);
        assert_eq!(
            found,
            kept.collect(),
            "the feed has a gap, or keeps what was pruned"
        );
    }
}
