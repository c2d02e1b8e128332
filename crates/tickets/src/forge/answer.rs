//! What GitHub or GitLab answers whatever it was asked: refusals, limits, breakdowns, and no answer at all.
//!
//! What a refusal means depends on what it is about: of the place of issues it is one of the webhook, which a person has to put
//! right; of one issue it is one of that delivery alone.

use std::time::Duration;

use http::header::LOCATION;
use serde_json::Value;

use crate::forge::issue::short;
use crate::forge::{Forge, settings};
use crate::workflow::action::{Trouble, TroubleKind as Kind};
use destination::task::Target;
use destination::{status, waits};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode, Reach, Response};
use model::time::Timestamp;

/// How long others wait after a rate limit whose end was not told.
const UNTOLD_WAIT: Duration = Duration::from_secs(60);
/// How much of the other side's own words is repeated, in characters.
const MAX_QUOTE: usize = 300;
/// The most messages of one refusal that are looked at.
const MAX_MESSAGES: usize = 20;

/// What a request was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// The place of issues: if that is refused, so is every ticket.
    Place,
    /// One issue.
    Issue,
}

/// What a request was for, in words for sentences about its refusal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purpose {
    /// What it is about.
    pub(crate) about: About,
    /// What the account may not do: `create issues`.
    pub(crate) act: &'static str,
}

/// One side's answers to one target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judge<'a> {
    /// Whose.
    pub(crate) forge: &'static Forge,
    /// To whom.
    pub(crate) target: &'a Target,
    /// When.
    pub(crate) now: Timestamp,
}

/// The rate limit that requests count against: that of the token's account.
pub(crate) fn bucket(forge: &Forge, target: &Target) -> String {
    format!("{}:{}", forge.kind, settings::identity(target))
}

impl Judge<'_> {
    /// The JSON of a good answer.
    pub(crate) fn json(self, exchange: &Exchange, purpose: Purpose) -> Result<Value, Trouble> {
        let response = self.good(exchange, purpose)?;
        serde_json::from_slice(&response.body).map_err(|_| self.strange(response))
    }

    /// The answer of a request if it is a good one, and otherwise what became of it.
    pub(crate) fn good(self, exchange: &Exchange, purpose: Purpose) -> Result<&Response, Trouble> {
        match &exchange.result {
            Ok(response) if (200..=299).contains(&response.status) => Ok(response),
            Ok(response) => Err(self.trouble(response, purpose)),
            Err(failure) => {
                let kind = match exchange.reach {
                    Reach::NotSent => Kind::Unsent,
                    Reach::MaybeSent => Kind::Unknown,
                };
                Err(Trouble::new(
                    kind,
                    Failure::new(failure.code, failure.detail.clone()),
                ))
            }
        }
    }

    /// A good status with something else than was asked for.
    pub(crate) fn strange(self, response: &Response) -> Trouble {
        let name = self.forge.name;
        let (kind, detail) = match response.body_is_truncated {
            true => (Kind::TooLarge, format!("{name}'s answer is too large to be read")),
            false => (
                Kind::Unknown,
                format!(
                    "the address answered {}, but not as {name} does: check that it is that of a {}",
                    response.status, self.forge.place
                ),
            ),
        };
        Trouble::new(kind, Failure::new(FailureCode::ResponseInvalid, detail))
    }

    fn trouble(self, response: &Response, purpose: Purpose) -> Trouble {
        let name = self.forge.name;
        let status = response.status;
        let words = words(status, &response.body);
        let said = quoted(&words);
        if status == 429
            || status == 403 && is_limit(response, &words)
            || status == 422 && is_too_quick(&words)
        {
            return self.limited(response);
        }
        let needs_operator = |detail| {
            let failure = Failure::new(FailureCode::SettingsRefused, detail);
            Trouble::new(Kind::Credentials, failure.with(Disposition::NeedsOperator))
        };
        let act = purpose.act;
        let (kind, code, remedy, detail) = match status {
            401 => {
                return needs_operator(format!(
                    "{name} refuses the token (401): it has ended or was withdrawn, fill in a new one{said}"
                ));
            }
            403 if words.contains("insufficient_scope") => {
                return needs_operator(format!(
                    "the token has too small a scope to {act} (403): fill in one that may{said}"
                ));
            }
            300..=399 => return self.elsewhere(response, purpose),
            400..=499 if words.is_empty() => (
                Kind::Unknown,
                FailureCode::ClientError,
                Disposition::Backoff,
                status::foreign_sentence(status, name),
            ),
            403 | 404 | 410 => return self.denied(status, purpose, &said),
            // Another request may still be at it.
            408 | 409 | 425 => (
                Kind::Unknown,
                FailureCode::ClientError,
                Disposition::Backoff,
                format!("{name} answered {status}{said}"),
            ),
            400..=499 => (
                Kind::Refused,
                FailureCode::MessageRefused,
                Disposition::Permanent,
                format!("{name} refuses to {act} ({status}){said}"),
            ),
            _ => return Trouble::new(Kind::Unknown, self.broken(response, &said)),
        };
        Trouble::new(kind, Failure::new(code, detail).with(remedy))
    }

    /// What is not there, or not for us: the place, which a person has to put right, or one issue.
    fn denied(self, status: u16, purpose: Purpose, said: &str) -> Trouble {
        let (place, act) = (self.forge.place, purpose.act);
        let forbidden = format!("this token may not {act} (403): give its account the permission{said}");
        let (kind, code, detail) = match (purpose.about, status) {
            (About::Place, 403) => (Kind::Forbidden, FailureCode::SettingsRefused, forbidden),
            (About::Place, 410) => (
                Kind::Forbidden,
                FailureCode::SettingsRefused,
                format!("issues are switched off in the {place} (410): switch them on{said}"),
            ),
            (About::Place, _) => (
                Kind::Missing,
                FailureCode::SettingsRefused,
                format!(
                    "the {place} is not there, or is hidden from this token ({status}): put the address right, or let the token \
                     see it{said}"
                ),
            ),
            (About::Issue, 403) => (Kind::Forbidden, FailureCode::MessageRefused, forbidden),
            (About::Issue, _) => (
                Kind::Missing,
                FailureCode::TicketLost,
                format!("the issue was deleted, or is hidden from this token ({status}){said}"),
            ),
        };
        let remedy = match purpose.about {
            About::Place => Disposition::NeedsOperator,
            About::Issue => Disposition::Permanent,
        };
        Trouble::new(kind, Failure::new(code, detail).with(remedy))
    }

    /// Redirects are not followed: they would carry the token to wherever they point.
    fn elsewhere(self, response: &Response, purpose: Purpose) -> Trouble {
        let (name, place, status) = (self.forge.name, self.forge.place, response.status);
        if purpose.about == About::Place {
            let detail = format!(
                "{name} has the {place} elsewhere ({status}): it was renamed or moved, so put its new address in; redirects are \
                 not followed"
            );
            let failure = Failure::new(FailureCode::Redirect, detail).with(Disposition::NeedsOperator);
            return Trouble::new(Kind::Forbidden, failure);
        }
        let location = response
            .headers
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        let at = location.and_then(|location| location.trim_end_matches('/').rsplit('/').next());
        let at = at.map_or(String::new(), |at| format!(" as {}", short(at, 20)));
        let detail = format!(
            "{name} has the issue elsewhere{at} ({status}): it was transferred, or its {place} was moved; link it anew, or put the \
             new address in"
        );
        let failure = Failure::new(FailureCode::TicketLost, detail).with(Disposition::Permanent);
        Trouble::new(Kind::Refused, failure)
    }

    fn limited(self, response: &Response) -> Trouble {
        let wait = wait(response, self.now).unwrap_or(UNTOLD_WAIT);
        let detail = match is_used_up(response) {
            true => format!("{}'s rate limit for this token is used up", self.forge.name),
            false => format!("{} asks for fewer requests", self.forge.name),
        };
        let failure = Failure {
            retry_after: Some(wait),
            ..Failure::new(FailureCode::RateLimited, detail).with(Disposition::RateLimited)
        };
        Trouble::limited(failure, bucket(self.forge, self.target), wait)
    }

    fn broken(self, response: &Response, said: &str) -> Failure {
        let (name, status) = (self.forge.name, response.status);
        if !(500..=599).contains(&status) {
            return Failure::new(FailureCode::UnexpectedStatus, format!("{name} answered {status}"));
        }
        let failure = Failure::new(
            FailureCode::ServerError,
            format!("{name} answered {status}{said}"),
        );
        match waits::retry_after(&response.headers, self.now) {
            Some(wait) if status == 503 => Failure {
                retry_after: Some(wait),
                ..failure.with(Disposition::RateLimited)
            },
            Some(_) | None => failure,
        }
    }
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.get(name)?.to_str().ok()
}

/// Whether a limit's own headers say that nothing is left of it.
fn is_used_up(response: &Response) -> bool {
    ["x-ratelimit-remaining", "ratelimit-remaining"]
        .iter()
        .any(|name| header(response, name).is_some_and(|left| left.trim() == "0"))
}

/// Whether a 403 is one of a limit: GitHub tells its limits so.
fn is_limit(response: &Response, words: &str) -> bool {
    let lower = words.to_lowercase();
    let says_so = lower.contains("rate limit") || lower.contains("abuse detection");
    is_used_up(response) || response.headers.contains_key("retry-after") || says_so
}

/// GitHub's limit of how much one account may write: the request was as it should be.
fn is_too_quick(words: &str) -> bool {
    let lower = words.to_lowercase();
    lower.contains("submitted too quickly") || lower.contains("been spammed")
}

/// How long an answer asks to wait. When the hour's limit ends says nothing while something is left of it.
fn wait(response: &Response, now: Timestamp) -> Option<Duration> {
    match is_used_up(response) {
        true => waits::told(&response.headers, now),
        false => waits::retry_after(&response.headers, now),
    }
}

/// The other side's own words in one line: its message, and what it says of single fields. Empty if it is somebody else's answer.
pub(crate) fn words(status: u16, body: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return String::new();
    };
    let mut parts = Vec::new();
    collect("", &body["message"], &mut parts);
    collect("", &body["errors"], &mut parts);
    // A word alone may be anybody's, unless it repeats the status as GitLab does.
    let error = body["error"].as_str().unwrap_or_default();
    if body.get("error_description").is_some() || status == 400 || error.starts_with(&status.to_string()) {
        collect("", &body["error"], &mut parts);
        collect("", &body["error_description"], &mut parts);
    }
    short(parts.join("; ").trim_end_matches('.'), MAX_QUOTE)
}

/// Messages stand as texts, in lists, by the names of fields, or as objects with code and field.
fn collect(field: &str, value: &Value, parts: &mut Vec<String>) {
    if parts.len() >= MAX_MESSAGES {
        return;
    }
    match value {
        Value::String(text) if field.is_empty() => parts.push(text.trim_end_matches('.').to_owned()),
        Value::String(text) => parts.push(format!("{field} {text}")),
        Value::Array(list) => list.iter().for_each(|value| collect(field, value, parts)),
        Value::Object(error) => match error.get("field").and_then(Value::as_str) {
            Some(field) => {
                let said = ["message", "code"]
                    .iter()
                    .find_map(|name| error.get(*name)?.as_str());
                parts.push(format!("{field}: {}", said.unwrap_or("refused")));
            }
            None => match error.get("message") {
                Some(message) => collect(field, message, parts),
                None => error
                    .iter()
                    .for_each(|(field, value)| collect(field, value, parts)),
            },
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn quoted(words: &str) -> String {
    match words {
        "" => String::new(),
        words => format!(": {words}"),
    }
}

/// The trouble of a create; if fields are refused that it can do without, it is tried once more without them.
pub(crate) fn of_create(forge: &Forge, trouble: Trouble, exchange: &Exchange, dropped: &[String]) -> Trouble {
    let Ok(response) = &exchange.result else {
        return trouble;
    };
    if trouble.kind == Kind::TooLarge {
        // It may have been made.
        return Trouble {
            kind: Kind::Unknown,
            ..trouble
        };
    }
    if trouble.kind != Kind::Refused || !dropped.is_empty() {
        return trouble;
    }
    let words = words(response.status, &response.body).to_lowercase();
    let named = forge.optional.iter().filter(|field| words.contains(**field));
    let without = named.map(|field| (*field).to_owned()).collect();
    Trouble { without, ..trouble }
}
