//! Alertmanager's words: nothing at all if it took the alerts, else a sentence as JSON or `{code, message}`. What guards it
//! answers in plain text.

use std::time::Duration;

use http::header::WWW_AUTHENTICATE;
use serde_json::Value;

use crate::answer::{Meaning, Reply, Service};

/// Alertmanager, as far as its answers go.
pub(super) static ALERTMANAGER: Service = Service {
    name: "Alertmanager",
    read,
    bucket: |_| None,
    pause: Duration::from_secs(5),
};

fn read(reply: &Reply<'_>) -> Meaning {
    let is_empty = reply.text.trim().is_empty();
    match reply.status {
        // The answer to the probe is an object.
        200 if is_empty || reply.json.is_some() => Meaning::Taken,
        401 if reply.headers.contains_key(WWW_AUTHENTICATE) => {
            Meaning::SettingsRefused("give the user name and password, or the token, that it asks for")
        }
        404 if is_own(reply) || reply.text.starts_with("404 page not found") => Meaning::SettingsRefused(
            "the URL is not that of an Alertmanager with API v2, or lacks its route prefix",
        ),
        400 | 413 | 422 if is_own(reply) => Meaning::MessageRefused,
        _ => Meaning::Foreign,
    }
}

fn is_own(reply: &Reply<'_>) -> bool {
    let has_code = reply.member("code").is_some_and(Value::is_u64);
    let is_sentence = reply.json.as_ref().is_some_and(Value::is_string);
    is_sentence || has_code && !reply.member_text("message").is_empty()
}
