//! Filters: a CEL expression over an event decides whether a webhook gets it.
//!
//! An expression is checked and bounded when it is saved. One that cannot be evaluated for some event lets that
//! event through: a mistake in a filter may cost a superfluous delivery, never a lost one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::{Context, Program, Value};

use crate::model::event::EventName;
use crate::model::incident::Incident;

/// The longest expression, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 1024;
/// The deepest nesting of brackets.
pub const MAX_NESTING: usize = 24;
/// Macros that loop over a list: at most one, since nested loops multiply.
const LOOPING_MACROS: [&str; 6] = [
    ".all(",
    ".exists(",
    ".exists_one(",
    ".existsOne(",
    ".map(",
    ".filter(",
];
/// How many looping macros one expression may have.
pub const MAX_LOOPS: usize = 1;

/// A checked expression.
#[derive(Clone)]
pub struct Filter {
    source: String,
    program: Arc<Program>,
}

/// Why an expression was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// More than [`MAX_EXPRESSION_BYTES`].
    #[error("the expression is longer than {MAX_EXPRESSION_BYTES} bytes")]
    TooLong,
    /// More than [`MAX_NESTING`] brackets inside each other.
    #[error("the expression nests brackets deeper than {MAX_NESTING}")]
    TooDeep,
    /// More than [`MAX_LOOPS`] looping macros.
    #[error("the expression loops over lists more than once")]
    TooManyLoops,
    /// A comment could hide a looping macro from the count.
    #[error("the expression must not contain comments (//) and line breaks together")]
    HasComment,
    /// Not CEL.
    #[error("{0}")]
    NotCel(String),
    /// A name that events do not have.
    #[error("unknown name {0:?}: use event, severity, status, service, assignee, title or incident")]
    UnknownName(String),
    /// Evaluates to something else than true or false, or fails.
    #[error("the expression must be true or false for an event, but {0}")]
    NotBoolean(String),
}

impl Filter {
    /// Checks an expression: its size, its syntax, its names, and that it is true or false for a sample event.
    pub fn parse(source: &str) -> Result<Self, InvalidFilter> {
        check_bounds(source)?;
        let program = compile(source)?;
        let references = program.references();
        let unknown = references
            .variables()
            .into_iter()
            .find(|name| !VARIABLES.contains(name) && !is_loop_variable(source, name));
        if let Some(name) = unknown {
            return Err(InvalidFilter::UnknownName(name.to_owned()));
        }
        Ok(Self {
            source: source.to_owned(),
            program: Arc::new(program),
        })
    }

    /// The expression as the user wrote it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the event passes. An expression that fails for this event lets it pass.
    pub fn matches(&self, event: EventName, incident: &Incident) -> bool {
        self.evaluate(event, incident).unwrap_or(true)
    }

    /// The expression's value for an event, or the sentence that says why it has none.
    pub fn evaluate(&self, event: EventName, incident: &Incident) -> Result<bool, InvalidFilter> {
        let context = event_context(event, incident);
        let result = catch_unwind(AssertUnwindSafe(|| self.program.execute(&context)));
        match result {
            Ok(Ok(Value::Bool(passes))) => Ok(passes),
            Ok(Ok(other)) => Err(InvalidFilter::NotBoolean(format!("gives {}", other.type_of()))),
            Ok(Err(error)) => Err(InvalidFilter::NotBoolean(format!("fails: {error}"))),
            Err(_) => Err(InvalidFilter::NotBoolean("cannot be evaluated".into())),
        }
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Filter {}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Filter").field(&self.source).finish()
    }
}

/// The names an expression may use.
const VARIABLES: [&str; 7] = [
    "event", "severity", "status", "service", "assignee", "title", "incident",
];

fn check_bounds(source: &str) -> Result<(), InvalidFilter> {
    if source.len() > MAX_EXPRESSION_BYTES {
        return Err(InvalidFilter::TooLong);
    }
    let mut depth: usize = 0;
    let mut deepest: usize = 0;
    for character in source.chars() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if deepest > MAX_NESTING {
        return Err(InvalidFilter::TooDeep);
    }
    if source.contains("//") && source.contains(['\n', '\r']) {
        return Err(InvalidFilter::HasComment);
    }
    let squeezed = squeeze(source);
    let loops: usize = LOOPING_MACROS
        .iter()
        .map(|name| squeezed.matches(name).count())
        .sum();
    if loops > MAX_LOOPS {
        Err(InvalidFilter::TooManyLoops)
    } else {
        Ok(())
    }
}

/// Whether a looping macro names its variable so: `.exists(name, …)`.
fn is_loop_variable(source: &str, name: &str) -> bool {
    let squeezed = squeeze(source);
    LOOPING_MACROS
        .iter()
        .any(|looping| squeezed.contains(&format!("{looping}{name},")))
}

fn squeeze(source: &str) -> String {
    source
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect()
}

/// Compiles with the parser's own panics turned into refusals: its input is whatever a user typed.
fn compile(source: &str) -> Result<Program, InvalidFilter> {
    match catch_unwind(|| Program::compile(source)) {
        Ok(Ok(program)) => Ok(program),
        Ok(Err(errors)) => {
            let first = errors.errors.first();
            let sentence = first.map_or_else(
                || "the expression cannot be read".to_owned(),
                |error| format!("line {}, column {}: {}", error.pos.0, error.pos.1, error.msg),
            );
            Err(InvalidFilter::NotCel(sentence))
        }
        Err(_) => Err(InvalidFilter::NotCel("the expression cannot be read".into())),
    }
}

fn event_context(event: EventName, incident: &Incident) -> Context<'static, 'static> {
    let service = text_map(&[
        ("id", incident.service.id.to_string()),
        ("name", incident.service.name.clone()),
    ]);
    let assignee = incident.assignee.as_ref().map_or(Value::Null, |user| {
        text_map(&[("id", user.id.to_string()), ("name", user.name.clone())])
    });
    let title = Value::from(incident.title.clone());
    let severity = Value::from(incident.severity.as_str());
    let status = Value::from(incident.status.as_str());
    let whole = std::collections::HashMap::from([
        ("id".to_owned(), Value::from(incident.id.to_string())),
        ("title".to_owned(), title.clone()),
        ("severity".to_owned(), severity.clone()),
        ("status".to_owned(), status.clone()),
        ("service".to_owned(), service.clone()),
        ("assignee".to_owned(), assignee.clone()),
        (
            "createdAt".to_owned(),
            Value::from(incident.created_at.to_rfc3339_seconds()),
        ),
    ]);
    let mut context = Context::default();
    context.add_variable_from_value("event", event.as_str());
    context.add_variable_from_value("title", title);
    context.add_variable_from_value("severity", severity);
    context.add_variable_from_value("status", status);
    context.add_variable_from_value("service", service);
    context.add_variable_from_value("assignee", assignee);
    context.add_variable_from_value("incident", whole);
    context
}

fn text_map(entries: &[(&str, String)]) -> Value {
    let map: std::collections::HashMap<String, Value> = entries
        .iter()
        .map(|(key, text)| ((*key).to_owned(), Value::from(text.clone())))
        .collect();
    Value::from(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{IncidentId, ServiceId};
    use crate::model::incident::{IncidentStatus, Severity};
    use crate::model::service::ServiceRef;
    use crate::model::time::Timestamp;
    use proptest::prelude::*;

    fn incident() -> Incident {
        let at = Timestamp::EPOCH;
        Incident {
            id: IncidentId::new(at, [1; 10]),
            title: "Database timeout".into(),
            description: None,
            status: IncidentStatus::Triggered,
            severity: Severity::Critical,
            service: ServiceRef {
                id: ServiceId::new(at, [2; 10]),
                name: "API Gateway".into(),
            },
            assignee: None,
            dedup_key: None,
            escalation_steps_fired: 0,
            escalate_at: None,
            created_at: at,
            updated_at: at,
            acknowledged_at: None,
            resolved_at: None,
        }
    }

    fn evaluate(source: &str) -> Result<bool, InvalidFilter> {
        Filter::parse(source)?.evaluate(EventName::Triggered, &incident())
    }

    #[test]
    fn an_expression_reads_every_part_of_the_event() {
        let expressions = [
            r#"severity == "critical""#,
            r#"event == "incident.triggered" && status == "triggered""#,
            r#"service.name.startsWith("API") && assignee == null"#,
            r#"title.contains("timeout")"#,
            r#"incident.service.name in ["API Gateway", "Web"]"#,
            r#"["critical", "error"].exists(s, s == severity)"#,
        ];
        assert_eq!(expressions.map(evaluate), [const { Ok(true) }; 6]);
        assert_eq!(evaluate(r#"severity == "info""#), Ok(false));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_place() {
        assert!(matches!(
            Filter::parse("severity =="),
            Err(InvalidFilter::NotCel(_))
        ));
        assert!(matches!(Filter::parse(""), Err(InvalidFilter::NotCel(_))));
        assert_eq!(
            Filter::parse("priority == 1"),
            Err(InvalidFilter::UnknownName("priority".into()))
        );
        assert!(matches!(evaluate("title"), Err(InvalidFilter::NotBoolean(_))));
    }

    #[test]
    fn what_could_take_long_is_refused() {
        let nested = "[1].all(a, [1].all(b, true))";
        assert_eq!(Filter::parse(nested), Err(InvalidFilter::TooManyLoops));
        assert_eq!(
            Filter::parse(&"a".repeat(MAX_EXPRESSION_BYTES + 1)),
            Err(InvalidFilter::TooLong)
        );
        let other_spelling = "[1].existsOne(a, [1].existsOne(title, true))";
        assert_eq!(Filter::parse(other_spelling), Err(InvalidFilter::TooManyLoops));
        let hidden = "[1].all//\n(a, [1].all//\n(b, true))";
        assert_eq!(Filter::parse(hidden), Err(InvalidFilter::HasComment));
        let deep = format!("{}1{}", "(".repeat(MAX_NESTING + 1), ")".repeat(MAX_NESTING + 1));
        assert_eq!(Filter::parse(&deep), Err(InvalidFilter::TooDeep));
        assert!(Filter::parse(&"!".repeat(1000)).is_err());
    }

    #[test]
    fn an_expression_that_fails_lets_the_event_pass() {
        let filter = Filter::parse(r#"assignee.name == "Zoë""#).unwrap();
        assert!(filter.matches(EventName::Triggered, &incident()));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(source in ".{0,200}") {
            let _ = evaluate(&source);
        }

        #[test]
        fn no_salad_of_words_makes_the_parser_panic(words in prop::collection::vec(
            prop::sample::select(vec!["severity", "==", "(", ")", "[", "]", "&&", "!", "-", ".all(", "x,", "\"a\"", "1", "in", "?", ":", "has(", "title", ".", "null"]), 0..30)) {
            let _ = evaluate(&words.join(" "));
        }
    }
}
