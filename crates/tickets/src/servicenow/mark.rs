//! Marks a ticket that was linked by hand as the incident's: its changes are told to us then, as those of a ticket that we made.

use serde_json::json;

use crate::servicenow::answer::{Heard, Kind};
use crate::servicenow::follow;
use crate::servicenow::look::marker;
use crate::servicenow::progress::Progress;
use crate::servicenow::record::{DISPLAY, Record};
use crate::servicenow::request::Caller;
use destination::task::{Classification, Rendered, Task};
use model::attempt::{Disposition, Failure};
use model::ticket::Ticket;

/// Whether a record is to be marked: none of our requests made it, and nobody else's mark is on it.
pub(super) fn is_due(task: &Task<'_>, record: &Record) -> bool {
    let is_by_hand = task
        .ticket
        .is_some_and(|link| link.creates == 0 && link.ticket().is_some());
    is_by_hand && record.value("correlation_id").is_empty()
}

/// The request. Sent twice it does the same.
pub(super) fn request(task: &Task<'_>, ticket: &Ticket) -> Result<Rendered, Failure> {
    let caller = Caller {
        target: task.target,
        token: task.token,
    };
    let body = json!({ "correlation_id": marker(task), "correlation_display": DISPLAY });
    caller.change(&ticket.id, &body)
}

/// What became of it. A ticket that cannot be marked is the incident's all the same.
pub(super) fn judge(heard: &Heard<'_>, known: &Ticket, progress: Progress) -> Classification {
    let progress = Progress {
        is_unmarked: false,
        ..progress
    };
    let Err(refusal) = heard.result() else {
        let done = format!("marked {} as the incident's", known.key);
        return follow::go_on(heard.task, known.clone(), &progress).noted(done);
    };
    match refusal.kind {
        Kind::Missing => follow::lost(heard, known),
        Kind::Forbidden | Kind::Refused => {
            let judgement = Classification {
                continuation: progress.keeping(),
                ..refusal.failure.with(Disposition::Immediate).into()
            };
            judgement.noted(format!(
                "{} cannot be marked as the incident's: its changes are seen every few minutes only",
                known.key
            ))
        }
        Kind::Unsent | Kind::Unclear | Kind::Limited | Kind::Credentials => follow::failed(refusal, progress),
    }
}
