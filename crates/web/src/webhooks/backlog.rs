//! What waits for a webhook and what died, each number with where its deliveries are listed.

use crate::layout::paging::address;
use crate::layout::show::{self, Markup};
use model::delivery::DeliveryState;
use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use model::webhook::WebhookState;
use store::overview::WebhookHealth;

/// A number of deliveries.
pub struct Counted {
    /// Where they are listed.
    pub path: String,
    /// How many, and what of them.
    pub words: String,
    pub is_dead: bool,
}

/// What a webhook owes.
#[derive(Default)]
pub struct Backlog {
    pub counted: Vec<Counted>,
    /// The delivery that waits for longest, and since when.
    pub oldest: Option<(DeliveryId, Markup)>,
    /// Where what died can be sent again, if anything did.
    pub recover: Option<String>,
}

impl Backlog {
    /// What a webhook owes now.
    pub fn new(id: WebhookId, health: &WebhookHealth, now: Timestamp) -> Self {
        let list = |state: DeliveryState| {
            let (webhook, state) = (id.to_string(), state.as_str());
            address("/deliveries", &[("webhook", &webhook), ("status", state)], None)
        };
        let waiting = |count: u64, state: DeliveryState| Counted {
            path: list(state),
            words: format!("{} {}", show::counted(count), state.as_str()),
            is_dead: false,
        };
        let mut counted = match health.state {
            WebhookState::Enabled => vec![
                (health.scheduled, DeliveryState::Scheduled),
                (health.queued, DeliveryState::Queued),
            ],
            WebhookState::Disabled { .. } => {
                vec![(health.scheduled + health.queued, DeliveryState::Held)]
            }
        };
        counted.retain(|(count, _)| *count > 0);
        let mut counted: Vec<_> = counted
            .into_iter()
            .map(|(count, state)| waiting(count, state))
            .collect();
        if health.dead > 0 {
            counted.push(Counted {
                path: address("/dead", &[("webhook", &id.to_string())], None),
                words: format!("{} dead", show::counted(health.dead)),
                is_dead: true,
            });
        }
        Self {
            counted,
            oldest: health
                .oldest_waiting
                .map(|delivery| (delivery, show::when(delivery.made_at(), now))),
            recover: (health.dead > 0).then(|| format!("/settings/integrations/{id}#recover")),
        }
    }

    /// Whether it owes nothing.
    pub fn is_empty(&self) -> bool {
        self.counted.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(state: WebhookState) -> Vec<(String, String)> {
        let health = WebhookHealth {
            name: "Jira".into(),
            state,
            degraded: None,
            last_delivered_at: None,
            dead: 3,
            scheduled: 12,
            queued: 5,
            oldest_waiting: None,
        };
        let id = WebhookId::from_bytes([1; 16]);
        let backlog = Backlog::new(id, &health, Timestamp::EPOCH);
        assert_eq!(
            backlog.recover,
            Some(format!("/settings/integrations/{id}#recover"))
        );
        let without_id = |path: &str| path.replace(&id.to_string(), "ID");
        let counted = backlog.counted.iter();
        counted
            .map(|counted| (counted.words.clone(), without_id(&counted.path)))
            .collect()
    }

    #[test]
    fn each_number_leads_to_what_it_counts() {
        let line = |words: &str, path: &str| (words.to_owned(), path.to_owned());
        let dead = line("3 dead", "/dead?webhook=ID");
        assert_eq!(
            told(WebhookState::Enabled),
            [
                line("12 scheduled", "/deliveries?webhook=ID&status=scheduled"),
                line("5 queued", "/deliveries?webhook=ID&status=queued"),
                dead.clone()
            ]
        );
        let disabled = WebhookState::Disabled {
            since: Timestamp::EPOCH,
            reason: "maintenance".into(),
        };
        assert_eq!(
            told(disabled),
            [line("17 held", "/deliveries?webhook=ID&status=held"), dead]
        );
    }
}
