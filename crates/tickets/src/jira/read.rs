//! Reading the ticket, and what follows from where it stands.

use serde_json::Value;

use crate::jira::answer::{self, Purpose, Trouble};
use crate::jira::api::{Api, with_large_answer};
use crate::jira::issue::Issue;
use crate::jira::plan::Facts;
use crate::jira::progress::{Chore, Phase, Sight, Stuck, Turn};
use crate::jira::transitions::{self, Choice, Wish};
use destination::task::{Classification, Rendered};
use model::attempt::{Disposition, Failure};
use model::event::EventName;
use model::exchange::{Exchange, FailureCode};
use model::incident::IncidentStatus;
use model::ticket::{TicketPhase, wanted_phase};
use model::time::Timestamp;

/// The fields of a ticket that are looked at.
pub(super) const FIELDS: &str = "summary,status,labels,assignee,resolution,updated";
/// What reading is for.
pub(super) const PURPOSE: Purpose<'static> = Purpose {
    act: "see the ticket",
    missing: "the ticket was deleted, or this account may not see it",
};
/// The most transitions that one delivery takes.
const MAX_MOVES: usize = 5;

/// The request. Screens of transitions can be larger than any answer that is read; then it is asked again without them.
pub(super) fn request(facts: &Facts<'_>, id: &str) -> Result<Rendered, Failure> {
    let expand = match facts.progress.has_given_up(Chore::Screens) {
        true => "transitions",
        false => "transitions,transitions.fields",
    };
    let query = [("fields", FIELDS), ("expand", expand)];
    Ok(with_large_answer(facts.api().get(&["issue", id], &query)?))
}

/// The same without transitions.
pub(super) fn plain_request(api: Api<'_>, id: &str) -> Result<Rendered, Failure> {
    Ok(with_large_answer(api.get(&["issue", id], &[("fields", FIELDS)])?))
}

/// What the answer means.
pub(super) fn judge(mut facts: Facts<'_>, exchange: &Exchange, now: Timestamp) -> Classification {
    let response = match answer::good(facts.task.target, exchange, PURPOSE, now) {
        Ok(response) => response,
        Err(trouble) => return lost_or(facts, exchange, trouble),
    };
    let body: Option<Value> = serde_json::from_slice(&response.body).ok();
    let issue = body.as_ref().and_then(|body| Issue::read(facts.settings(), body));
    let (Some(body), Some(issue)) = (body, issue) else {
        if response.body_is_truncated && !facts.progress.has_given_up(Chore::Screens) {
            facts.progress.give_up(Chore::Screens);
            return facts.go_on("the ticket's transitions are too large to be read with their screens");
        }
        return facts.give_up(answer::strange(response).into());
    };
    let linked = facts
        .task
        .ticket
        .filter(|link| link.ticket().is_some())
        .map(|link| link.seen);
    let seen = *facts
        .progress
        .seen
        .get_or_insert(Phase(linked.unwrap_or(issue.ticket.phase)));
    let turn = turn(&facts, &body, &issue, seen.0);
    let note = format!("{} is {}", issue.ticket.key, issue.ticket.status);
    facts.progress.sight = Some(Sight::of(&issue, turn));
    if facts.progress.made.is_some() && facts.memory.assignee.is_none() {
        // Its description says so already.
        facts.memory.assignee = Some(facts.assignee_id());
    }
    facts.go_on(note)
}

/// A ticket that is not there is lost; everything else is as it is anywhere.
pub(super) fn lost_or(facts: Facts<'_>, exchange: &Exchange, trouble: Trouble) -> Classification {
    if !answer::is_missing(exchange) {
        return facts.give_up(trouble);
    }
    let detail = format!(
        "{} was deleted, or this account may not see it any more: let it see the ticket, or unlink it on the \
         incident's page",
        facts.key()
    );
    facts.give_up(
        Failure::new(FailureCode::TicketLost, detail)
            .with(Disposition::Permanent)
            .into(),
    )
}

/// The event that counts for the ticket's status. A ticket that was only now made is brought to where its incident stands.
fn event(facts: &Facts<'_>) -> EventName {
    let status = facts.task.event.incident().map(|incident| incident.status);
    let is_escalation = facts.task.event.name == EventName::Escalated;
    match (facts.progress.made.is_some(), status) {
        (true, Some(IncidentStatus::Acknowledged)) => EventName::Acknowledged,
        (true, Some(IncidentStatus::Resolved)) => EventName::Resolved,
        // Should the acknowledgement itself not have come through, this one makes up for it.
        (false, Some(IncidentStatus::Acknowledged)) if is_escalation => EventName::Acknowledged,
        (true | false, _) => facts.task.event.name,
    }
}

fn turn(facts: &Facts<'_>, body: &Value, issue: &Issue, seen: TicketPhase) -> Option<Turn> {
    let wanted = wanted_phase(event(facts), seen, issue.ticket.phase)?;
    let key = &issue.ticket.key;
    let status = &issue.ticket.status;
    if facts.progress.visited.len() >= MAX_MOVES {
        let sentence = format!(
            "{key} is still {status} after {MAX_MOVES} transitions: move it to {} by hand",
            in_words(wanted)
        );
        return Some(Turn::Stuck(Stuck::new(FailureCode::TransitionMissing, &sentence)));
    }
    let wish = Wish {
        wanted,
        here: &issue.status_id,
        visited: &facts.progress.visited,
    };
    let sentence = match transitions::choose(&transitions::read(body), wish, facts.settings()) {
        Choice::Take(way) => return Some(Turn::Take(way)),
        Choice::Unanswered { name, fields } => format!(
            "the transition {name} of {key} asks for {}: fill it in under Fields of transitions (transitionFields), \
             then replay the delivery",
            fields.join(", ")
        ),
        Choice::Missing(names) if names.is_empty() => {
            format!("{key} is {status} and has no transition that this account may take")
        }
        Choice::Missing(names) => format!(
            "no transition leads {key} from {status} to {}; there are {}",
            in_words(wanted),
            names.join(", ")
        ),
    };
    Some(Turn::Stuck(Stuck::new(FailureCode::TransitionMissing, &sentence)))
}

/// A phase as Jira's status categories call it.
fn in_words(phase: TicketPhase) -> &'static str {
    match phase {
        TicketPhase::New => "a status of the category To Do",
        TicketPhase::InProgress => "a status of the category In Progress",
        TicketPhase::Done => "a status of the category Done",
    }
}
