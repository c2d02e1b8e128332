//! Opsgenie's words: `{result, took, requestId}`, or `{message, took, requestId}`, with `errors` by field if a request cannot be
//! processed. Taken requests are worked on later.

use std::time::Duration;

use crate::answer::{Meaning, Reply, Service};
use crate::opsgenie::bucket_key;

/// Opsgenie, as far as its answers go.
pub(super) static OPSGENIE: Service = Service {
    name: "Opsgenie",
    read,
    bucket: |target| Some(bucket_key(target)),
    pause: Duration::from_secs(10),
};

fn read(reply: &Reply<'_>) -> Meaning {
    let has_request = !reply.member_text("requestId").is_empty();
    let is_own = !reply.member_text("message").is_empty()
        && (has_request
            || ["took", "errors", "code"]
                .iter()
                .any(|name| reply.member(name).is_some()));
    match reply.status {
        202 if has_request => Meaning::Queued,
        200..=299 => Meaning::Foreign,
        _ if !is_own => Meaning::Foreign,
        // A key that is no key is "not processable".
        422 if reply.words().contains("Key format") => BAD_KEY,
        401 => BAD_KEY,
        402 | 403 => Meaning::SettingsRefused(
            "the integration is off, may not create and update alerts, or the plan does not permit it",
        ),
        404 => Meaning::SettingsRefused("the URL is not that of the Alert API"),
        400 | 413 | 422 => Meaning::MessageRefused,
        _ => Meaning::Foreign,
    }
}

const BAD_KEY: Meaning =
    Meaning::SettingsRefused("put in the API key of an API integration of this account's region");
