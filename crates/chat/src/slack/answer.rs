//! What Slack answers, judged. The Web API says `ok: false` with status 200, an incoming webhook says a word with the
//! status that goes with it: both are judged by the word.

use std::time::Duration;

use serde::Deserialize;

use crate::slack::errors::{Sort, sort};
use crate::slack::{Action, Memory, Mode, bucket_key};
use destination::status;
use destination::task::{Classification, Pause, Task};
use destination::text::quote;
use destination::waits;
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::{Exchange, FailureCode, Response};
use model::patch::Patch;
use model::time::Timestamp;

/// How long others wait after a rate limit whose end was not told.
const UNTOLD_WAIT: Duration = Duration::from_secs(30);
/// How long is waited for a workspace that takes nothing for the time being.
const LONG_WAIT: Duration = Duration::from_secs(15 * 60);
/// The longest word that can be the name of an error, in bytes.
const MAX_ERROR_BYTES: usize = 80;

/// An answer of the Web API.
#[derive(Debug, Deserialize)]
struct ApiAnswer {
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    ts: String,
    #[serde(default)]
    response_metadata: Option<Details>,
}

/// More about an error.
#[derive(Debug, Deserialize)]
struct Details {
    #[serde(default)]
    messages: Vec<String>,
}

/// What came back means, if `action` was asked for.
pub fn classify(action: &Action, task: &Task<'_>, exchange: &Exchange, now: Timestamp) -> Classification {
    let Ok(response) = &exchange.result else {
        return status::classify(exchange, now).into();
    };
    if response.status == 429 {
        return limited(task, response, now);
    }
    let classification = match Mode::new(task.target) {
        Mode::Bot => api(action, task, response, now),
        Mode::Incoming => hook(action, task, response, now),
    };
    classification.unwrap_or_else(|| other(exchange, response, now))
}

/// Judges an answer of the Web API; nothing if it is none.
fn api(action: &Action, task: &Task<'_>, response: &Response, now: Timestamp) -> Option<Classification> {
    if response.body_is_truncated && response.status == 200 && response.body.starts_with(b"{\"ok\":true") {
        // Where it was posted stands in the part that was cut off.
        let memory = match action {
            Action::Post => Patch::Clear,
            Action::Update(_) | Action::Reply(_) => Patch::Keep,
        };
        return Some(Classification {
            message_ref: memory,
            ..Outcome::Delivered.into()
        });
    }
    let answer: ApiAnswer = serde_json::from_slice(&response.body).ok()?;
    if !answer.ok {
        let details = answer
            .response_metadata
            .map(|details| details.messages.join("; "));
        return Some(refused(
            action,
            task,
            response,
            &answer.error,
            &details.unwrap_or_default(),
            now,
        ));
    }
    let memory = Memory {
        channel: answer.channel,
        ts: answer.ts,
        to: task.target.option("channel").to_owned(),
    };
    let is_whole = !memory.channel.is_empty() && !memory.ts.is_empty();
    let memory = match action {
        Action::Post if task.target.option("messages") == "separate" => Patch::Keep,
        Action::Post if is_whole => serde_json::to_string(&memory).map_or(Patch::Clear, Patch::Set),
        Action::Post => Patch::Clear,
        Action::Update(_) | Action::Reply(_) => Patch::Keep,
    };
    Some(Classification {
        message_ref: memory,
        ..Outcome::Delivered.into()
    })
}

/// Judges an answer of an incoming webhook; nothing if it is none.
fn hook(action: &Action, task: &Task<'_>, response: &Response, now: Timestamp) -> Option<Classification> {
    let body = std::str::from_utf8(&response.body).ok()?.trim();
    if response.status == 200 && body == "ok" {
        return Some(Outcome::Delivered.into());
    }
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let is_error = !body.is_empty() && body.len() <= MAX_ERROR_BYTES && body.bytes().all(is_word);
    (is_error && response.status < 500).then(|| refused(action, task, response, body, "", now))
}

/// Judges what Slack itself did not answer, or not so.
fn other(exchange: &Exchange, response: &Response, now: Timestamp) -> Classification {
    match response.status {
        200..=299 => {
            let detail = format!("the address answered {}, but not as Slack does", response.status);
            Failure::new(FailureCode::ResponseInvalid, detail).into()
        }
        _ => status::foreign(exchange, "Slack", now).into(),
    }
}

/// Whether the answer to a probe says that Slack takes nothing with this token.
pub fn refuses(response: &Response) -> bool {
    let answer: Option<ApiAnswer> = serde_json::from_slice(&response.body).ok();
    answer.is_some_and(|answer| !answer.ok && matches!(sort(&answer.error, &Action::Post), Sort::Person(_)))
}

fn refused(
    action: &Action,
    task: &Task<'_>,
    response: &Response,
    error: &str,
    details: &str,
    now: Timestamp,
) -> Classification {
    let said = with_details(error, details);
    let failed = |code| Failure::new(code, format!("Slack says {said}"));
    match sort(error, action) {
        Sort::Lost => Classification {
            message_ref: Patch::Clear,
            ..failed(FailureCode::MessageLost)
                .with(Disposition::Immediate)
                .into()
        },
        Sort::Limited => limited(task, response, now),
        Sort::Exhausted => wait(
            task,
            format!("Slack says {said}: the workspace has reached its limit of messages"),
            Some(LONG_WAIT),
        ),
        Sort::Moving => Failure {
            retry_after: Some(LONG_WAIT),
            ..failed(FailureCode::ServerError)
        }
        .into(),
        Sort::Passing => failed(FailureCode::ServerError).into(),
        Sort::Person(advice) => person(format!("Slack says {said}: {advice}")),
        Sort::Message => message_refused(task, failed(FailureCode::MessageRefused)),
        // A word that is not Slack's may be a firewall's.
        Sort::Unknown => match response.status {
            400 | 413 => message_refused(task, failed(FailureCode::MessageRefused)),
            _ => failed(FailureCode::ClientError).into(),
        },
    }
}

fn limited(task: &Task<'_>, response: &Response, now: Timestamp) -> Classification {
    let told = waits::told(&response.headers, now);
    wait(
        task,
        "Slack's limit for this channel or app is reached".to_owned(),
        told,
    )
}

fn wait(task: &Task<'_>, detail: String, retry_after: Option<Duration>) -> Classification {
    let failure = Failure {
        retry_after,
        ..Failure::new(FailureCode::RateLimited, detail).with(Disposition::RateLimited)
    };
    let pause = |bucket| Pause {
        bucket,
        wait: retry_after.unwrap_or(UNTOLD_WAIT),
    };
    Classification {
        pause: bucket_key(task.target).map(pause),
        ..failure.into()
    }
}

/// A message that is refused is sent once more as plain text.
fn message_refused(task: &Task<'_>, failure: Failure) -> Classification {
    match task.continuation {
        Some(_) => failure.with(Disposition::Permanent).into(),
        None => Classification {
            continuation: Patch::Set("plain".to_owned()),
            ..failure.with(Disposition::Immediate).into()
        },
    }
}

fn person(detail: String) -> Classification {
    Failure::new(FailureCode::SettingsRefused, detail)
        .with(Disposition::NeedsOperator)
        .into()
}

fn with_details(error: &str, details: &str) -> String {
    match details {
        "" => quote(error),
        details => quote(&format!("{error} ({details})")),
    }
}
