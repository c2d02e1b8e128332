//! What is wrong with the settings that both have in common, as far as it can be told without asking.

use crate::forge::Forge;
use crate::forge::settings::{acknowledged_label, is_our_label, token};
use crate::forge::texts::Texts;
use destination::about::Problem;
use destination::mapping;
use destination::sample::Sample;
use destination::task::{IncidentContext, Target};
use destination::template::Templates;
use model::event::EventName;
use model::id::UserId;
use model::incident::Severity;
use model::time::Timestamp;
use model::user::UserRef;
use model::webhook::WebhookKind;

/// When the tried events happen: any time does.
const AT: Timestamp = Timestamp::EPOCH;

pub(crate) fn problem(field: &'static str, detail: impl Into<String>) -> Problem {
    Problem {
        field,
        code: "invalid_value",
        detail: detail.into(),
    }
}

/// What is wrong beside the address.
pub(crate) fn check(forge: &Forge, target: &Target) -> Vec<Problem> {
    let mut problems = Vec::new();
    if token(target).is_empty() {
        problems.push(Problem {
            code: "required",
            ..problem("token", "is needed: OpsKnight makes issues with it")
        });
    }
    let severities = target.option("severityLabels");
    problems.extend(mapping::problems("severityLabels", severities, Severity::NAMES));
    problems.extend(mapping::problems("assignees", target.option("assignees"), &[]));
    let named = mapping::entries(severities).map(|(_, label)| ("severityLabels", label));
    let acknowledged = acknowledged_label(target).map(|label| ("acknowledgedLabel", label));
    for (field, label) in named.chain(acknowledged) {
        problems.extend(of_label(forge, field, label));
    }
    problems
}

fn of_label(forge: &Forge, field: &'static str, label: &str) -> Option<Problem> {
    let max = forge.max_label;
    if label.chars().count() > max {
        return Some(problem(
            field,
            format!("a label has at most {max} characters in {}", forge.name),
        ));
    }
    if label.contains(',') || label.chars().any(char::is_control) {
        return Some(problem(field, "a label has no comma in it"));
    }
    is_our_label(label).then(|| {
        problem(
            field,
            format!("{label} is set by OpsKnight, which knows its issues by it"),
        )
    })
}

/// What is wrong with the templates: tried with and without what an incident may have.
pub(crate) fn try_templates(forge: &Forge, target: &Target, templates: &Templates) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for event in EventName::ALL {
        for is_full in [false, true] {
            let sample = sample(forge, target, *event, is_full.then(full));
            for fault in Texts::faults(forge, &sample.task_with(templates)) {
                if !problems.iter().any(|problem| problem.field == fault.field) {
                    problems.push(problem(
                        fault.field,
                        format!("cannot be rendered {}", fault.detail),
                    ));
                }
            }
        }
    }
    problems
}

fn full() -> IncidentContext {
    IncidentContext {
        headline: None,
        notes: Vec::new(),
        description: Some("It says \"no\".\nTwice.".to_owned()),
        assignee: Some(UserRef {
            id: UserId::new(AT, [1; 10]),
            name: "Ada Lovelace".to_owned(),
        }),
    }
}

fn sample(forge: &Forge, target: &Target, event: EventName, context: Option<IncidentContext>) -> Sample {
    let mut sample = Sample::new(WebhookKind::new(forge.kind), target.url.clone(), event, AT);
    sample.target = target.clone();
    sample.beyond = Some(context.unwrap_or_default());
    sample
}
