//! What becomes of deliveries in an outage: another webhook takes over, or they end unsent.

use std::collections::{BTreeMap, BTreeSet};

use model::delivery::{Delivery, DeliveryState};
use model::exchange::FailureCode;
use model::id::WebhookId;
use model::outage::{AfterOutage, Fallback, MIN_FALLBACK_AFTER};
use model::webhook::WhenDisabled;
use store::Page;
use store::deliveries::DeliveryFilter;

use super::action::Choices;
use super::node::KEEP_FOR;
use super::world::{PAGE, World};

impl World {
    /// Who takes over from a webhook that is about to be made.
    pub fn chosen_fallback(&self, choices: &Choices) -> Option<Fallback> {
        let webhook_id = self.living_one(choices.fallback?)?;
        let late_after = choices.takes_over_late.then_some(MIN_FALLBACK_AFTER);
        Some(Fallback {
            webhook_id,
            late_after,
        })
    }

    /// Whether a webhook is there for another one, which may not lose it.
    pub fn is_fallback(&self, id: WebhookId) -> bool {
        self.fallbacks().contains(&id)
    }

    fn fallbacks(&self) -> BTreeSet<WebhookId> {
        let living = self.webhooks.values().filter(|known| !known.is_deleted);
        let fallbacks = living.filter_map(|known| known.webhook.settings.fallback);
        fallbacks.map(|fallback| fallback.webhook_id).collect()
    }

    /// Takes in what plain webhooks have taken over since the last time.
    pub fn meet_take_overs(&mut self) {
        for webhook_id in self.fallbacks() {
            if self.webhooks[&webhook_id].kind != "generic" {
                continue;
            }
            let filter = DeliveryFilter {
                webhook_id: Some(webhook_id),
                ..DeliveryFilter::default()
            };
            let page = Page {
                limit: PAGE,
                before: None,
            };
            let latest = self.ask(async move |store| store.deliveries.list(filter, page).await.unwrap().rows);
            for delivery in latest {
                let is_new =
                    delivery.fallback_of.is_some() && !self.expectation.deliveries.contains_key(&delivery.id);
                // One of an event that was pruned while the clock was ahead is judged by nobody.
                if is_new && let Some(event) = self.events.get(&delivery.event_sequence) {
                    self.expectation.accepted(&delivery, &event.body);
                }
            }
        }
    }

    /// Only what its webhook wants no more has ended unsent: for a newer event of its incident, or too old.
    pub fn check_endings(&self, deliveries: &[Delivery]) {
        let mut newest: BTreeMap<_, i64> = BTreeMap::new();
        for delivery in deliveries {
            let lane = (delivery.webhook_id, delivery.incident_id);
            let newest = newest.entry(lane).or_default();
            *newest = (*newest).max(delivery.event_sequence);
        }
        for delivery in deliveries {
            let policy = self.webhooks[&delivery.webhook_id].webhook.settings.after_outage;
            let may_have_ended = match (delivery.state, policy) {
                (DeliveryState::Superseded, AfterOutage::Newest) => {
                    let newest = newest[&(delivery.webhook_id, delivery.incident_id)];
                    // The newer one may be older as a delivery: this one was made when it took over.
                    let is_late = delivery.fallback_of.is_some();
                    let may_be_pruned = delivery.created_at < self.latest.minus(KEEP_FOR.delivered);
                    newest > delivery.event_sequence || may_be_pruned || is_late
                }
                (DeliveryState::Expired, AfterOutage::Expire { after }) => {
                    let ended_at = delivery.finished_at.unwrap_or_default();
                    // What is told again is as old as that.
                    ended_at.since(delivery.created_at) >= after || delivery.attempts_made > 0
                }
                (DeliveryState::Superseded | DeliveryState::Expired, _) => false,
                _ => true,
            };
            assert!(may_have_ended, "{policy:?} does not end {delivery:?}");
        }
    }

    /// What was taken over and what took it over name each other; and whatever has died was taken over, if somebody is always
    /// there to do so.
    pub fn check_take_overs(&self, deliveries: &[Delivery]) {
        let found: BTreeMap<_, _> = deliveries
            .iter()
            .map(|delivery| (delivery.id, delivery))
            .collect();
        for delivery in deliveries {
            if let Some(original) = delivery.fallback_of.and_then(|id| found.get(&id)) {
                assert_eq!(
                    (original.taken_over_by, original.event_sequence),
                    (Some(delivery.id), delivery.event_sequence),
                    "{delivery:?} took over from {original:?}"
                );
                assert_ne!(original.webhook_id, delivery.webhook_id, "{delivery:?}");
            }
            if let Some(taking) = delivery.taken_over_by.and_then(|id| found.get(&id)) {
                assert_eq!(
                    taking.fallback_of,
                    Some(delivery.id),
                    "{delivery:?} and {taking:?}"
                );
            }
            let is_lost = delivery.state == DeliveryState::Dead && delivery.taken_over_by.is_none();
            assert!(
                !is_lost || !self.must_be_taken_over(delivery),
                "nobody took over {delivery:?}"
            );
        }
    }

    fn must_be_taken_over(&self, delivery: &Delivery) -> bool {
        let is_dropped =
            delivery.given_up_by.is_some() || delivery.last_failure == Some(FailureCode::WebhookDeleted);
        let fallback = self.webhooks[&delivery.webhook_id].webhook.settings.fallback;
        let stands_ready = fallback.is_some_and(|fallback| {
            self.webhooks[&fallback.webhook_id].webhook.settings.when_disabled == WhenDisabled::Hold
        });
        stands_ready && !is_dropped && !delivery.is_test && delivery.incident().is_some()
    }
}
