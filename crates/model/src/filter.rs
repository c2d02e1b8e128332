//! Filters: a CEL expression over an event decides whether a webhook gets it.
//!
//! An expression is checked and bounded when it is saved, and again when it is loaded. One that cannot be evaluated for some
//! event lets that event through: a mistake in a filter may cost a superfluous delivery, never a lost one.

use crate::event::EventName;
use crate::expression::{Bounds, Expression, InvalidExpression, Value};
use crate::incident::Incident;

/// What a filter may name and cost: two milliseconds at most, since the store's writer waits for it.
pub const BOUNDS: Bounds = Bounds {
    names: &[
        "event", "severity", "status", "service", "assignee", "title", "incident",
    ],
    value_size: 4096,
    work: 2_000_000,
};

/// A filter as it was written, and what became of reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    source: String,
    expression: Result<Expression, InvalidExpression>,
}

impl Filter {
    /// Checks an expression that somebody wants to save.
    pub fn parse(source: &str) -> Result<Self, InvalidExpression> {
        let expression = Expression::parse(source, &BOUNDS)?;
        Ok(Self {
            source: source.to_owned(),
            expression: Ok(expression),
        })
    }

    /// A filter as it was saved, perhaps when more was permitted than today: one that is refused now lets everything
    /// through.
    pub fn stored(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            expression: Expression::parse(source, &BOUNDS),
        }
    }

    /// The expression as the user wrote it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Why it is not used, although it was saved.
    pub fn problem(&self) -> Option<String> {
        self.expression.as_ref().err().map(ToString::to_string)
    }

    /// Whether the event passes. An expression that fails for this event lets it pass.
    pub fn matches(&self, event: EventName, incident: &Incident) -> bool {
        self.evaluate(event, incident).unwrap_or(true)
    }

    /// The expression's value for an event, or the sentence that says why it has none.
    pub fn evaluate(&self, event: EventName, incident: &Incident) -> Result<bool, InvalidExpression> {
        let expression = self.expression.as_ref().map_err(Clone::clone)?;
        expression.evaluate(values(event, incident))
    }
}

fn values(event: EventName, incident: &Incident) -> [(&'static str, Value); 7] {
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
    [
        ("event", Value::from(event.as_str())),
        ("title", title),
        ("severity", severity),
        ("status", status),
        ("service", service),
        ("assignee", assignee),
        ("incident", Value::from(whole)),
    ]
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
    use crate::id::{IncidentId, ServiceId};
    use crate::incident::{IncidentStatus, Severity};
    use crate::service::ServiceRef;
    use crate::time::Timestamp;

    fn incident() -> Incident {
        let at = Timestamp::EPOCH;
        Incident {
            id: IncidentId::new(at, [1; 10]),
            number: None,
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

    fn evaluate(source: &str) -> Result<bool, InvalidExpression> {
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
    fn a_stored_filter_that_is_refused_today_lets_everything_through_and_says_why() {
        let filter = Filter::stored("[1].all(a, [1].all(b, false))");
        assert!(filter.matches(EventName::Triggered, &incident()));
        assert_eq!(
            filter.problem(),
            Some(InvalidExpression::TooManyLoops.to_string())
        );
        assert_eq!(filter.source(), "[1].all(a, [1].all(b, false))");
        assert_eq!(Filter::stored("false").problem(), None);
    }

    #[test]
    fn an_expression_that_fails_lets_the_event_pass() {
        let filter = Filter::parse(r#"assignee.name == "Zoë""#).unwrap();
        assert!(filter.matches(EventName::Triggered, &incident()));
    }
}
