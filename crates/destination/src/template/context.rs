//! What a template may say about an event: the names that stand in docs/destinations/custom.md.

use minijinja::Value;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::card::Card;
use crate::task::Task;
use crate::template::Escape;
use model::attempt::Failure;
use model::audit::Actor;

/// The values of a task.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Context {
    /// By name.
    names: serde_json::Map<String, serde_json::Value>,
    /// The event's own body, if it may stand for itself.
    body: Option<String>,
}

impl Context {
    /// Gathers the values of a task.
    pub fn new(task: &Task<'_>) -> Result<Self, Failure> {
        let card = Card::new(task)?;
        let body = String::from_utf8_lossy(&task.event.body).into_owned();
        // It was read once already for the card.
        let event: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let values = json!({
            "event": task.event.event_type().as_str(),
            "event_id": task.event.id,
            "timestamp": event["timestamp"],
            "incident": match task.event.operational {
                None => event["incident"].clone(),
                Some(_) => incident_of(&card),
            },
            "subject": event["subject"],
            "reason": event["reason"],
            "links": { "incident": task.links.incident },
            "webhook": { "id": task.webhook.id, "name": task.webhook.settings.name },
            "delivery": { "id": task.delivery_id },
            "attempt": task.attempt,
            "actor": task.event.actor.name(),
            "by_person": task.event.actor != Actor::System,
            "test": task.event.is_test,
            "number": task.event.incident_number.map_or(String::new(), |number| number.to_string()),
            "number_mark": task.event.incident_number.map_or(String::new(), |number| format!("{number} ")),
            "test_mark": if card.is_test { "[Test] " } else { "" },
            "happened": card.happened_by(),
            "mark": card.mark(),
            "colour": format!("#{:06x}", card.colour()),
        });
        let names = match values {
            serde_json::Value::Object(names) => names,
            _ => serde_json::Map::new(),
        };
        Ok(Self {
            names,
            body: Some(body),
        })
    }

    /// The same with one more value.
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.names.insert(name.to_owned(), value.into());
        self
    }

    /// The same with the body as a text like any other.
    pub fn with_plain_body(mut self) -> Self {
        let body = self.body.take().unwrap_or_default();
        self.with("body", body)
    }

    /// The same with the texts at these places changed.
    pub fn with_texts(self, pointers: &[&str], change: impl Fn(&str) -> String) -> Self {
        let mut names = serde_json::Value::Object(self.names);
        for pointer in pointers {
            if let Some(value) = names.pointer_mut(pointer)
                && let Some(text) = value.as_str()
            {
                *value = change(text).into();
            }
        }
        let names = match names {
            serde_json::Value::Object(names) => names,
            _ => serde_json::Map::new(),
        };
        Self { names, ..self }
    }

    /// The values for a template whose values are escaped in this way. `body` stands for itself in JSON and plain text.
    pub fn values(&self, escape: Escape) -> Value {
        let values = Value::from(Serde(&self.names));
        match &self.body {
            Some(body) if escape.keeps_json() => {
                minijinja::context! { body => Value::from_safe_string(body.clone()), ..values }
            }
            Some(body) => minijinja::context! { body, ..values },
            None => values,
        }
    }
}

/// What templates for incidents find of an operational event.
fn incident_of(card: &Card) -> serde_json::Value {
    json!({
        "id": card.incident_id,
        "title": card.title,
        "status": card.status,
        "severity": card.severity,
        "service": { "id": "", "name": card.service },
        "assignee": null,
        "createdAt": card.since.to_rfc3339_seconds(),
    })
}
