//! What an answer means for a delivery: one table for all services. A kind only says how it reads its own service's words.
//! All of them know an alert by the incident's id, so that a repeat after a lost answer does no harm.

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::wording::{BARE, Wording};
use destination::status;
use destination::task::{Classification, Pause, Target, Task};
use destination::text::{one_line, quote_in_brackets};
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::{Exchange, FailureCode, Response};
use model::patch::Patch;
use model::time::Timestamp;

/// A service, as far as its answers go.
pub(crate) struct Service {
    /// What people call it.
    pub(crate) name: &'static str,
    /// What an answer says in the service's own words.
    pub(crate) read: fn(&Reply<'_>) -> Meaning,
    /// The bucket that a target's requests count against, if the service limits any.
    pub(crate) bucket: fn(&Target) -> Option<String>,
    /// How long that is left alone if the service asks for fewer requests and does not tell for how long.
    pub(crate) pause: Duration,
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It was taken.
    Taken,
    /// It was queued; what becomes of it is not told.
    Queued,
    /// Key, address or permission is refused; what to do about it.
    SettingsRefused(&'static str),
    /// This very request is refused.
    MessageRefused,
    /// Nothing that the service says: something on the way may have answered, or the service has trouble of its own.
    Foreign,
}

/// An answer, for whoever reads a service's words.
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) text: Cow<'a, str>,
    /// The body, if it is JSON.
    pub(crate) json: Option<Value>,
}

impl<'a> Reply<'a> {
    pub(crate) fn new(response: &'a Response) -> Self {
        Self {
            status: response.status,
            headers: &response.headers,
            text: String::from_utf8_lossy(&response.body),
            json: serde_json::from_slice(&response.body).ok(),
        }
    }

    /// A member of the body.
    pub(crate) fn member(&self, name: &str) -> Option<&Value> {
        self.json.as_ref()?.get(name)
    }

    /// A text in the body; empty if there is none.
    pub(crate) fn member_text(&self, name: &str) -> &str {
        self.member(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// What it says went wrong, in its own words.
    pub(crate) fn words(&self) -> String {
        let Some(json) = &self.json else {
            return match self.text.trim_start() {
                page if page.starts_with('<') => "it sent a web page".to_owned(),
                text => one_line(text),
            };
        };
        let said = ["message", "error"].map(|name| self.member_text(name).to_owned());
        let errors = match json.get("errors") {
            Some(Value::Array(errors)) => errors.iter().filter_map(Value::as_str).collect(),
            Some(Value::Object(errors)) => errors.values().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let whole = json.as_str().map(str::to_owned);
        let errors = errors.into_iter().map(str::to_owned);
        let words: Vec<_> = said.into_iter().chain(errors).chain(whole).collect();
        let words: Vec<_> = words.iter().filter(|words| !words.is_empty()).collect();
        one_line(
            &words
                .iter()
                .map(|words| words.as_str())
                .collect::<Vec<_>>()
                .join("; "),
        )
    }
}

/// Judges an exchange of a request that said so much.
pub(crate) fn classify(
    service: &Service,
    wording: Wording,
    task: &Task<'_>,
    exchange: &Exchange,
    now: Timestamp,
) -> Classification {
    let plain = status::classify(exchange, now);
    let Ok(response) = &exchange.result else {
        return plain.into();
    };
    let reply = Reply::new(response);
    let told = plain.failure().and_then(|failure| failure.retry_after);
    if reply.status == 429 {
        return slow_down(service, task, &reply, told);
    }
    match (service.read)(&reply) {
        Meaning::Taken => Outcome::Delivered.into(),
        Meaning::Queued => Outcome::Accepted.into(),
        Meaning::SettingsRefused(remedy) => {
            let detail = format!(
                "{} refuses this webhook's settings (status {}): {remedy}{}",
                service.name,
                reply.status,
                quote_in_brackets(&reply.words())
            );
            Failure::new(FailureCode::SettingsRefused, detail)
                .with(Disposition::NeedsOperator)
                .into()
        }
        Meaning::MessageRefused => refused(service, wording, &reply),
        Meaning::Foreign if (200..=299).contains(&reply.status) => {
            let detail = format!(
                "the address answered {}, and not as {} does{}",
                reply.status,
                service.name,
                quote_in_brackets(&reply.words())
            );
            Failure::new(FailureCode::ResponseInvalid, detail).into()
        }
        Meaning::Foreign => status::foreign(exchange, service.name, now).into(),
    }
}

fn slow_down(
    service: &Service,
    task: &Task<'_>,
    reply: &Reply<'_>,
    told: Option<Duration>,
) -> Classification {
    let detail = format!(
        "{} asks for fewer requests{}",
        service.name,
        quote_in_brackets(&reply.words())
    );
    let failure = Failure {
        retry_after: told,
        ..Failure::new(FailureCode::RateLimited, detail).with(Disposition::RateLimited)
    };
    let pause = (service.bucket)(task.target).map(|bucket| Pause {
        bucket,
        wait: told.unwrap_or(service.pause),
    });
    Classification {
        pause,
        ..failure.into()
    }
}

/// A refused alert is made anew at once with no more than it takes: a plain page is better than none.
fn refused(service: &Service, wording: Wording, reply: &Reply<'_>) -> Classification {
    let detail = format!(
        "{} refuses this alert with status {}{}",
        service.name,
        reply.status,
        quote_in_brackets(&reply.words())
    );
    let failure = Failure::new(FailureCode::MessageRefused, detail);
    match wording {
        Wording::Full => Classification {
            continuation: Patch::Set(BARE.to_owned()),
            ..failure.with(Disposition::Immediate).into()
        },
        Wording::Bare => failure.with(Disposition::Permanent).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn words(body: &'static str) -> String {
        let response = Response {
            status: 400,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            body_is_truncated: false,
        };
        Reply::new(&response).words()
    }

    #[test]
    fn an_answers_words_are_found_wherever_services_put_them() {
        assert_eq!(words(r#"{"message":"bad","errors":["a","b"]}"#), "bad; a; b");
        assert_eq!(
            words(r#"{"message":"bad","errors":{"alias":"is long"}}"#),
            "bad; is long"
        );
        assert_eq!(words(r#"{"error":"no topic"}"#), "no topic");
        assert_eq!(words("\"a bare text\""), "a bare text");
        assert_eq!(words("not\nfound"), "not found");
        assert_eq!(words("<html>x"), "it sent a web page");
        assert_eq!(words("{}"), "");
    }
}
