//! What Jira answers whatever it was asked: refusals, limits, breakdowns, and no answer at all.

use std::time::Duration;

use serde_json::Value;

use crate::jira::NOTHING;
use crate::jira::issue::short;
use crate::jira::settings::Settings;
use crate::workflow::action::{Observation, Trouble, TroubleKind};
use crate::workflow::clock::theirs;
use crate::workflow::system::Ask;
use destination::status;
use destination::task::Target;
use destination::text::one_line;
use destination::waits;
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode, Reach, Response, SendFailure};
use model::time::Timestamp;

/// How long others wait after a rate limit whose end was not told.
const UNTOLD_WAIT: Duration = Duration::from_secs(30);
/// How much of Jira's own words is repeated, in characters.
const MAX_QUOTE: usize = 300;
/// The most messages of one error that are looked at.
const MAX_MESSAGES: usize = 20;
/// The header that says how signing in went, whatever the status is.
const LOGIN_REASON: &str = "x-seraph-loginreason";
/// What it says of credentials that were sent and not believed.
const NOT_BELIEVED: [&str; 2] = ["AUTHENTICATED_FAILED", "AUTHENTICATION_DENIED"];
/// The header that names whom Data Center answers.
const USER_NAME: &str = "x-ausername";
/// The limit that concerns one ticket and nobody else.
const PER_ISSUE: &str = "jira-per-issue-on-write";

/// What a request was for, in words for sentences about its refusal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose<'a> {
    /// What the account may not do: `create tickets in OPS`.
    pub(super) act: &'a str,
    /// What is not there after a 404, and what to do.
    pub(super) missing: &'a str,
}

/// The answer of a request that reads if it is a good one, and otherwise what became of it. What nobody in particular is shown
/// is not what there is.
pub(super) fn good<'a>(
    target: &Target,
    exchange: &'a Exchange,
    purpose: Purpose<'_>,
    now: Timestamp,
) -> Result<&'a Response, Trouble> {
    let response = taken(target, exchange, purpose, now)?;
    match served_as_nobody(response) {
        true => Err(nobody(response.status)),
        false => Ok(response),
    }
}

/// The answer of a request that changes something: what was done is done, whoever did it.
fn taken<'a>(
    target: &Target,
    exchange: &'a Exchange,
    purpose: Purpose<'_>,
    now: Timestamp,
) -> Result<&'a Response, Trouble> {
    match &exchange.result {
        Err(failure) => Err(unanswered(failure, exchange.reach)),
        Ok(response) if (200..=299).contains(&response.status) => Ok(response),
        Ok(response) => Err(trouble(target, response, purpose, now)),
    }
}

/// The same for whoever changes something for the workflow.
pub(super) fn of_change<'a>(
    ask: &Ask<'_>,
    exchange: &'a Exchange,
    purpose: Purpose<'_>,
) -> Result<&'a Response, Trouble> {
    taken(ask.target, exchange, purpose, ask.now)
}

/// The same for whoever reads for the workflow.
pub(super) fn of<'a>(
    ask: &Ask<'_>,
    exchange: &'a Exchange,
    purpose: Purpose<'_>,
) -> Result<&'a Response, Trouble> {
    good(ask.target, exchange, purpose, ask.now)
}

/// Whether it was done, which is all that its answer says.
pub(super) fn done(ask: &Ask<'_>, exchange: &Exchange, purpose: Purpose<'_>) -> Observation {
    of_change(ask, exchange, purpose)?;
    NOTHING
}

/// A good answer's JSON.
pub(super) fn json(response: &Response) -> Result<Value, Trouble> {
    let read = serde_json::from_slice(&response.body);
    read.map_err(|_| strange(response))
}

/// A good status with something that is not Jira's.
pub(super) fn strange(response: &Response) -> Trouble {
    let (kind, detail) = match response.body_is_truncated {
        true => (
            TroubleKind::TooLarge,
            "Jira's answer is too large to be read".to_owned(),
        ),
        false => (
            TroubleKind::Unknown,
            format!(
                "the address answered {}, but not as Jira does: check that it is Jira's",
                response.status
            ),
        ),
    };
    Trouble::new(kind, Failure::new(FailureCode::ResponseInvalid, detail))
}

/// No answer came.
fn unanswered(failure: &SendFailure, reach: Reach) -> Trouble {
    let kind = match reach {
        Reach::NotSent => TroubleKind::Unsent,
        Reach::MaybeSent => TroubleKind::Unknown,
    };
    Trouble::new(kind, Failure::new(failure.code, failure.detail.clone()))
}

/// An answer that is not a good one.
pub(super) fn trouble(target: &Target, response: &Response, purpose: Purpose<'_>, now: Timestamp) -> Trouble {
    let status = response.status;
    let said = words(&response.body);
    let person = |kind, detail| Trouble::new(kind, refused_settings(detail));
    match status {
        401 | 403 if wants_captcha(response) => person(
            TroubleKind::Credentials,
            format!(
                "Jira wants a CAPTCHA from this account ({status}): sign in as it once in a browser, then enable the webhook"
            ),
        ),
        400..=428 | 430..=499 if served_as_nobody(response) => nobody(status),
        401 => person(
            TroubleKind::Credentials,
            format!("Jira refuses the credentials (401): put account and token right{said}"),
        ),
        403 if is_own(response) => person(
            TroubleKind::Forbidden,
            format!(
                "this account may not {} (403): give it the permission{said}",
                purpose.act
            ),
        ),
        404 if is_own(response) => person(
            TroubleKind::Missing,
            format!("{} ({status}){said}", purpose.missing),
        ),
        410 if is_own(response) => person(
            TroubleKind::Forbidden,
            format!("{} ({status}){said}", purpose.missing),
        ),
        429 => limited(target, response, now),
        300..=399 => person_of_redirect(status),
        400..=499 => {
            let kind = match status {
                408 | 425 => TroubleKind::Unknown,
                _ => TroubleKind::Refused,
            };
            let failure = match is_own(response) {
                true => Failure::new(
                    FailureCode::MessageRefused,
                    format!("Jira refused to {} ({status}){said}", purpose.act),
                )
                .with(Disposition::Permanent),
                false => Failure::new(FailureCode::ClientError, status::foreign_sentence(status, "Jira")),
            };
            Trouble::new(kind, failure)
        }
        500..=599 => Trouble::new(TroubleKind::Unknown, broken(response, now)),
        _ => Trouble::new(
            TroubleKind::Unknown,
            Failure::new(FailureCode::UnexpectedStatus, format!("Jira answered {status}")),
        ),
    }
}

/// Whether Jira did not believe who we are and answered all the same, as it answers anybody: an empty search, 404 for a ticket,
/// 400 for a project. A site does so with a token that has ended.
fn served_as_nobody(response: &Response) -> bool {
    let is_refused = |reason: &str| NOT_BELIEVED.iter().any(|known| reason.contains(known));
    let mut reasons = response.headers.get_all(LOGIN_REASON).iter();
    let is_anonymous = header(response, USER_NAME).is_some_and(|name| name == "anonymous");
    is_anonymous || reasons.any(|reason| reason.to_str().is_ok_and(is_refused))
}

fn nobody(status: u16) -> Trouble {
    let detail = format!(
        "Jira does not believe the credentials and answers as to anybody ({status}): the token has ended or was revoked, so \
         make a new one and fill it in"
    );
    Trouble::new(TroubleKind::Credentials, refused_settings(detail))
}

/// Trouble of a request about something else than the ticket, which is not what is missing.
pub(super) fn about_this(trouble: Trouble) -> Trouble {
    let kind = match trouble.kind {
        TroubleKind::Missing => TroubleKind::Refused,
        kind => kind,
    };
    Trouble { kind, ..trouble }
}

/// What a person has to put right in the settings.
pub(super) fn refused_settings(detail: String) -> Failure {
    Failure::new(FailureCode::SettingsRefused, detail).with(Disposition::NeedsOperator)
}

fn person_of_redirect(status: u16) -> Trouble {
    let detail = format!(
        "Jira answered {status} and points elsewhere: put the address right, redirects are not followed"
    );
    let failure = Failure::new(FailureCode::Redirect, detail).with(Disposition::NeedsOperator);
    Trouble::new(TroubleKind::Forbidden, failure)
}

/// Whether Jira itself refused, and not a firewall or proxy on the way there: by its JSON, or by a header of its own.
fn is_own(response: &Response) -> bool {
    let is_marked = ["x-arequestid", LOGIN_REASON]
        .iter()
        .any(|name| response.headers.contains_key(*name));
    is_marked || !words(&response.body).is_empty()
}

/// Jira, or what stands before it, does not work now.
fn broken(response: &Response, now: Timestamp) -> Failure {
    let failure = Failure::new(
        FailureCode::ServerError,
        format!("Jira answered {}", response.status),
    );
    match waits::retry_after(&response.headers, theirs(&response.headers, now)) {
        Some(wait) if response.status == 503 => Failure {
            retry_after: Some(wait),
            ..failure.with(Disposition::RateLimited)
        },
        Some(_) | None => failure,
    }
}

/// Jira asks for fewer requests.
fn limited(target: &Target, response: &Response, now: Timestamp) -> Trouble {
    let reason = header(response, "ratelimit-reason").or_else(|| header(response, "x-ratelimit-reason"));
    let reason = reason.unwrap_or_default();
    let detail = match reason {
        PER_ISSUE => "Jira asks for fewer changes of this ticket".to_owned(),
        _ if reason.starts_with("jira-quota") => "the hour's quota of this Jira is used up".to_owned(),
        _ => "Jira asks for fewer requests".to_owned(),
    };
    let retry_after = wait(response, now);
    let failure = Failure {
        retry_after,
        ..Failure::new(FailureCode::RateLimited, detail).with(Disposition::RateLimited)
    };
    match reason {
        PER_ISSUE => Trouble::new(TroubleKind::Limited, failure),
        _ => Trouble::limited(
            failure,
            Settings(target).bucket(),
            retry_after.unwrap_or(UNTOLD_WAIT),
        ),
    }
}

/// How long an answer asks to wait.
pub(super) fn wait(response: &Response, now: Timestamp) -> Option<Duration> {
    waits::told(&response.headers, theirs(&response.headers, now))
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.get(name)?.to_str().ok()
}

fn wants_captcha(response: &Response) -> bool {
    header(response, "x-authentication-denied-reason").is_some_and(|reason| reason.contains("CAPTCHA"))
}

/// Jira's own words about what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Errors {
    /// About the whole.
    pub(super) messages: Vec<String>,
    /// About fields, by their ids.
    pub(super) fields: Vec<(String, String)>,
}

impl Errors {
    /// Reads the body of a refusal; nothing if it is none of Jira's.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let listed = body["errorMessages"].as_array().into_iter().flatten();
        let plain = ["message", "errorMessage"]
            .into_iter()
            .filter_map(|name| body.get(name));
        let messages = listed
            .chain(plain)
            .filter_map(|message| Some(short(message.as_str()?, MAX_QUOTE)));
        let named = body["errors"].as_object().into_iter().flatten();
        let fields = named.map(|(field, message)| {
            let message = message
                .as_str()
                .map_or_else(|| message.to_string(), str::to_owned);
            (short(field, MAX_QUOTE), short(&message, MAX_QUOTE))
        });
        let errors = Self {
            messages: messages
                .filter(|message| !message.is_empty())
                .take(MAX_MESSAGES)
                .collect(),
            fields: fields.take(MAX_MESSAGES).collect(),
        };
        body.is_object().then_some(errors)
    }

    /// All of it in one bounded line.
    pub(super) fn line(&self) -> String {
        let fields = self
            .fields
            .iter()
            .map(|(field, message)| format!("{field}: {message}"));
        let all = self.messages.iter().cloned().chain(fields).collect::<Vec<_>>();
        short(one_line(&all.join("; ")).trim_end_matches('.'), MAX_QUOTE)
    }
}

/// Jira's own words, to stand at a sentence's end; empty if it said nothing that can be read.
pub(super) fn words(body: &[u8]) -> String {
    let line = Errors::read(body).unwrap_or_default().line();
    if line.is_empty() {
        line
    } else {
        format!(": {line}")
    }
}
