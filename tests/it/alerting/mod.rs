//! Alerting services from edge to edge: an event comes in over HTTP, an alert stands in the service. What holds for every kind
//! is in [`crate::chat`].

mod email;
mod judges;
mod life;
mod refresh;

use serde_json::{Value, json};

/// The key that tests use for PagerDuty.
pub const ROUTING_KEY: &str = "0123456789abcdef0123456789ABCDEF";
/// The same for Opsgenie.
pub const API_KEY: &str = "eb243592-faa2-4ba2-a551-1afdf565c889";
/// The same for ntfy.
pub const TOPIC: &str = "ops-made-up-topic";

/// What each kind needs beside its URL.
pub fn needed(kind: &str) -> Value {
    match kind {
        "pagerduty" => json!({"routingKey": ROUTING_KEY}),
        "opsgenie" => json!({"apiKey": API_KEY}),
        "ntfy" => json!({"topic": TOPIC}),
        "email" => {
            json!({"from": "opsknight@example.com", "to": "oncall@example.com", "encryption": "optional"})
        }
        _ => json!({}),
    }
}
