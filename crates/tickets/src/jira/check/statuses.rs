//! Which statuses tickets are moved to, of those that the project has.

use serde_json::Value;

use crate::jira::check::{MAX_NAME, Next, answered, api, done, purpose, send, sentence};
use crate::jira::habit;
use crate::jira::issue::{phase, short};
use crate::jira::preference::fit;
use crate::jira::settings::{Settings, is_number};
use destination::task::Rendered;
use destination::ticketing::{Finding, QueryContext};
use model::exchange::MAX_BODY_CAP_BYTES;
use model::ticket::TicketPhase;

/// The most names of a finding.
const MAX_LISTED: usize = 10;
/// What nobody can know before a ticket is moved.
const SCREENS: &str = "Whether a transition leads there from each status, and what it asks for, is only seen at a ticket: press \
                       Send Test and move that ticket by hand.";

/// A status of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Status {
    id: String,
    name: String,
    phase: TicketPhase,
}

/// The end of the check, after so many requests of it.
pub(super) fn check(
    asking: &QueryContext<'_>,
    project: &str,
    asked: usize,
    mut findings: Vec<Finding>,
) -> Next {
    let Some(told) = asking.answers.get(asked) else {
        let request = api(asking).get(&["project", project, "statuses"], &[]);
        return send(request.map(|request| Rendered {
            body_cap: MAX_BODY_CAP_BYTES,
            ..request
        }));
    };
    let told = answered(
        asking,
        told,
        purpose("see the project's statuses", "this Jira does not tell statuses"),
    )?;
    let statuses = match told {
        Ok(told) => statuses(Settings(asking.target), &told),
        Err(failure) => {
            findings.push(Finding::unsure(sentence(&failure.detail)));
            Vec::new()
        }
    };
    let settings = Settings(asking.target);
    let ends = best(&statuses, TicketPhase::Done);
    let mut habit = None;
    if ends.len() > 1 && settings.status_for(TicketPhase::Done).is_empty() {
        let Some(found) = asking.answers.get(asked + 1) else {
            return send(habit::request(api(asking)));
        };
        habit = answered(asking, found, habit::PURPOSE)?
            .ok()
            .and_then(|found| habit::most(&found));
    }
    if !statuses.is_empty() {
        let phases = [
            ("resolved", TicketPhase::Done),
            ("acknowledged", TicketPhase::InProgress),
            ("reopened", TicketPhase::New),
        ];
        findings
            .extend(phases.map(|(when, phase)| of_phase(settings, &statuses, when, phase, habit.as_deref())));
    }
    findings.push(Finding::unsure(SCREENS));
    done(findings)
}

/// The statuses that tickets of the settings' type can have.
fn statuses(settings: Settings<'_>, told: &Value) -> Vec<Status> {
    let wanted = settings.issue_type();
    let types = told.as_array().into_iter().flatten();
    let is_wanted = |one: &&Value| {
        let name = one["name"].as_str().unwrap_or_default();
        name.eq_ignore_ascii_case(wanted) || is_number(wanted) && one["id"].as_str() == Some(wanted)
    };
    let listed = types
        .filter(is_wanted)
        .filter_map(|one| one["statuses"].as_array())
        .flatten();
    let read = listed.filter_map(|status| {
        Some(Status {
            id: status["id"].as_str()?.to_owned(),
            name: short(status["name"].as_str()?, MAX_NAME),
            phase: phase(status)?,
        })
    });
    read.collect()
}

/// The statuses of a phase whose names fit best.
fn best(statuses: &[Status], phase: TicketPhase) -> Vec<&Status> {
    let of_phase = || statuses.iter().filter(|status| status.phase == phase);
    let best = of_phase().map(|status| fit(phase, &status.name)).min();
    of_phase()
        .filter(|status| Some(fit(phase, &status.name)) == best)
        .collect()
}

/// What becomes of a ticket.
fn of_phase(
    settings: Settings<'_>,
    statuses: &[Status],
    when: &str,
    phase: TicketPhase,
    habit: Option<&str>,
) -> Finding {
    let own = settings.status_for(phase);
    let there: Vec<&Status> = statuses.iter().filter(|status| status.phase == phase).collect();
    let names = |some: &[&Status]| {
        let names = some.iter().take(MAX_LISTED).map(|status| status.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    if !own.is_empty() {
        let shown = short(own, MAX_NAME);
        let is_own = |status: &&&Status| status.name.to_lowercase() == own.to_lowercase() || status.id == own;
        let is_elsewhere = statuses
            .iter()
            .any(|status| is_own(&&status) && status.phase != phase);
        return match there.iter().find(is_own) {
            Some(status) => Finding::good(format!(
                "The ticket of a {when} incident goes to {}.",
                status.name
            )),
            None if is_elsewhere => Finding::bad(format!(
                "{shown} is a status of another category than the ticket of a {when} incident needs; there are {}.",
                names(&there)
            )),
            None => Finding::unsure(format!(
                "{shown}, for the ticket of a {when} incident, is no status of the project: it has to be the name of a \
                 transition; there are the statuses {}.",
                names(&there)
            )),
        };
    }
    let best = best(statuses, phase);
    let usual = best.iter().find(|status| Some(status.id.as_str()) == habit);
    match (there.len(), usual, best.as_slice()) {
        (0, ..) => Finding::unsure(format!(
            "The project has no status of the category that the ticket of a {when} incident goes to: it stays where it is."
        )),
        (1, ..) => Finding::good(format!(
            "The ticket of a {when} incident goes to {}.",
            names(&there)
        )),
        (_, Some(usual), _) => Finding::good(format!(
            "The ticket of a {when} incident goes to {}, of {}: most tickets ended there. Name another in the settings if that is \
             not meant.",
            usual.name,
            names(&there)
        )),
        (_, None, [one]) => Finding::good(format!(
            "The ticket of a {when} incident goes to {}, of {}, by its name. Name another in the settings if that is not meant.",
            one.name,
            names(&there)
        )),
        (_, None, _) => Finding::unsure(format!(
            "The ticket of a {when} incident goes to the first that can be reached of {}: name one in the settings.",
            names(&best)
        )),
    }
}
