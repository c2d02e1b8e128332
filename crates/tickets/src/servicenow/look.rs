//! Reads the ticket, or looks for one that may have been made.

use std::time::Duration;

use crate::servicenow::answer::{Heard, Kind};
use crate::servicenow::plan::Way;
use crate::servicenow::progress::Progress;
use crate::servicenow::record::Record;
use crate::servicenow::request::{Caller, RECORD_FIELDS, query_value};
use crate::servicenow::settings::table;
use crate::servicenow::{change, follow};
use destination::task::{Classification, Rendered, Task};
use destination::ticketing::MAX_MARKED;
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::FailureCode;
use model::ticket::{self, Intent, Ticket, TicketLink, TicketNews, TicketPhase, wanted_phase};

/// How long a ticket whose making got no answer may take until it is found: a create that outlived our timeout is still
/// being worked on, and its record is there once its business rules have run.
pub(super) const LAG: Duration = Duration::from_secs(120);
/// The longest wait between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// How many records are asked for.
const LIMIT: usize = MAX_MARKED;

/// The request that looks.
pub(super) fn request(task: &Task<'_>, way: &Way) -> Result<Rendered, Failure> {
    let caller = Caller {
        target: task.target,
        token: task.token,
    };
    match way {
        Way::Linked(ticket) => caller.record(&ticket.id, RECORD_FIELDS),
        Way::Made(id) | Way::NotificationEffect(id) => caller.record(id, RECORD_FIELDS),
        Way::Marked(_) => marked(caller, &marker(task)),
    }
}

/// The request for the records that carry a marker, oldest first.
pub(super) fn marked(caller: Caller<'_>, marker: &str) -> Result<Rendered, Failure> {
    if marker.is_empty() {
        let detail = "there is no marker to look for: tell us, it is a mistake of ours";
        return Err(Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::Permanent));
    }
    let query = format!("correlation_id={}^ORDERBYsys_created_on", query_value(marker));
    caller.list(table(caller.target), &query, RECORD_FIELDS, LIMIT)
}

/// What was found.
pub(super) fn judge(heard: &Heard<'_>, way: &Way, progress: Progress) -> Classification {
    let result = match (heard.result(), way) {
        (Ok(result), _) => result,
        (Err(refusal), Way::Linked(ticket)) if refusal.kind == Kind::Missing => {
            return follow::lost(heard, ticket);
        }
        (Err(refusal), Way::Made(_)) if refusal.kind == Kind::Missing => return follow::unreadable(heard),
        (Err(refusal), Way::NotificationEffect(_)) if refusal.kind == Kind::Missing => {
            return without_hint(progress);
        }
        (Err(refusal), _) => return refusal.into(),
    };
    match way {
        Way::Linked(ticket) => match Record::of(&result) {
            Some(record) => linked(heard, ticket, &record, progress),
            None => follow::unreadable(heard),
        },
        // The id came with the answer to our own create: it is ours, even if the marker may not be read.
        Way::Made(_) => found(heard, Record::of(&result), progress),
        Way::NotificationEffect(_) => {
            match Record::of(&result).filter(|record| record.carries(&marker(heard.task))) {
                Some(record) => found(heard, Some(record), progress),
                None => without_hint(progress),
            }
        }
        Way::Marked(intent) => {
            let marker = marker(heard.task);
            let records = Record::list(&result);
            let ours = records.iter().flatten().find(|record| record.carries(&marker));
            match (ours, &records) {
                (Some(record), _) => found(heard, Some(record.clone()), progress),
                (None, Some(records)) if records.is_empty() => not_found(heard, intent, progress),
                // A query that the instance ignores brings other records, and says nothing about ours.
                (None, _) => ignored(),
            }
        }
    }
}

fn linked(heard: &Heard<'_>, known: &Ticket, record: &Record, progress: Progress) -> Classification {
    let Some(ticket) = record.ticket(heard.task.target) else {
        return follow::unreadable(heard);
    };
    let seen = progress.seen().unwrap_or_else(|| follow::seen(heard.task, known));
    let was_moved = progress.is_moved;
    let event = follow::event(heard.task, &progress);
    let judgement = follow::after_reading(heard.task, record, ticket.clone(), seen, progress);
    let goal = wanted_phase(event, seen, ticket.phase);
    match goal.filter(|_| was_moved) {
        Some(goal) => change::kept(heard, ticket, goal),
        None => noted(judgement, &ticket, "read"),
    }
}

fn found(heard: &Heard<'_>, record: Option<Record>, progress: Progress) -> Classification {
    let Some(record) = record else {
        return follow::unreadable(heard);
    };
    let Some(ticket) = record.ticket(heard.task.target) else {
        return follow::unreadable(heard);
    };
    // Nobody has told anybody anything about it yet: both sides were last in line when it was new.
    let judgement = follow::after_reading(heard.task, &record, ticket.clone(), TicketPhase::New, progress);
    noted(judgement, &ticket, "found")
}

/// The same with what the request did, unless it was the last: the end speaks for itself.
fn noted(judgement: Classification, ticket: &Ticket, done: &str) -> Classification {
    match judgement.outcome {
        Outcome::Step => judgement.noted(format!("{done} {}: it is {}", ticket.key, ticket.status)),
        _ => judgement,
    }
}

fn without_hint(progress: Progress) -> Classification {
    let progress = Progress {
        is_hint_wrong: true,
        ..progress
    };
    let judgement = Classification {
        continuation: progress.keeping(),
        ..Outcome::Step.into()
    };
    judgement.noted("the ticket that the instance told of is not the incident's")
}

/// The instance did not answer what it was asked.
fn ignored() -> Classification {
    let detail = "the instance answers with other records than those that carry the incident's id: let this account read \
                  and query the field correlation_id";
    Failure::new(FailureCode::SettingsRefused, detail)
        .with(Disposition::NeedsOperator)
        .into()
}

fn not_found(heard: &Heard<'_>, intent: &Intent, progress: Progress) -> Classification {
    let rest = intent.at.plus(LAG).since(heard.now);
    if rest.is_zero() {
        let progress = Progress {
            is_hint_wrong: false,
            ..progress
        };
        let judgement = Classification {
            continuation: progress.keeping(),
            ticket: Some(TicketNews::NotMade),
            ..Outcome::Step.into()
        };
        return judgement.noted("no ticket was made: none carries the incident's id");
    }
    let detail = "whether the ticket was made is not known yet: it is looked for again";
    let failure = Failure {
        retry_after: Some(rest.min(LOOK_AGAIN)),
        ..Failure::new(FailureCode::TicketUnknown, detail).with(Disposition::RateLimited)
    };
    failure.into()
}

/// What marks the ticket of a task's incident.
pub(super) fn marker(task: &Task<'_>) -> String {
    let marker = task.ticket.map(TicketLink::marker);
    marker.unwrap_or_else(|| ticket::marker(task.webhook.id, task.event.incident_id, 1))
}
