//! PagerDuty's words: `{status, message, dedup_key}`, or `{status, message, errors}`. That an event was accepted says nothing of
//! what becomes of it.

use std::time::Duration;

use crate::answer::{Meaning, Reply, Service};
use crate::pagerduty::bucket_key;

/// PagerDuty, as far as its answers go. It suggests half a minute between repeats.
pub(super) static PAGERDUTY: Service = Service {
    name: "PagerDuty",
    read,
    bucket: |target| Some(bucket_key(target)),
    pause: Duration::from_secs(30),
};

fn read(reply: &Reply<'_>) -> Meaning {
    let said = reply.member_text("status");
    match reply.status {
        202 if said == "success" => Meaning::Queued,
        400 if said.is_empty() => Meaning::Foreign,
        400 if blames_key(reply) => Meaning::SettingsRefused(
            "put in the integration key of an Events API v2 integration of this account's region",
        ),
        400 => Meaning::MessageRefused,
        _ => Meaning::Foreign,
    }
}

/// Whether the key is at fault: `Invalid routing key`, `Length of 'routing_key' is incorrect …`.
fn blames_key(reply: &Reply<'_>) -> bool {
    let words = reply.words().to_ascii_lowercase().replace('_', " ");
    words.contains("routing key")
}
