//! Reading any JSON: a field of a signal is what an expression of the user gives, and what a status means say lists of words.
//! Whole statuses are compared and never parts of them: "unresolved" is not "resolved".

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::about::{MappingField, MappingInput, SourceDescription};
use crate::json::parse;
use crate::request::{Refusal, Refused, SourceRequest};
use crate::severity::severity;
use crate::signature::header;
use model::expression::{self, Bounds, Expression, InvalidExpression, Value};
use model::signal::{AlertKey, Signal, SignalAction};
use model::source_kind::SourceOptions;

/// The largest body that is read by expressions, in bytes.
pub const MAX_MAPPED_BODY_BYTES: usize = 256 * 1024;
/// The most alerts in one body that is read by expressions.
pub const MAX_MAPPED_ALERTS: usize = 100;
/// The most words of a list.
pub const MAX_WORDS: usize = 50;
/// Headers that expressions see, in bytes altogether.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// What an expression may name and cost: ten milliseconds at most. A body of so many bytes has half as many values.
const BOUNDS: Bounds = Bounds {
    names: &["body", "alert", "headers", "query"],
    value_size: MAX_MAPPED_BODY_BYTES as u64 * 3 / 2,
    work: 10_000_000,
};

/// Names of the fields.
pub(crate) const ALERTS: &str = "alerts";
pub(crate) const STATUS: &str = "status";
pub(crate) const RESOLVE_WORDS: &str = "resolve_words";
pub(crate) const ACKNOWLEDGE_WORDS: &str = "acknowledge_words";
pub(crate) const IGNORE_WORDS: &str = "ignore_words";
pub(crate) const KEY: &str = "key";
pub(crate) const TITLE: &str = "title";
pub(crate) const DESCRIPTION: &str = "description";
pub(crate) const SEVERITY: &str = "severity";
pub(crate) const LINK: &str = "link";

/// What is read if nothing else is set.
pub(crate) struct Defaults {
    pub status: &'static str,
    pub resolve_words: &'static str,
    pub acknowledge_words: &'static str,
    pub ignore_words: &'static str,
    pub key: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub severity: &'static str,
    pub link: &'static str,
}

/// The fields of a mapping, with what a preset reads.
pub(crate) const fn fields(defaults: &Defaults) -> [MappingField; 10] {
    [
        expression(ALERTS, "Alerts", LIST_HINT, ""),
        expression(STATUS, "Status", STATUS_HINT, defaults.status),
        words(
            RESOLVE_WORDS,
            "Resolved if the status is",
            WORDS_HINT,
            defaults.resolve_words,
        ),
        words(
            ACKNOWLEDGE_WORDS,
            "Acknowledged if the status is",
            "",
            defaults.acknowledge_words,
        ),
        words(
            IGNORE_WORDS,
            "Ignored if the status is",
            "",
            defaults.ignore_words,
        ),
        expression(KEY, "Alert key", KEY_HINT, defaults.key),
        expression(TITLE, "Title", "The incident's title.", defaults.title),
        expression(DESCRIPTION, "Description", "", defaults.description),
        expression(SEVERITY, "Severity", SEVERITY_HINT, defaults.severity),
        expression(LINK, "Link", "Where to look at it.", defaults.link),
    ]
}

const LIST_HINT: &str = "A list with an alert in each element, which the other fields call alert. Empty if a request is one alert: \
    then alert is the body.";
const STATUS_HINT: &str = "What the words below are compared with. What is in none of them triggers.";
const WORDS_HINT: &str = "Whole statuses with commas between them; capitals do not matter.";
const KEY_HINT: &str = "Which alert it is: the same when it fires and when it is over. Needed.";
const SEVERITY_HINT: &str =
    "critical, error, warning, info, or what other senders call that: P1, high, fatal.";

const fn expression(
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    default: &'static str,
) -> MappingField {
    let input = MappingInput::Expression;
    MappingField {
        name,
        label,
        hint,
        input,
        default,
    }
}

const fn words(
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    default: &'static str,
) -> MappingField {
    let input = MappingInput::Words;
    MappingField {
        name,
        label,
        hint,
        input,
        default,
    }
}

/// A mapping that can be used.
#[derive(Debug, Clone)]
pub struct Mapping {
    expressions: BTreeMap<&'static str, Expression>,
    words: BTreeMap<&'static str, Vec<String>>,
}

/// What is wrong with a field of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingProblem {
    pub field: String,
    pub sentence: String,
}

/// What a field of a mapping gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewedField {
    pub field: &'static MappingField,
    /// What it gave, or why nothing.
    pub result: Result<String, String>,
}

/// What a mapping makes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Each expression, for the first alert.
    pub fields: Vec<PreviewedField>,
    /// What would be read.
    pub signals: Result<Vec<Signal>, Refused>,
}

impl Mapping {
    /// Reads what is set for a source, and what its kind has for the rest.
    pub fn parse(
        about: &'static SourceDescription,
        options: &SourceOptions,
    ) -> Result<Self, Vec<MappingProblem>> {
        let mut mapping = Self {
            expressions: BTreeMap::new(),
            words: BTreeMap::new(),
        };
        let mut problems = Vec::new();
        for name in options.mapping.keys() {
            if !about.mapping.iter().any(|field| field.name == name) {
                let sentence = "there is no such field".to_owned();
                problems.push(MappingProblem {
                    field: name.clone(),
                    sentence,
                });
            }
        }
        for field in about.mapping {
            let own = options.mapping.get(field.name).map(|text| text.trim());
            if let Err(sentence) = mapping.add(field, own.unwrap_or(field.default)) {
                problems.push(MappingProblem {
                    field: field.name.to_owned(),
                    sentence,
                });
            }
        }
        match problems.is_empty() {
            true => Ok(mapping),
            false => Err(problems),
        }
    }

    fn add(&mut self, field: &MappingField, text: &str) -> Result<(), String> {
        match field.input {
            MappingInput::Expression if text.is_empty() && field.name == KEY => {
                Err("is needed: without it nothing says which alert is over".into())
            }
            MappingInput::Expression if text.is_empty() => Ok(()),
            MappingInput::Expression => {
                let parsed = Expression::parse(text, &BOUNDS).map_err(|problem| problem.to_string())?;
                self.expressions.insert(field.name, parsed);
                Ok(())
            }
            MappingInput::Words => {
                let words = text.split(',').map(|word| word.trim().to_lowercase());
                let words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
                if words.len() > MAX_WORDS {
                    return Err(format!("has more than {MAX_WORDS} words"));
                }
                self.words.insert(field.name, words);
                Ok(())
            }
        }
    }

    /// What a request says.
    pub fn read(&self, request: &SourceRequest<'_>) -> Result<Vec<Signal>, Refused> {
        let scope = Scope::new(request)?;
        let alerts = self.alerts(&scope)?;
        if alerts.len() > MAX_MAPPED_ALERTS {
            return Err(Refused {
                refusal: Refusal::RequestTooLarge,
                sentence: format!("the request has more than {MAX_MAPPED_ALERTS} alerts: send fewer at once"),
            });
        }
        let signals = alerts.iter().map(|alert| self.signal(&scope, alert));
        let signals: Vec<Result<Signal, Refused>> = signals.collect();
        if signals.iter().any(Result::is_ok) {
            // One that says too little is no reason to drop the others.
            return Ok(signals
                .into_iter()
                .map(|signal| signal.unwrap_or_else(left_out))
                .collect());
        }
        signals.into_iter().collect()
    }

    fn alerts(&self, scope: &Scope) -> Result<Vec<Value>, Refused> {
        let Some(alerts) = self.expressions.get(ALERTS) else {
            return Ok(vec![scope.body.clone()]);
        };
        match alerts.evaluate_value(scope.values(&Value::Null)) {
            Ok(Value::List(alerts)) => Ok(alerts.to_vec()),
            Ok(other) => Err(Refused::unreadable(format!(
                "{ALERTS} gives {}, not a list",
                other.type_of()
            ))),
            Err(problem) => Err(Refused::unreadable(format!("{ALERTS}: {problem}"))),
        }
    }

    /// What has no status or no title is an alert all the same; only without a key it cannot be one.
    fn signal(&self, scope: &Scope, alert: &Value) -> Result<Signal, Refused> {
        let text = |name: &str| self.text(name, scope, alert).unwrap_or_default();
        let status = text(STATUS);
        let action = self.action(&status);
        let key = match (self.text(KEY, scope, alert), &action) {
            (Ok(key), _) if !key.trim().is_empty() => AlertKey::new(&key),
            (_, SignalAction::Ignore(_)) => Some(AlertKey::unnamed()),
            (Err(problem), _) => return Err(Refused::unreadable(format!("{KEY}: {problem}"))),
            (Ok(_), _) => None,
        };
        let key = key
            .ok_or_else(|| Refused::unreadable(format!("{KEY} is empty: nothing says which alert it is")))?;
        let title = text(TITLE);
        let mut signal = Signal::new(
            action,
            key.clone(),
            if title.trim().is_empty() {
                key.as_str()
            } else {
                &title
            },
        );
        signal.describe(&text(DESCRIPTION));
        signal.severity = severity(&text(SEVERITY));
        signal.add_link("Source", &text(LINK));
        signal.add_detail("status", &status);
        Ok(signal)
    }

    fn action(&self, status: &str) -> SignalAction {
        let status = status.trim().to_lowercase();
        let is_in = |list: &str| self.words.get(list).is_some_and(|words| words.contains(&status));
        if is_in(IGNORE_WORDS) {
            return SignalAction::Ignore(format!("the status {status:?} is among those that are ignored"));
        }
        match (is_in(RESOLVE_WORDS), is_in(ACKNOWLEDGE_WORDS)) {
            (true, _) => SignalAction::Resolve,
            (false, true) => SignalAction::Acknowledge,
            (false, false) => SignalAction::Trigger,
        }
    }

    /// What a field gives; nothing if there is no expression for it.
    fn text(&self, name: &str, scope: &Scope, alert: &Value) -> Result<String, InvalidExpression> {
        let Some(expression) = self.expressions.get(name) else {
            return Ok(String::new());
        };
        let value = expression.evaluate_value(scope.values(alert))?;
        Ok(expression::text(&value))
    }
}

/// What a mapping makes of a request, field by field: for whoever edits it.
pub fn preview(about: &'static SourceDescription, mapping: &Mapping, request: &SourceRequest<'_>) -> Preview {
    let signals = mapping.read(request);
    let scope = Scope::new(request).and_then(|scope| Ok((mapping.alerts(&scope)?, scope)));
    let previewed = |(alerts, scope): (Vec<Value>, Scope)| {
        let alert = alerts.first().cloned().unwrap_or(Value::Null);
        let expressions = about
            .mapping
            .iter()
            .filter(|field| mapping.expressions.contains_key(field.name));
        let fields = expressions
            .filter(|field| field.name != ALERTS)
            .map(|field| PreviewedField {
                field,
                result: mapping
                    .text(field.name, &scope, &alert)
                    .map_err(|problem| problem.to_string()),
            });
        fields.collect()
    };
    Preview {
        fields: scope.map(previewed).unwrap_or_default(),
        signals,
    }
}

/// An alert of a list of which nothing says which one it is: on record, and nothing else.
fn left_out(refused: Refused) -> Signal {
    let action = SignalAction::Ignore(refused.sentence);
    Signal::new(action, AlertKey::unnamed(), "Alert without a key")
}

/// What expressions may name.
struct Scope {
    body: Value,
    headers: Value,
    query: Value,
}

impl Scope {
    fn new(request: &SourceRequest<'_>) -> Result<Self, Refused> {
        if request.body.len() > MAX_MAPPED_BODY_BYTES {
            return Err(Refusal::RequestTooLarge.into());
        }
        let body = parse(request.body)?;
        Ok(Self {
            body: expression::value(&body),
            headers: expression::value(&headers(request)),
            query: expression::value(&query(request.query)),
        })
    }

    fn values<'a>(&self, alert: &Value) -> [(&'a str, Value); 4] {
        [
            ("body", self.body.clone()),
            ("alert", alert.clone()),
            ("headers", self.headers.clone()),
            ("query", self.query.clone()),
        ]
    }
}

fn headers(request: &SourceRequest<'_>) -> Json {
    let mut room = MAX_HEADER_BYTES;
    let mut headers = serde_json::Map::new();
    for name in request.headers.keys() {
        let value = header(request.headers, name.as_str());
        let is_secret = matches!(name.as_str(), "authorization" | "cookie" | "proxy-authorization");
        let size = name.as_str().len() + value.len();
        if is_secret || size > room {
            continue;
        }
        room -= size;
        headers.insert(name.as_str().to_owned(), value.into());
    }
    Json::Object(headers)
}

fn query(query: &str) -> Json {
    let pairs = url::form_urlencoded::parse(query.as_bytes()).take(MAX_WORDS);
    Json::Object(
        pairs
            .map(|(name, value)| (name.into_owned(), Json::String(value.into_owned())))
            .collect(),
    )
}

#[cfg(test)]
mod tests;
