//! Assigns the ticket to whom the settings name for the incident's assignee. A ticket that cannot be assigned is still a
//! ticket: it is said, and the delivery goes on.

use serde_json::json;

use crate::servicenow::answer::{Heard, Kind, Refusal};
use crate::servicenow::follow;
use crate::servicenow::progress::Progress;
use crate::servicenow::record::{Record, is_id};
use crate::servicenow::request::{Caller, query_value};
use destination::task::{Classification, Rendered, Task};
use model::attempt::{Disposition, Failure, Outcome};
use model::ticket::Ticket;

/// User names are unique; a second record would only say that the query was ignored.
const LIMIT: usize = 2;

fn caller<'a>(task: &Task<'a>) -> Caller<'a> {
    Caller {
        target: task.target,
        token: task.token,
    }
}

/// The request that asks for a user's id: a reference takes no user name.
pub(super) fn find(task: &Task<'_>, name: &str) -> Result<Rendered, Failure> {
    let query = format!("user_name={}", query_value(name));
    caller(task).list("sys_user", &query, "sys_id,user_name", LIMIT)
}

/// Who it is. If the instance does not tell, the ticket is assigned to nobody.
pub(super) fn found(heard: &Heard<'_>, known: &Ticket, name: &str, progress: Progress) -> Classification {
    let records = match heard.result() {
        Ok(result) => Record::list(&result).unwrap_or_default(),
        Err(refusal) => match refusal.kind {
            Kind::Forbidden | Kind::Refused | Kind::Missing => Vec::new(),
            Kind::Unsent | Kind::Unclear | Kind::Limited | Kind::Credentials => {
                return follow::failed(refusal, progress);
            }
        },
    };
    let is_it = |record: &&Record| {
        record.value("user_name").eq_ignore_ascii_case(name) && is_id(record.value("sys_id"))
    };
    let user = records
        .iter()
        .find(is_it)
        .map(|record| record.value("sys_id").to_owned());
    let Some(user) = user else {
        // An unknown name would be taken and stand for nobody.
        let note = format!(
            "{} is not assigned: the instance does not tell who {name} is, so put the user's sys_id into the settings",
            known.key
        );
        let progress = Progress {
            is_assigned: true,
            ..progress
        };
        return follow::go_on(heard.task, known.clone(), &progress).noted(note);
    };
    let progress = Progress {
        assign: Some(user),
        is_user_sought: true,
        ..progress
    };
    let judgement = Classification {
        continuation: progress.keeping(),
        ..Outcome::Step.into()
    };
    judgement.noted(format!("{name} is a user of the instance"))
}

/// The request that assigns the ticket. Sent twice it does the same.
pub(super) fn request(task: &Task<'_>, ticket: &Ticket, user: &str) -> Result<Rendered, Failure> {
    caller(task).change(&ticket.id, &json!({ "assigned_to": user }))
}

/// What became of it.
pub(super) fn judge(heard: &Heard<'_>, known: &Ticket, user: &str, progress: Progress) -> Classification {
    let result = match heard.result() {
        Ok(result) => result,
        Err(refusal) => return refused(heard, known, refusal, progress),
    };
    let record = Record::of(&result).unwrap_or_default();
    let progress = Progress {
        is_assigned: true,
        ..progress
    };
    let note = match follow::is_theirs(&record, user) {
        true => format!("assigned {} to {}", known.key, record.shown("assigned_to")),
        false => format!(
            "{} was not assigned to {user}: check that this is a user who may have it",
            known.key
        ),
    };
    let ticket = record
        .ticket(heard.task.target)
        .filter(|ticket| ticket.id == known.id);
    follow::go_on(heard.task, ticket.unwrap_or_else(|| known.clone()), &progress).noted(note)
}

fn refused(heard: &Heard<'_>, ticket: &Ticket, refusal: Refusal, progress: Progress) -> Classification {
    match refusal.kind {
        Kind::Missing => follow::lost(heard, ticket),
        Kind::Refused | Kind::Forbidden => {
            let progress = Progress {
                is_assigned: true,
                ..progress
            };
            let note = format!(
                "the instance does not let {} be assigned: it stays as it is",
                ticket.key
            );
            let judgement = Classification {
                continuation: progress.keeping(),
                ..refusal.failure.with(Disposition::Immediate).into()
            };
            judgement.noted(note)
        }
        Kind::Unsent | Kind::Unclear | Kind::Limited | Kind::Credentials => follow::failed(refusal, progress),
    }
}
