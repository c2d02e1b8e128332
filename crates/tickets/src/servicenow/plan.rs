//! Which request follows from what is known of a delivery: the one place where their order stands.

use crate::servicenow::note::{self, Note};
use crate::servicenow::progress::Progress;
use crate::servicenow::settings::is_sys_id;
use crate::servicenow::texts;
use destination::task::Task;
use model::event::EventName;
use model::ticket::{Intent, LinkState, Ticket, TicketPhase};

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: there is no ticket, and none is wanted.
    NoTicket(&'static str),
    /// The instance is asked which group the ticket is made for.
    FindGroup(String),
    /// The ticket is made.
    Create,
    /// The ticket is read or looked for.
    Look(Way),
    /// The ticket is marked as the incident's.
    Mark(Ticket),
    /// The ticket is moved.
    Move(Ticket, TicketPhase),
    /// The instance is asked who a user is.
    FindUser(Ticket, String),
    /// The ticket is assigned to a user.
    Assign(Ticket, String),
    /// A note is written.
    Note(Ticket, Note),
    /// A note that may have been written is looked for.
    FindNote(Ticket, Note, Place),
    /// Nothing: all is as the event wants it.
    End(Ticket),
}

/// How a ticket is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// By its id, as the link has it.
    Linked(Ticket),
    /// By the id that our create was answered with.
    Made(String),
    /// By an id that its system told by itself; what is there has to carry our marker.
    NotificationEffect(String),
    /// By our marker.
    Marked(Intent),
}

/// Where a note is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the journal.
    Journal,
    /// In the record's own text of its history.
    Record,
}

impl Next {
    /// What follows for a task that has come so far.
    pub(super) fn of(task: &Task<'_>, progress: &Progress) -> Self {
        let state = task.ticket.map(|link| &link.state);
        match state {
            Some(LinkState::Unlinked) => {
                Self::NoTicket("the ticket was unlinked by hand: nothing is told to it")
            }
            Some(LinkState::Linked(ticket)) if task.event.is_test => Self::End(ticket.clone()),
            Some(LinkState::Linked(ticket)) => Self::of_ticket(task, ticket, progress),
            None if task.event.name == EventName::Resolved && !task.event.is_test => {
                Self::NoTicket("there is no ticket to close")
            }
            None | Some(LinkState::Wanted) => Self::of_none(task, progress),
            // A test's ticket is in nobody's way should it be made twice, and is not looked for.
            Some(LinkState::Intended(_)) if task.event.is_test => Self::of_none(task, progress),
            Some(LinkState::Intended(intent)) => Self::Look(Way::of(intent, progress)),
        }
    }

    /// What follows while there is no ticket.
    fn of_none(task: &Task<'_>, progress: &Progress) -> Self {
        let is_dropped = progress.dropped.iter().any(|field| field == "assignment_group");
        if progress.is_group_sought || is_dropped {
            return Self::Create;
        }
        match texts::group(task) {
            Some(name) if !is_sys_id(&name) => Self::FindGroup(name),
            Some(_) | None => Self::Create,
        }
    }

    /// What follows once there is a ticket.
    pub(super) fn of_ticket(task: &Task<'_>, ticket: &Ticket, progress: &Progress) -> Self {
        if !progress.is_read {
            return Self::Look(Way::Linked(ticket.clone()));
        }
        if progress.is_unmarked {
            return Self::Mark(ticket.clone());
        }
        if let Some(goal) = progress.goal() {
            return Self::Move(ticket.clone(), goal);
        }
        match progress.assign.as_deref().filter(|_| !progress.is_assigned) {
            Some(user) if is_sys_id(user) || progress.is_user_sought => {
                return Self::Assign(ticket.clone(), user.to_owned());
            }
            Some(user) => return Self::FindUser(ticket.clone(), user.to_owned()),
            None => {}
        }
        let mut due = note::due(task, progress).into_iter();
        let Some(note) = due.find(|note| !progress.noted.contains(&note.key)) else {
            return Self::End(ticket.clone());
        };
        let may_be_there = progress.trying.as_ref() == Some(&note.key);
        match (may_be_there, progress.is_journal_searched) {
            (false, _) => Self::Note(ticket.clone(), note),
            (true, false) => Self::FindNote(ticket.clone(), note, Place::Journal),
            (true, true) => Self::FindNote(ticket.clone(), note, Place::Record),
        }
    }
}

impl Way {
    /// The surest way to a ticket that may have been made.
    fn of(intent: &Intent, progress: &Progress) -> Self {
        match (progress.made.as_deref(), intent.hinted.as_deref()) {
            (Some(made), _) => Self::Made(made.to_owned()),
            (None, Some(hinted)) if !progress.is_hint_wrong => Self::NotificationEffect(hinted.to_owned()),
            (None, _) => Self::Marked(intent.clone()),
        }
    }
}
