//! What the instance answered: the `result` of a good answer, or what went wrong, in its own words and in ours.
//!
//! A good answer is JSON with a `result`; anything else with a status of 2xx is no answer of the Table API. Bad ones are
//! `{"error": {"message", "detail"}, "status": "failure"}`.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::servicenow::settings::{bucket, table};
use crate::workflow::action::{Trouble, TroubleKind as Kind};
use crate::workflow::clock::theirs;
use crate::workflow::system::Ask;
use destination::status;
use destination::task::{Pause, Target};
use destination::text::{Unit, cut, one_line};
use destination::waits;
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode, Reach, Response};
use model::time::Timestamp;

/// How long others wait after a rate limit whose end was not told.
const UNTOLD_WAIT: Duration = Duration::from_secs(60);
/// How much of the instance's own words is repeated, in characters.
const MAX_QUOTE: usize = 240;
/// What tells a refusal of the very change (a policy, a rule) from one of the account.
const POLICY_WORDS: [&str; 5] = [
    "data policy",
    "mandatory",
    "business rule",
    "aborted",
    "invalid value",
];

/// What is said of a change that the instance does not want.
const REFUSES_THIS: &str =
    "the instance refuses this: change its rules, or set the fields that it names under Fields";
/// What tells a refusal of the account, and stands untranslated in every language.
const ACL: &str = "acl";
/// What a refusal of the API itself says.
const UNAUTHORIZED: &str = "not authorized";

/// The `result` of an answer to the workflow.
pub(super) fn result(ask: &Ask<'_>, exchange: &Exchange) -> Result<Value, Refusal> {
    read(ask.target, exchange, ask.now)
}

/// The records of a list. Where the first version of the Table API answers, none are a 404.
pub(super) fn list(ask: &Ask<'_>, exchange: &Exchange) -> Result<Value, Refusal> {
    match result(ask, exchange) {
        Err(refusal) if refusal.kind == Kind::Missing => Ok(Value::Array(Vec::new())),
        result => result,
    }
}

/// A record that does not tell what we need to know.
pub(super) fn unreadable(target: &Target) -> Trouble {
    let detail = format!(
        "this account may not read sys_id and state in the table {:?}: give it a role that may, such as itil",
        table(target)
    );
    let failure = Failure::new(FailureCode::SettingsRefused, detail).with(Disposition::NeedsOperator);
    Trouble::new(Kind::Forbidden, failure)
}

/// Why a request brought no `result`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What it means, as far as that is the same for every request.
    pub(super) failure: Failure,
    /// What sort of trouble it is.
    pub(super) kind: Kind,
    /// The instance's own words, in one line; empty if there are none.
    pub(super) words: String,
    /// Who has to wait.
    pub(super) pause: Option<Pause>,
}

impl Refusal {
    /// Whether it was this that could not be done, whatever else could.
    pub(super) fn is_about_this(&self) -> bool {
        matches!(
            self.kind,
            Kind::Forbidden | Kind::Refused | Kind::Doubtful | Kind::Missing
        )
    }

    /// Whether the instance named a field in its words, by its name or by what people call it.
    pub(super) fn names(&self, names: &[&str]) -> bool {
        let words = self.words.to_lowercase();
        names.iter().any(|name| words.contains(&name.to_lowercase()))
    }

    /// The same with another sentence, followed by the instance's words.
    pub(super) fn with(self, code: FailureCode, remedy: Disposition, sentence: &str) -> Self {
        let detail = format!("{sentence}{}", quoted(&self.words));
        Self {
            failure: Failure::new(code, detail).with(remedy),
            ..self
        }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self {
            pause: refusal.pause,
            ..Self::new(refusal.kind, refusal.failure)
        }
    }
}

/// The `result` of an answer.
pub(super) fn read(target: &Target, exchange: &Exchange, now: Timestamp) -> Result<Value, Refusal> {
    let response = match &exchange.result {
        Ok(response) => response,
        Err(failure) => {
            let kind = match exchange.reach {
                Reach::NotSent => Kind::Unsent,
                Reach::MaybeSent => Kind::Unknown,
            };
            return Err(refusal(
                kind,
                Failure::new(failure.code, failure.detail.clone()),
                "",
            ));
        }
    };
    let body: Option<Value> = serde_json::from_slice(&response.body).ok();
    let words = body.as_ref().map(words).unwrap_or_default();
    match (response.status, body) {
        (200..=299, Some(Value::Object(mut body))) if body.contains_key("result") => {
            Ok(body.remove("result").unwrap_or_default())
        }
        (200..=299, _) => Err(refusal(Kind::Unknown, no_result(response), &words)),
        (429, _) => Err(limited(target, response, &words, now)),
        (400..=499, _) => Err(refused(target, response.status, &words)),
        _ => Err(broken(exchange, now, &words)),
    }
}

fn refusal(kind: Kind, failure: Failure, words: &str) -> Refusal {
    Refusal {
        failure,
        kind,
        words: words.to_owned(),
        pause: None,
    }
}

/// The error of an answer in one line: message and detail, or the form in which OAuth speaks.
pub(super) fn words(body: &Value) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let error = body.get("error");
    let (message, detail) = match error {
        Some(Value::Object(error)) => (text(error.get("message")), text(error.get("detail"))),
        // The endpoint for tokens says it so (RFC 6749 § 5.2); a word alone may be anybody's.
        _ => match body.get("error_description") {
            Some(description) => (text(error), text(Some(description))),
            None => return String::new(),
        },
    };
    let parts = [one_line(&message), one_line(&detail)];
    let parts: Vec<_> = parts
        .iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    cut(&parts.join(": "), MAX_QUOTE, Unit::Characters)
}

/// Words for the end of a sentence; nothing if there are none.
pub(super) fn quoted(words: &str) -> String {
    match words.trim_end_matches('.') {
        "" => String::new(),
        words => format!(" ({words})"),
    }
}

/// An answer of 2xx that is none.
pub(super) fn no_result(response: &Response) -> Failure {
    let is_page = response.body.trim_ascii_start().starts_with(b"<");
    let detail = if is_page {
        "the instance answered with a page: it may be asleep, so open it in a browser"
    } else if response.body_is_truncated {
        "the instance's answer is longer than what is read of it"
    } else {
        "the instance did not answer as the Table API does: check that the URL is the instance's root"
    };
    Failure::new(FailureCode::ResponseInvalid, detail)
}

fn refused(target: &Target, status: u16, words: &str) -> Refusal {
    let lower = words.to_lowercase();
    let is_policy = POLICY_WORDS.iter().any(|word| lower.contains(word));
    let settings = |kind, sentence: String| {
        let remedy = Disposition::NeedsOperator;
        (kind, FailureCode::SettingsRefused, remedy, sentence)
    };
    let later = |kind, sentence: String| (kind, FailureCode::ClientError, Disposition::Backoff, sentence);
    let table = table(target);
    let (kind, code, remedy, sentence) = match status {
        // Without the instance's own words it may be anybody who answers.
        _ if words.is_empty() && status != 401 => {
            later(Kind::Unknown, status::foreign_sentence(status, "ServiceNow"))
        }
        // Another node of the instance may still be at it.
        408 | 409 => later(Kind::Unknown, format!("the instance answered {status}")),
        401 => settings(
            Kind::Credentials,
            "the instance does not accept the credentials: put account, password or key right".to_owned(),
        ),
        400 if lower.contains("invalid table") => settings(
            Kind::Forbidden,
            format!("the instance has no table {table:?} that this account may use: put Table right"),
        ),
        // The words of a data policy are those of the account's language.
        403 if !is_policy && !is_of_rights(&lower) => settings(Kind::Doubtful, REFUSES_THIS.to_owned()),
        403 if !is_policy => settings(
            Kind::Forbidden,
            format!("this account may not do this in the table {table:?}: give it the role that it needs"),
        ),
        404 => settings(
            Kind::Missing,
            format!("there is nothing in the table {table:?} that this account may see"),
        ),
        400 | 403 => (
            Kind::Refused,
            FailureCode::MessageRefused,
            Disposition::Permanent,
            REFUSES_THIS.to_owned(),
        ),
        _ => later(Kind::Refused, format!("the instance answered {status}")),
    };
    let failure = Failure::new(code, format!("{sentence}{}", quoted(words))).with(remedy);
    refusal(kind, failure, words)
}

/// Whether a refusal is one of access rules: in every language they are called so.
fn is_of_rights(words: &str) -> bool {
    let is_acl = words
        .split(|sign: char| !sign.is_alphanumeric())
        .any(|word| word == ACL);
    is_acl || words.contains(UNAUTHORIZED)
}

fn broken(exchange: &Exchange, now: Timestamp, words: &str) -> Refusal {
    let headers = exchange.result.as_ref().map(|response| &response.headers);
    let outcome = status::classify(exchange, headers.map_or(now, |headers| theirs(headers, now)));
    let failure = outcome.failure().cloned();
    let failure = failure
        .unwrap_or_else(|| Failure::new(FailureCode::UnexpectedStatus, "the answer has no known status"));
    let detail = format!("{}{}", failure.detail, quoted(words));
    refusal(Kind::Unknown, Failure { detail, ..failure }, words)
}

fn limited(target: &Target, response: &Response, words: &str, now: Timestamp) -> Refusal {
    let retry_after = wait(&response.headers, now);
    let text = |name| header(&response.headers, name).map(one_line).unwrap_or_default();
    let (limit, rule) = (text("x-ratelimit-limit"), text("x-ratelimit-rule"));
    let limit = match limit.as_str() {
        "" => String::new(),
        limit => format!(" of {limit} requests an hour"),
    };
    let rule = match rule.as_str() {
        "" => String::new(),
        rule => format!(", by its rule {rule:?}"),
    };
    let detail = format!(
        "the instance's rate limit{limit} is reached{rule}{}",
        quoted(words)
    );
    let failure = Failure {
        retry_after,
        ..Failure::new(
            FailureCode::RateLimited,
            cut(&detail, MAX_QUOTE, Unit::Characters),
        )
        .with(Disposition::RateLimited)
    };
    Refusal {
        pause: Some(Pause {
            bucket: bucket(target),
            wait: retry_after.unwrap_or(UNTOLD_WAIT),
        }),
        ..refusal(Kind::Limited, failure, words)
    }
}

/// How many records a query found, those included that access rules hide; nothing if it was not told.
pub(super) fn total(exchange: &Exchange) -> Option<u64> {
    let response = exchange.result.as_ref().ok()?;
    header(&response.headers, "x-total-count")?.trim().parse().ok()
}

/// How long an answer asks to wait.
pub(super) fn wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    waits::told(headers, theirs(headers, now))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
