//! What an answer means for each event of a batch. Most receivers take all or nothing; Elasticsearch tells of each, Splunk
//! of the first that it did not take.

use serde_json::Value;

use crate::batch::format::Format;
use destination::joint::refused;
use destination::task::{Classification, Task};
use destination::text::quote_in_brackets;
use destination::{status, waits};
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::{Exchange, FailureCode, Response};
use model::time::Timestamp;

/// The header by which ClickHouse says what went wrong.
const EXCEPTION: &str = "x-clickhouse-exception-code";
/// Splunk's codes for a wrong index and a missing channel: those come with 400, too.
const SPLUNK_SETTINGS: [u64; 3] = [7, 10, 11];

/// What an answer means for each task.
pub(super) fn classify(tasks: &[Task<'_>], exchange: &Exchange, now: Timestamp) -> Vec<Classification> {
    let Some(first) = tasks.first() else {
        return Vec::new();
    };
    let (format, count) = (Format::new(first.target), tasks.len());
    let plain = || vec![Classification::from(status::classify(exchange, now)); count];
    let Ok(response) = &exchange.result else {
        return plain();
    };
    let answer = Answer::new(format, response);
    let all = |classification: Classification| vec![classification; count];
    match response.status {
        200..=299 if answer.is_page() => all(answer.foreign().into()),
        200..=299 => answer.taken(count),
        429 => all(Failure {
            retry_after: waits::told(&response.headers, now),
            ..answer
                .failure(FailureCode::RateLimited, "asks for fewer requests")
                .with(Disposition::RateLimited)
        }
        .into()),
        400..=499 if answer.is_page() && response.status != 413 => {
            all(status::foreign(exchange, format.receiver(), now).into())
        }
        401 => all(answer.settings_refused().into()),
        403 | 404 if answer.is_the_platforms() => all(answer.settings_refused().into()),
        // Who runs a firewall on the way decides nothing about the webhook.
        403 | 404 | 410 => all(status::foreign(exchange, format.receiver(), now).into()),
        400 | 422 if answer.is_about_settings() => all(answer.settings_refused().into()),
        400 | 422 => match answer.first_refused() {
            Some(place) if place < count => answer.refused_at(place, count),
            // One that is alone at a receiver whose words nobody knows: as any other request.
            Some(_) | None if count == 1 && !format.is_a_platform() => plain(),
            Some(_) | None => all(refused(count, answer.message_refused())),
        },
        413 => all(refused(count, answer.message_refused())),
        _ => plain(),
    }
}

struct Answer<'a> {
    format: Format,
    response: &'a Response,
    json: Option<Value>,
}

impl<'a> Answer<'a> {
    fn new(format: Format, response: &'a Response) -> Self {
        Self {
            format,
            response,
            json: serde_json::from_slice(&response.body).ok(),
        }
    }

    fn member(&self, name: &str) -> Option<&Value> {
        self.json.as_ref()?.get(name)
    }

    /// A firewall or a sign-in answered.
    fn is_page(&self) -> bool {
        self.json.is_none() && self.response.body.trim_ascii_start().starts_with(b"<")
    }

    /// A platform answered, and not something on the way.
    fn is_the_platforms(&self) -> bool {
        let is_exception = self.response.headers.contains_key(EXCEPTION);
        self.format.is_a_platform() && (self.json.is_some() || is_exception)
    }

    fn foreign(&self) -> Failure {
        self.failure(
            FailureCode::ResponseInvalid,
            "did not answer: a web page came in its place",
        )
    }

    /// What a good status means for each event.
    fn taken(&self, count: usize) -> Vec<Classification> {
        let is_exception = self.response.headers.contains_key(EXCEPTION);
        let splunk_code = self.member("code").and_then(Value::as_u64).unwrap_or(0);
        match self.format {
            Format::Elasticsearch => self.items(count),
            Format::ClickHouse if is_exception => {
                let failure = self.failure(FailureCode::ServerError, "failed after its answer had begun");
                vec![failure.into(); count]
            }
            Format::Splunk if splunk_code != 0 => {
                let failure = self.failure(FailureCode::ResponseInvalid, "did not take the batch");
                vec![failure.into(); count]
            }
            _ => vec![Outcome::Delivered.into(); count],
        }
    }

    /// What became of each item of a bulk request, in the order of the request.
    fn items(&self, count: usize) -> Vec<Classification> {
        // With `filter_path` an answer without errors may name no item at all.
        let items = self.member("items").and_then(Value::as_array);
        match (self.member("errors").and_then(Value::as_bool), items) {
            (Some(false), _) => vec![Outcome::Delivered.into(); count],
            (Some(true), Some(items)) if items.len() == count => {
                items.iter().map(|item| self.item(item)).collect()
            }
            _ => {
                let failure = self.failure(FailureCode::ResponseInvalid, "does not tell of each event");
                vec![failure.into(); count]
            }
        }
    }

    fn item(&self, item: &Value) -> Classification {
        let result = item.as_object().and_then(|item| item.values().next());
        let result = result.unwrap_or(&Value::Null);
        let status = result["status"].as_u64().unwrap_or_default();
        let words = |name: &str| result["error"][name].as_str().unwrap_or_default();
        let said = quote_in_brackets(&format!("{}: {}", words("type"), words("reason")));
        let failure =
            |code, what: &str| Failure::new(code, format!("{} {what}{said}", self.format.receiver()));
        match status {
            200..=299 => Outcome::Delivered.into(),
            // Created under its own id: it is there already.
            409 => {
                Classification::from(Outcome::Delivered).noted("an earlier attempt had put it there already")
            }
            401 | 403 | 404 => failure(FailureCode::SettingsRefused, "refuses this webhook's settings")
                .with(Disposition::NeedsOperator)
                .into(),
            429 => failure(FailureCode::RateLimited, "has too much to do for this event").into(),
            400..=499 => failure(FailureCode::MessageRefused, "refuses this event")
                .with(Disposition::Permanent)
                .into(),
            _ => failure(FailureCode::ServerError, "failed with this event").into(),
        }
    }

    fn is_about_settings(&self) -> bool {
        let code = self.member("code").and_then(Value::as_u64);
        self.format == Format::Splunk && code.is_some_and(|code| SPLUNK_SETTINGS.contains(&code))
    }

    /// The place of the first event that was not taken, if the answer tells: Splunk keeps those before it.
    fn first_refused(&self) -> Option<usize> {
        let number = self
            .member("invalid-event-number")
            .filter(|_| self.format == Format::Splunk);
        usize::try_from(number?.as_u64()?).ok()
    }

    /// Those before a place were taken, the one there is refused, those after it were not looked at.
    fn refused_at(&self, place: usize, count: usize) -> Vec<Classification> {
        let each = |number: usize| -> Classification {
            match number.cmp(&place) {
                std::cmp::Ordering::Less => Outcome::Delivered.into(),
                std::cmp::Ordering::Equal => self.message_refused().with(Disposition::Permanent).into(),
                // In parts, or each round would find only one of several bad ones.
                std::cmp::Ordering::Greater => refused(
                    count,
                    self.failure(FailureCode::MessageRefused, "stopped at an event before this one"),
                ),
            }
        };
        (0..count).map(each).collect()
    }

    fn settings_refused(&self) -> Failure {
        self.failure(FailureCode::SettingsRefused, "refuses this webhook's settings")
            .with(Disposition::NeedsOperator)
    }

    fn message_refused(&self) -> Failure {
        self.failure(FailureCode::MessageRefused, "refuses this batch")
    }

    fn failure(&self, code: FailureCode, what: &str) -> Failure {
        let words = match self.is_page() {
            true => String::new(),
            false => quote_in_brackets(&String::from_utf8_lossy(&self.response.body)),
        };
        let status = self.response.status;
        Failure::new(
            code,
            format!("{} {what} (status {status}){words}", self.format.receiver()),
        )
    }
}
