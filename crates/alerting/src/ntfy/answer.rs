//! ntfy's words: the notification as it was published, or `{code, http, error, link}`.

use std::time::Duration;

use serde_json::Value;

use crate::answer::{Meaning, Reply, Service};
use crate::ntfy::bucket_key;

/// The codes of a topic that cannot be one, or must not.
const BAD_TOPIC: [u64; 2] = [40_009, 40_010];

/// ntfy, as far as its answers go. An address gets one request back each five seconds.
pub(super) static NTFY: Service = Service {
    name: "ntfy",
    read,
    bucket: |target| Some(bucket_key(target)),
    pause: Duration::from_secs(5),
};

fn read(reply: &Reply<'_>) -> Meaning {
    let code = reply.member("code").and_then(Value::as_u64);
    let is_own = reply.member("http").and_then(Value::as_u64) == Some(u64::from(reply.status));
    match reply.status {
        200 if reply.member_text("event") == "message" => Meaning::Taken,
        _ if !is_own => Meaning::Foreign,
        401 | 403 => {
            Meaning::SettingsRefused("give the access token of an account that may write to the topic")
        }
        404 => Meaning::SettingsRefused("the URL is not the address of an ntfy server"),
        400 if code.is_some_and(|code| BAD_TOPIC.contains(&code)) => {
            Meaning::SettingsRefused("choose another topic")
        }
        400 | 413 => Meaning::MessageRefused,
        _ => Meaning::Foreign,
    }
}
