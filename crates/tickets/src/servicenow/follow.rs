//! What comes after a request that was taken: the next one, or the end of the delivery with what is kept of it.

use serde::{Deserialize, Serialize};

use crate::servicenow::answer::{Heard, Refusal};
use crate::servicenow::mark;
use crate::servicenow::plan::Next;
use crate::servicenow::progress::Progress;
use crate::servicenow::record::Record;
use crate::servicenow::settings;
use destination::mapping;
use destination::task::{Classification, Task};
use model::attempt::{Disposition, Failure, Outcome};
use model::event::EventName;
use model::exchange::FailureCode;
use model::incident::IncidentStatus;
use model::patch::Patch;
use model::ticket::{Ticket, TicketNews, TicketPhase, wanted_phase};

/// The longest name of a user over there, in bytes.
const MAX_USER_BYTES: usize = 200;

/// What is remembered of an incident for later deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// Who had the incident when the ticket was last told; nothing if nobody had.
    pub(super) assignee: Option<String>,
    /// The latest event that was told to its end: should it be told again, it is not noted again.
    #[serde(default)]
    pub(super) event: Option<String>,
}

impl Memory {
    /// What is remembered for a task; nothing if the ticket was told of nobody yet.
    pub(super) fn of(task: &Task<'_>) -> Option<Self> {
        serde_json::from_str(task.message_ref?).ok()
    }

    /// What is so now; nothing if that is not known.
    fn now(task: &Task<'_>) -> Option<Self> {
        let assignee = task.incident_context?.assignee.as_ref();
        Some(Self {
            assignee: assignee.map(|user| user.id.to_string()),
            event: Some(task.event.id.to_string()),
        })
    }
}

/// Where the ticket stood when both sides were last in line.
pub(super) fn seen(task: &Task<'_>, known: &Ticket) -> TicketPhase {
    task.ticket.map_or(known.phase, |link| link.seen)
}

/// What follows a record that was read or written: it decides where the ticket has to go and to whom.
pub(super) fn after_reading(
    task: &Task<'_>,
    record: &Record,
    ticket: Ticket,
    seen: TicketPhase,
    progress: Progress,
) -> Classification {
    let goal = wanted_phase(event(task, &progress), seen, ticket.phase);
    // A ticket that is over may not be changed by everybody any more, and is nobody's work.
    let is_over = goal.unwrap_or(ticket.phase) == TicketPhase::Done;
    let progress = Progress {
        assign: wanted_user(task, record).filter(|_| !is_over),
        is_unmarked: mark::is_due(task, record),
        ..progress.after_reading(seen, goal)
    };
    go_on(task, ticket, &progress)
}

/// The event that counts for the ticket's state. A ticket that was only now made is brought to where its incident stands.
pub(super) fn event(task: &Task<'_>, progress: &Progress) -> EventName {
    let status = task.event.incident().map(|incident| incident.status);
    let is_escalation = task.event.name == EventName::Escalated;
    match (progress.is_fresh, status) {
        (true, Some(IncidentStatus::Acknowledged)) => EventName::Acknowledged,
        (true, Some(IncidentStatus::Resolved)) => EventName::Resolved,
        // Should the acknowledgement itself not have come through, this one makes up for it.
        (false, Some(IncidentStatus::Acknowledged)) if is_escalation => EventName::Acknowledged,
        (true | false, _) => task.event.name,
    }
}

/// The next request of a delivery, or its end.
pub(super) fn go_on(task: &Task<'_>, ticket: Ticket, progress: &Progress) -> Classification {
    if matches!(Next::of_ticket(task, &ticket, progress), Next::End(_)) {
        return end(task, &ticket);
    }
    Classification {
        continuation: progress.keeping(),
        ticket: Some(TicketNews::Seen(ticket)),
        ..Outcome::Step.into()
    }
}

/// The end of a delivery.
pub(super) fn end(task: &Task<'_>, ticket: &Ticket) -> Classification {
    let now = Memory::now(task).filter(|now| Memory::of(task).as_ref() != Some(now) && !task.event.is_test);
    let memory = now.and_then(|now| serde_json::to_string(&now).ok());
    Classification {
        message_ref: memory.map_or(Patch::Keep, Patch::Set),
        continuation: Patch::Clear,
        ticket: Some(TicketNews::Seen(ticket.clone())),
        ..Classification::from(Outcome::Delivered).noted(stands(ticket))
    }
}

/// Where a ticket stands, in a few words.
pub(super) fn stands(ticket: &Ticket) -> String {
    format!("{} is {}", ticket.key, ticket.status)
}

/// A request about the ticket that failed: the ticket is read again before anything else is done to it.
pub(super) fn failed(refusal: Refusal, progress: Progress) -> Classification {
    Classification {
        continuation: progress.unread().keeping(),
        ..refusal.into()
    }
}

/// The ticket is gone.
pub(super) fn lost(heard: &Heard<'_>, ticket: &Ticket) -> Classification {
    let table = settings::table(heard.task.target);
    let detail = format!(
        "{} was deleted, or this account may not see it any more: let it read the table {table:?}, or unlink the ticket \
         on the incident's page",
        ticket.key
    );
    Failure::new(FailureCode::TicketLost, detail)
        .with(Disposition::Permanent)
        .into()
}

/// A record that does not tell what we need to know.
pub(super) fn unreadable(heard: &Heard<'_>) -> Classification {
    let table = settings::table(heard.task.target);
    let detail = format!(
        "this account may not read sys_id and state in the table {table:?}: give it a role that may, such as itil"
    );
    Failure::new(FailureCode::SettingsRefused, detail)
        .with(Disposition::NeedsOperator)
        .into()
}

/// Whom the settings name for whoever has the incident, unless the record is theirs already.
fn wanted_user(task: &Task<'_>, record: &Record) -> Option<String> {
    let assignee = task.incident_context?.assignee.as_ref()?;
    let table = task.target.option("assignees");
    let user =
        mapping::value(table, &assignee.id.to_string()).or_else(|| mapping::value(table, &assignee.name))?;
    let is_wanted = user.len() <= MAX_USER_BYTES && !is_theirs(record, user);
    is_wanted.then(|| user.to_owned())
}

/// Whether a record is assigned to a user.
pub(super) fn is_theirs(record: &Record, user: &str) -> bool {
    record.value("assigned_to") == user || record.value("assigned_to.user_name").eq_ignore_ascii_case(user)
}
