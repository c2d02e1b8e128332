//! What Discord answers, judged: by its own error codes first, since one status stands for many of them.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::discord::mention::is_id;
use crate::discord::{Action, edits, host_bucket, webhook_bucket};
use destination::status;
use destination::task::{Classification, Pause, Task};
use destination::text::quote;
use destination::waits;
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::{Exchange, FailureCode, Response};
use model::patch::Patch;
use model::retry::told_seconds;
use model::time::Timestamp;

/// How long others wait after a rate limit whose end was not told.
const UNTOLD_WAIT: Duration = Duration::from_secs(30);
/// How long nothing is asked of a Discord that has banned this server's address; bans last an hour or longer.
const BAN_WAIT: Duration = Duration::from_secs(10 * 60);

/// The body of an error.
#[derive(Debug, Deserialize)]
struct ErrorBody {
    message: String,
    code: Option<u64>,
    retry_after: Option<f64>,
    #[serde(default)]
    global: bool,
    #[serde(default)]
    errors: Value,
}

impl ErrorBody {
    /// Reads the body of an error; nothing if it is not as Discord writes them.
    fn read(response: &Response) -> Option<Self> {
        let body: Self = serde_json::from_slice(&response.body).ok()?;
        (body.code.is_some() || body.retry_after.is_some()).then_some(body)
    }

    /// Discord's number of what is wrong; 0 stands for none in particular.
    fn code(&self) -> u64 {
        self.code.unwrap_or_default()
    }
}

/// What came back means, if `action` was asked for.
pub fn classify(action: &Action, task: &Task<'_>, exchange: &Exchange, now: Timestamp) -> Classification {
    let Ok(response) = &exchange.result else {
        return status::classify(exchange, now).into();
    };
    if (200..=299).contains(&response.status) {
        return taken(action, task, response);
    }
    let error = ErrorBody::read(response);
    let is_edit = *action != Action::Post;
    match (response.status, &error) {
        (_, Some(error)) if is_edit && is_lost(error.code()) => lost(error),
        (429, _) => limited(task, response, error.as_ref(), now),
        (400..=499, Some(error)) => refused(task, response.status, error),
        _ => status::foreign(exchange, "Discord", now).into(),
    }
}

/// Whether the answer to a probe says that Discord takes nothing through this webhook.
pub fn refuses(response: &Response) -> bool {
    matches!(response.status, 401 | 403 | 404) && ErrorBody::read(response).is_some()
}

fn taken(action: &Action, task: &Task<'_>, response: &Response) -> Classification {
    let message: Option<Value> = serde_json::from_slice(&response.body).ok();
    let is_readable = message.as_ref().is_some_and(Value::is_object);
    if response.status == 200 && !is_readable && !response.body_is_truncated {
        let detail = "the address answered 200, but not with a message as Discord does";
        return Failure::new(FailureCode::ResponseInvalid, detail).into();
    }
    let id = message.as_ref().and_then(|message| message["id"].as_str());
    let memory = match (action, id.filter(|id| is_id(id))) {
        (Action::Post, Some(id)) if edits(task.target) => Patch::Set(id.to_owned()),
        // Editing a message that has been overtaken by an unknown one would tell the old story.
        (Action::Post, None) if edits(task.target) => Patch::Clear,
        (Action::Post | Action::Edit(_), _) => Patch::Keep,
    };
    Classification {
        message_ref: memory,
        pause: spent(task, response),
        ..Outcome::Delivered.into()
    }
}

/// Discord says beforehand when the next request would be one too many.
fn spent(task: &Task<'_>, response: &Response) -> Option<Pause> {
    let header = |name| response.headers.get(name)?.to_str().ok();
    let is_spent = header("x-ratelimit-remaining") == Some("0");
    let wait = told_seconds(header("x-ratelimit-reset-after")?.parse().ok()?).filter(|_| is_spent)?;
    let bucket = webhook_bucket(task.target)?;
    Some(Pause { bucket, wait })
}

/// Whether an error to an edit means that this message cannot be edited, while another could be posted: it is unknown,
/// somebody else's, too old to be edited so often, or in an archived thread.
fn is_lost(code: u64) -> bool {
    matches!(code, 10_008 | 30_046 | 50_005 | 50_083)
}

fn lost(error: &ErrorBody) -> Classification {
    let detail = format!(
        "the message cannot be edited any more ({}): {}",
        error.code(),
        quote(&error.message)
    );
    Classification {
        message_ref: Patch::Clear,
        ..Failure::new(FailureCode::MessageLost, detail)
            .with(Disposition::Immediate)
            .into()
    }
}

fn limited(
    task: &Task<'_>,
    response: &Response,
    error: Option<&ErrorBody>,
    now: Timestamp,
) -> Classification {
    let header = |name: &str| response.headers.get(name).and_then(|value| value.to_str().ok());
    let in_body = error.and_then(|error| error.retry_after).and_then(told_seconds);
    let told = in_body.or_else(|| waits::told(&response.headers, now));
    // Discord's own limits always tell their end: whoever is told none is banned, with all that comes from this address.
    let is_banned = told.is_none() && error.is_some_and(|error| error.retry_after.is_none());
    let retry_after = told.or(is_banned.then_some(BAN_WAIT));
    let is_global = error.is_some_and(|error| error.global)
        || header("x-ratelimit-global") == Some("true")
        || header("x-ratelimit-scope") == Some("global");
    // An answer without JSON is not Discord's own but that of the network before it, which means the whole host.
    let host = || host_bucket(task.target);
    let (bucket, detail) = match (error, is_global) {
        _ if is_banned => (host(), "Discord has banned this server's address for a while"),
        (None, _) => (
            host(),
            "Cloudflare, before Discord, asks this server to slow down",
        ),
        (Some(_), true) => (
            host(),
            "Discord's limit for all requests of this server is reached",
        ),
        (Some(_), false) => (
            webhook_bucket(task.target).unwrap_or_else(host),
            "Discord's limit for this webhook is reached",
        ),
    };
    let failure = Failure {
        retry_after,
        ..Failure::new(FailureCode::RateLimited, detail).with(Disposition::RateLimited)
    };
    Classification {
        pause: Some(Pause {
            bucket,
            wait: retry_after.unwrap_or(UNTOLD_WAIT),
        }),
        ..failure.into()
    }
}

fn refused(task: &Task<'_>, status: u16, error: &ErrorBody) -> Classification {
    let (code, quote) = (error.code(), quote(&error.message));
    let told = |advice: &str| person(format!("Discord says {quote:?} ({code}): {advice}"));
    match code {
        10_015 => told("make a new webhook in the channel's settings and put its URL here"),
        50_027 => told("the URL's token is wrong: copy the URL again from the channel's settings"),
        10_003 => told("put the thread's id right, or make a new webhook in another channel"),
        50_001 | 50_013 => told("give the webhook's channel back its permissions, or make a new webhook"),
        50_083 => told("unlock the thread, or name another"),
        220_001 => told("the channel is a forum: name one of its posts as the thread"),
        220_003 | 220_004 => {
            told("webhooks cannot post to this channel so: choose another channel or thread")
        }
        50_035 if error.errors.get("username").is_some() => told("choose another name of the sender"),
        50_035 if error.errors.get("thread_id").is_some() => told("put the thread's id right"),
        _ => match status {
            400 | 413 | 415 => message_refused(task, format!("Discord says {quote:?} ({code})")),
            401 | 403 | 404 => told("put the webhook's URL or its permissions right"),
            _ => Failure::new(
                FailureCode::ClientError,
                format!("Discord answered {status}: {quote:?} ({code})"),
            )
            .into(),
        },
    }
}

/// A message that is refused is sent once more as plain text.
fn message_refused(task: &Task<'_>, detail: String) -> Classification {
    let failure = Failure::new(FailureCode::MessageRefused, detail);
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
