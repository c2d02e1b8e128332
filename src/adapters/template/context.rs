//! What a template may say about an event: the names that stand in docs/destinations/custom.md.

use minijinja::Value;
use minijinja::value::Serde;
use serde_json::json;

use crate::adapters::card::Card;
use crate::adapters::task::Task;
use crate::adapters::template::Escape;
use crate::model::attempt::Failure;
use crate::model::audit::Actor;

/// The values of a task.
pub struct Context {
    values: serde_json::Value,
    body: String,
}

impl Context {
    /// Gathers the values of a task.
    pub fn of(task: &Task<'_>) -> Result<Self, Failure> {
        let card = Card::of(task)?;
        let body = String::from_utf8_lossy(&task.event.body).into_owned();
        // It was read once already for the card.
        let event: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let values = json!({
            "event": task.event.name.as_str(),
            "event_id": task.event.id,
            "timestamp": event["timestamp"],
            "incident": event["incident"],
            "links": { "incident": task.links.incident },
            "webhook": { "id": task.webhook.id, "name": task.webhook.settings.name },
            "delivery": { "id": task.delivery_id },
            "attempt": task.attempt,
            "actor": task.event.actor.name(),
            "by_person": task.event.actor != Actor::System,
            "test": task.event.is_test,
            "test_mark": if card.is_test { "[Test] " } else { "" },
            "happened": card.happened_by(),
            "mark": card.mark(),
            "colour": format!("#{:06x}", card.colour()),
        });
        Ok(Self { values, body })
    }

    /// The values for a template whose values are escaped in this way. `body` stands for itself in JSON and plain text.
    pub fn values(&self, escape: Escape) -> Value {
        let body = if escape.keeps_json() {
            Value::from_safe_string(self.body.clone())
        } else {
            Value::from(self.body.as_str())
        };
        let values = Value::from(Serde(&self.values));
        minijinja::context! { body, ..values }
    }
}
