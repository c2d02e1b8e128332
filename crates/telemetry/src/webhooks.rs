//! Metrics of single webhooks. At most [`MAX_WEBHOOKS`] have series of their own; the others are summed up.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use model::attempt::Outcome;
use model::id::WebhookId;
use model::time::Timestamp;
use store::deliveries::WebhookCounts;

/// How many webhooks have series of their own.
pub const MAX_WEBHOOKS: usize = 200;
/// The id and the name under which the others are summed up.
const OTHER: &str = "other";

/// A webhook, as labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabel {
    webhook: String,
    name: String,
}

/// A webhook and one more word, as labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookStateLabel {
    webhook: String,
    name: String,
    state: &'static str,
}

/// A webhook and whether an attempt got through, as labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookOutcomeLabel {
    webhook: String,
    name: String,
    outcome: &'static str,
}

impl WebhookLabel {
    fn other() -> Self {
        Self {
            webhook: OTHER.to_owned(),
            name: OTHER.to_owned(),
        }
    }

    fn in_state(&self, state: &'static str) -> WebhookStateLabel {
        WebhookStateLabel {
            webhook: self.webhook.clone(),
            name: self.name.clone(),
            state,
        }
    }

    fn with(&self, outcome: &'static str) -> WebhookOutcomeLabel {
        WebhookOutcomeLabel {
            webhook: self.webhook.clone(),
            name: self.name.clone(),
            outcome,
        }
    }
}

/// Counts the attempts of one webhook: what is kept at hand, so that counting looks nothing up.
#[derive(Debug, Clone)]
pub struct AttemptCounters {
    delivered: Counter,
    failed: Counter,
    seconds: Counter<f64, AtomicU64>,
}

impl AttemptCounters {
    /// Counts an attempt and the time that it took.
    pub fn count(&self, outcome: &Outcome, took: Duration) {
        match outcome {
            Outcome::Delivered | Outcome::Accepted | Outcome::Step => self.delivered.inc(),
            Outcome::Failed(_) | Outcome::Gone(_) => self.failed.inc(),
        };
        self.seconds.inc_by(took.as_secs_f64());
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct WebhookMetrics {
    attempts: Family<WebhookOutcomeLabel, Counter>,
    attempt_seconds: Family<WebhookLabel, Counter<f64, AtomicU64>>,
    deliveries: Family<WebhookStateLabel, Gauge>,
    state: Family<WebhookStateLabel, Gauge>,
    oldest_due_seconds: Family<WebhookLabel, Gauge<f64, AtomicU64>>,
    canary_failed: Family<WebhookLabel, Gauge>,
    /// Those with series of their own.
    own: Mutex<HashMap<WebhookId, WebhookLabel>>,
}

impl WebhookMetrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "webhook_attempts",
            "Attempts of a webhook by outcome, success or failure",
            self.attempts.clone(),
        );
        registry.register(
            "webhook_attempt_seconds",
            "How long the attempts of a webhook took, summed up",
            self.attempt_seconds.clone(),
        );
        registry.register(
            "webhook_deliveries",
            "Deliveries of a webhook that wait (held ones too), and that are dead",
            self.deliveries.clone(),
        );
        registry.register(
            "webhook_state",
            "1 for the state that a webhook is in",
            self.state.clone(),
        );
        registry.register(
            "webhook_oldest_due_seconds",
            "For how long the oldest due delivery of an enabled webhook has been due",
            self.oldest_due_seconds.clone(),
        );
        registry.register(
            "webhook_canary_failed",
            "1 if the last canary of a webhook failed, 0 if it arrived",
            self.canary_failed.clone(),
        );
    }

    /// What counts the attempts of a webhook.
    pub fn counters(&self, id: WebhookId, name: &str) -> AttemptCounters {
        let label = self.label(id, name);
        AttemptCounters {
            delivered: self.attempts.get_or_create_owned(&label.with("success")),
            failed: self.attempts.get_or_create_owned(&label.with("failure")),
            seconds: self.attempt_seconds.get_or_create_owned(&label),
        }
    }

    /// Shows how all webhooks stand now, and forgets those that are no more.
    pub fn show(&self, webhooks: &[WebhookCounts], now: Timestamp) {
        self.forget_all_but(webhooks);
        self.deliveries.clear();
        self.state.clear();
        self.oldest_due_seconds.clear();
        self.canary_failed.clear();
        for webhook in webhooks {
            let label = self.label(webhook.id, &webhook.name);
            let counts = &webhook.counts;
            let waiting = counts.scheduled + counts.queued + counts.claimed + counts.held;
            for (state, count) in [("waiting", waiting), ("dead", counts.dead)] {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.deliveries
                    .get_or_create(&label.in_state(state))
                    .inc_by(count);
            }
            self.state.get_or_create(&label.in_state(webhook.state)).inc();
            let due = counts.oldest_due_at.map_or(0.0, |at| now.since(at).as_secs_f64());
            let gauge = self.oldest_due_seconds.get_or_create(&label);
            gauge.set(gauge.get().max(due));
            if let Some(has_failed) = webhook.canary_failed {
                self.canary_failed
                    .get_or_create(&label)
                    .inc_by(i64::from(has_failed));
            }
        }
    }

    /// The labels of a webhook: its own, as long as there is room.
    fn label(&self, id: WebhookId, name: &str) -> WebhookLabel {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(label) = own.get(&id).filter(|label| label.name == name) {
            return label.clone();
        }
        if let Some(renamed) = own.remove(&id) {
            self.remove(&renamed);
        }
        if own.len() >= MAX_WEBHOOKS {
            return WebhookLabel::other();
        }
        let label = WebhookLabel {
            webhook: id.to_string(),
            name: name.to_owned(),
        };
        own.insert(id, label.clone());
        label
    }

    fn forget_all_but(&self, webhooks: &[WebhookCounts]) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let present: std::collections::HashSet<_> = webhooks.iter().map(|webhook| webhook.id).collect();
        own.retain(|id, label| {
            let stays = present.contains(id);
            if !stays {
                self.remove(label);
            }
            stays
        });
    }

    /// Removes the counters of a label; gauges are made anew anyway.
    fn remove(&self, label: &WebhookLabel) {
        self.attempts.remove(&label.with("success"));
        self.attempts.remove(&label.with("failure"));
        self.attempt_seconds.remove(label);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;
    use store::deliveries::StateCounts;

    fn id(number: usize) -> WebhookId {
        let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
        WebhookId::new(Timestamp::EPOCH, [high, low, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    fn counts(number: usize) -> WebhookCounts {
        WebhookCounts {
            id: id(number),
            name: format!("hook {number}"),
            state: "enabled",
            canary_failed: Some(number == 0),
            counts: StateCounts {
                dead: 1,
                ..StateCounts::default()
            },
        }
    }

    fn text(metrics: &WebhookMetrics) -> String {
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn those_beyond_the_bound_are_summed_up() {
        let metrics = WebhookMetrics::default();
        let webhooks: Vec<_> = (0..MAX_WEBHOOKS + 3).map(counts).collect();
        metrics.show(&webhooks, Timestamp::EPOCH);
        for webhook in &webhooks {
            let counters = metrics.counters(webhook.id, &webhook.name);
            counters.count(&Outcome::Delivered, Duration::from_millis(500));
        }
        let text = text(&metrics);
        let other = r#"webhook="other",name="other""#;
        assert!(
            text.contains(&format!("webhook_deliveries{{{other},state=\"dead\"}} 3")),
            "{text}"
        );
        assert!(text.contains(&format!(
            "webhook_attempts_total{{{other},outcome=\"success\"}} 3"
        )));
        assert!(text.contains(&format!("webhook_attempt_seconds_total{{{other}}} 1.5")));
        let series = text.lines().filter(|line| line.starts_with("webhook_state{"));
        assert_eq!(series.count(), MAX_WEBHOOKS + 1);
    }

    #[test]
    fn what_was_renamed_or_deleted_leaves_no_series_behind() {
        let metrics = WebhookMetrics::default();
        let delivered = Outcome::Delivered;
        metrics.counters(id(1), "old").count(&delivered, Duration::ZERO);
        metrics.counters(id(1), "new").count(&delivered, Duration::ZERO);
        let renamed = text(&metrics);
        assert!(
            renamed.contains("name=\"new\"") && !renamed.contains("name=\"old\""),
            "{renamed}"
        );
        metrics.show(&[], Timestamp::EPOCH);
        assert!(!text(&metrics).contains("name=\"new\""));
    }
}
