//! Moves the ticket to another state. The answer shows where it stands afterwards: a business rule may have kept it.

use serde_json::json;

use crate::servicenow::answer::{Heard, Kind, Refusal};
use crate::servicenow::progress::Progress;
use crate::servicenow::record::Record;
use crate::servicenow::request::Caller;
use crate::servicenow::settings::{close_code, state_for};
use crate::servicenow::{follow, texts};
use destination::task::{Classification, Rendered, Task};
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::FailureCode;
use model::ticket::{Ticket, TicketNews, TicketPhase, wanted_phase};

/// What the fields that a closing needs are called.
const CLOSING_NAMES: [&str; 7] = [
    "close_code",
    "close code",
    "resolution code",
    "close_notes",
    "close notes",
    "resolution notes",
    "resolution_code",
];

/// The request that moves the ticket. Sent twice it does the same.
pub(super) fn request(task: &Task<'_>, ticket: &Ticket, goal: TicketPhase) -> Result<Rendered, Failure> {
    let state = state_for(task.target, goal);
    let body = match goal {
        TicketPhase::New | TicketPhase::InProgress => json!({ "state": state }),
        TicketPhase::Done => json!({
            "state": state,
            "close_code": close_code(task.target),
            "close_notes": texts::close_notes(task)?,
        }),
    };
    let caller = Caller {
        target: task.target,
        token: task.token,
    };
    caller.change(&ticket.id, &body)
}

/// What became of it.
pub(super) fn judge(
    heard: &Heard<'_>,
    known: &Ticket,
    goal: TicketPhase,
    progress: Progress,
) -> Classification {
    let result = match heard.result() {
        Ok(result) => result,
        Err(refusal) => return refused(heard, known, goal, refusal, progress),
    };
    let record = Record::of(&result).unwrap_or_default();
    let Some(ticket) = record
        .ticket(heard.task.target)
        .filter(|ticket| ticket.id == known.id)
    else {
        let progress = Progress {
            is_moved: true,
            ..progress.unread()
        };
        let judgement = Classification {
            continuation: progress.keeping(),
            ..Outcome::Step.into()
        };
        return judgement.noted(format!(
            "moved {}, as far as the answer tells: it is read again",
            known.key
        ));
    };
    let seen = progress.seen().unwrap_or_else(|| follow::seen(heard.task, known));
    if wanted_phase(follow::event(heard.task, &progress), seen, ticket.phase).is_some() {
        return kept(heard, ticket, goal);
    }
    let note = format!("moved {} to {}", ticket.key, ticket.status);
    follow::after_reading(heard.task, &record, ticket, seen, progress).noted(note)
}

/// A ticket that was told to move and did not.
pub(super) fn kept(heard: &Heard<'_>, ticket: Ticket, goal: TicketPhase) -> Classification {
    let detail = format!(
        "{} stays {} though it was told to take state {}: a business rule or data policy keeps it, so move it by hand, or \
         put the states in the settings right",
        ticket.key,
        ticket.status,
        state_for(heard.task.target, goal)
    );
    let failure = Failure::new(FailureCode::TransitionMissing, detail).with(Disposition::Permanent);
    Classification {
        ticket: Some(TicketNews::Seen(ticket)),
        ..failure.into()
    }
}

fn refused(
    heard: &Heard<'_>,
    ticket: &Ticket,
    goal: TicketPhase,
    refusal: Refusal,
    progress: Progress,
) -> Classification {
    match refusal.kind {
        Kind::Missing => follow::lost(heard, ticket),
        Kind::Refused | Kind::Forbidden if goal == TicketPhase::Done && refusal.names(&CLOSING_NAMES) => {
            let sentence = format!(
                "the instance does not close {} with the code {:?}: set Close code and Close notes to what it wants",
                ticket.key,
                close_code(heard.task.target)
            );
            refusal
                .with(FailureCode::MessageRefused, Disposition::Permanent, &sentence)
                .into()
        }
        // Most instances let nobody open a closed ticket again: that is no reason to hold everything else back.
        Kind::Forbidden if ticket.phase == TicketPhase::Done => {
            let sentence = format!(
                "{} is {} and this account may not open it again: open it by hand, or unlink it",
                ticket.key, ticket.status
            );
            refusal
                .with(FailureCode::TransitionMissing, Disposition::Permanent, &sentence)
                .into()
        }
        Kind::Unsent
        | Kind::Unclear
        | Kind::Limited
        | Kind::Credentials
        | Kind::Forbidden
        | Kind::Refused => follow::failed(refusal, progress),
    }
}
