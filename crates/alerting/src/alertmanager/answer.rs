//! Alertmanager's words: nothing at all if it took the alerts, else a sentence as JSON or `{code, message}`. What guards it
//! answers in plain text.

use std::time::Duration;

use http::header::{DATE, WWW_AUTHENTICATE};
use serde_json::Value;

use crate::alertmanager::render;
use crate::answer::{Meaning, Reply, Service};
use destination::card::Card;
use destination::task::Task;
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode};
use model::retry::parse_retry_after;

/// How far Alertmanager's clock may be behind ours; a date that is further back is not believed.
const MAX_BEHIND: Duration = Duration::from_secs(30 * 60);

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

/// Alertmanager goes by its own clock: an end that is yet to come for it does not end an alert that has another one, though it takes
/// it. Told again once its clock has come so far, it does.
pub(super) fn not_over_yet(task: &Task<'_>, exchange: &Exchange) -> Option<Failure> {
    let end = render::end(&Card::new(task).ok()?)?;
    let response = exchange.result.as_ref().ok()?;
    let date = response.headers.get(DATE)?.to_str().ok()?;
    // Whole seconds, as the end is told.
    let earliest =
        end.minus(Duration::from_millis(end.as_millis().rem_euclid(1000).unsigned_abs()) + MAX_BEHIND);
    let after = parse_retry_after(date, earliest).filter(|after| !after.is_zero())?;
    let behind = MAX_BEHIND.checked_sub(after).filter(|behind| !behind.is_zero())?;
    let detail = format!(
        "Alertmanager's clock is {} s behind this server's: for it the alert is not over yet, and is told so again",
        behind.as_secs()
    );
    Some(Failure {
        retry_after: Some(behind + Duration::from_secs(1)),
        ..Failure::new(FailureCode::Deferred, detail).with(Disposition::RateLimited)
    })
}
