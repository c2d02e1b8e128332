//! What is wrong with a target, as far as that can be known without asking the instance.

use crate::servicenow::settings::{
    Auth, OUR_FIELDS, account, is_name, phase, state_for, states_done, states_new, table,
};
use crate::servicenow::texts;
use destination::about::Problem;
use destination::mapping;
use destination::sample::Sample;
use destination::task::{IncidentContext, Target};
use destination::template::Templates;
use model::event::EventName;
use model::incident::Severity;
use model::ticket::TicketPhase;
use model::time::Timestamp;
use model::webhook::WebhookKind;

/// The longest value of a state.
const MAX_STATE_BYTES: usize = 40;
/// The longest close code.
const MAX_CODE_BYTES: usize = 100;

/// See [`destination::Adapter::check`].
pub(super) fn check(target: &Target) -> Vec<Problem> {
    let mut problems: Vec<_> = url(target).into_iter().chain(credentials(target)).collect();
    problems.extend(table_name(target));
    problems.extend(levels(target, "impact"));
    problems.extend(levels(target, "urgency"));
    problems.extend(mapping::problems("assignees", target.option("assignees"), &[]));
    problems.extend(fields(target, "fields"));
    problems.extend(fields(target, "closeFields"));
    problems.extend(states(target));
    problems.extend(code(target));
    problems
}

fn problem(field: &'static str, detail: impl Into<String>) -> Problem {
    Problem {
        field,
        code: "invalid_value",
        detail: detail.into(),
    }
}

fn url(target: &Target) -> Option<Problem> {
    let url = &target.url;
    let is_root = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let detail = "is not the root of an instance: it is of the form https://your-instance.service-now.com";
    (!is_root).then(|| problem("url", detail))
}

fn credentials(target: &Target) -> Vec<Problem> {
    let client = ("clientId", target.option("clientId").trim());
    let client_secret = ("clientSecret", target.secret("clientSecret"));
    let account_name = ("account", account(target));
    let password = ("password", target.secret("password"));
    let needed = match Auth::of(target) {
        Auth::Basic => vec![account_name, password],
        Auth::ApiKey => vec![("apiKey", target.secret("apiKey").trim())],
        Auth::OauthClient => vec![client, client_secret],
        Auth::OauthPassword => vec![client, client_secret, account_name, password],
    };
    let missing = needed.into_iter().filter(|(_, value)| value.is_empty());
    let missing = missing.map(|(field, _)| problem(field, "is needed for this way to sign in"));
    let has_colon = Auth::of(target) == Auth::Basic && account(target).contains(':');
    let colon = has_colon.then(|| {
        problem(
            "account",
            "must not contain a colon when it signs in with a password",
        )
    });
    missing.chain(colon).collect()
}

fn table_name(target: &Target) -> Option<Problem> {
    let detail = "is not the name of a table: it has letters, digits and underscores only";
    (!is_name(table(target))).then(|| problem("table", detail))
}

fn levels(target: &Target, field: &'static str) -> Vec<Problem> {
    let text = target.option(field);
    let mut problems = mapping::problems(field, text, Severity::NAMES);
    let wrong = mapping::entries(text).find(|(_, level)| !["1", "2", "3", ""].contains(level));
    let wrong = wrong.map(|(_, level)| {
        problem(
            field,
            format!("{level:?} is no level: it is 1 (high), 2 or 3 (low)"),
        )
    });
    problems.extend(wrong);
    problems
}

fn fields(target: &Target, field: &'static str) -> Vec<Problem> {
    let text = target.option(field);
    let mut problems = mapping::problems(field, text, &[]);
    for (name, _) in mapping::entries(text).take(mapping::MAX_LINES) {
        if !name.is_empty() && !is_name(name) {
            let detail =
                format!("{name:?} is not the name of a field: it has letters, digits and underscores only");
            problems.push(problem(field, detail));
        } else if OUR_FIELDS.contains(&name) {
            problems.push(problem(
                field,
                format!("{name} is set by OpsKnight, which finds its tickets by it"),
            ));
        }
    }
    problems
}

fn states(target: &Target) -> Vec<Problem> {
    let is_state = |state: &str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        (1..=MAX_STATE_BYTES).contains(&state.len()) && state.bytes().all(is_part)
    };
    let single = [
        ("stateAcknowledged", TicketPhase::InProgress),
        ("stateResolved", TicketPhase::Done),
        ("stateReopened", TicketPhase::New),
    ];
    let lists = [
        ("statesDone", states_done(target)),
        ("statesNew", states_new(target)),
    ];
    let wrong_lists = lists
        .into_iter()
        .filter(|(_, list)| !list.split(',').all(|state| is_state(state.trim())));
    let wrong_lists = wrong_lists.map(|(field, _)| {
        problem(
            field,
            "is a list of states with commas between them, such as 6,7,8",
        )
    });
    let wrong = single.into_iter().filter_map(|(field, goal)| {
        let state = state_for(target, goal);
        if !is_state(state) {
            return Some(problem(field, "is the value of a state, such as 2"));
        }
        let detail = match (goal, phase(target, state)) {
            (TicketPhase::Done, TicketPhase::New | TicketPhase::InProgress) => {
                "must be among the states that are done"
            }
            (TicketPhase::InProgress, TicketPhase::New) => "must not be among the states that are new",
            (TicketPhase::InProgress | TicketPhase::New, TicketPhase::Done) => {
                "must not be among the states that are done"
            }
            (TicketPhase::Done, TicketPhase::Done)
            | (TicketPhase::InProgress, TicketPhase::InProgress)
            | (TicketPhase::New, TicketPhase::New | TicketPhase::InProgress) => return None,
        };
        Some(problem(field, detail))
    });
    wrong_lists.chain(wrong).collect()
}

fn code(target: &Target) -> Option<Problem> {
    let is_too_long = target.option("closeCode").len() > MAX_CODE_BYTES;
    is_too_long.then(|| problem("closeCode", format!("is longer than {MAX_CODE_BYTES} bytes")))
}

/// See [`destination::Adapter::try_templates`]: with and without a description.
pub(super) fn try_templates(target: &Target, templates: &Templates) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for event in EventName::ALL {
        for description in [None, Some("It says \"no\".\nTwice.".to_owned())] {
            let sample = sample(target, *event, description);
            for fault in texts::faults(&sample.task_with(templates)) {
                if !problems.iter().any(|problem| problem.field == fault.field) {
                    problems.push(problem(fault.field, fault.detail));
                }
            }
        }
    }
    problems
}

fn sample(target: &Target, event: EventName, description: Option<String>) -> Sample {
    let kind = WebhookKind::new("servicenow");
    let mut sample = Sample::new(kind, target.url.clone(), event, Timestamp::EPOCH);
    sample.target = target.clone();
    sample.beyond = Some(IncidentContext {
        headline: None,
        notes: Vec::new(),
        description,
        assignee: None,
    });
    sample
}
