//! What the workflow has a system do, and what the system says came of it.

use std::time::Duration;

use serde_json::Value;

use crate::workflow::state::{Blocked, Doubt, Name, Route};
use destination::task::{Classification, Pause};
use destination::ticketing::Comment as PersonsComment;
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;
use model::ticket::{Ticket, TicketPhase};
use model::time::Timestamp;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Learning who we are.
    Identify,
    /// Asking what the system knows a name by.
    LookUp(Reference),
    /// Making the ticket.
    Create,
    /// Looking for the tickets that carry our marker.
    FindByKey {
        /// How many pages of tickets were looked through.
        page: usize,
    },
    /// Seeing whether this account still sees what it has to see: whoever sees nothing is told of no ticket either.
    CheckAccess(Doubt),
    /// Reading a ticket by its id.
    Read {
        /// The id.
        id: String,
        /// What of it.
        view: View,
    },
    /// Reading the ticket that a person named.
    ReadNamed {
        /// The name.
        reference: String,
        /// What of it.
        view: View,
    },
    /// Reading what people wrote.
    ReadComments {
        /// The ticket's id.
        id: String,
        /// Since when.
        since: Timestamp,
        /// How often their number was made smaller.
        fewer: usize,
    },
    /// Marking the ticket as the incident's.
    Mark(Name),
    /// Moving the ticket.
    Move(Move),
    /// Giving the ticket to an account.
    Assign {
        /// The ticket.
        name: Name,
        /// The account.
        account: String,
    },
    /// Giving the ticket the incident's present title and severity.
    Retitle {
        /// The ticket.
        name: Name,
        /// Which of the requests that this takes.
        part: usize,
    },
    /// Writing a comment.
    Comment {
        /// The ticket.
        name: Name,
        /// The comment.
        comment: Comment,
    },
    /// Looking whether a comment is there.
    FindComment {
        /// The ticket.
        name: Name,
        /// The comment's key.
        key: String,
        /// In how many places it was looked for in vain.
        searched: usize,
    },
    /// Linking the ticket back to the incident, or telling its link whether the incident is resolved.
    LinkBack(Name),
    /// Marking a ticket as a duplicate of another.
    MarkDuplicate {
        /// The ticket.
        name: Name,
        /// The one that stays.
        keep: Name,
        /// Which of the requests that this takes.
        part: usize,
        /// The marker that it carries, if that was told.
        marker: String,
    },
}

/// What a name is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// A group that tickets are made for.
    Group(String),
    /// A user whom tickets are given to.
    User(String),
    /// Where people bring their tickets in the end, if a ticket could go several ways.
    Habit(String),
}

/// What of a ticket is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Whether it is ours.
    Hint,
    /// How it stands and how it can be moved.
    Moves,
    /// The same without what a move asks for.
    MovesOnly,
    /// How it stands and who changed it.
    Changes,
    /// How it stands.
    Plain,
}

/// A move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    /// The ticket.
    pub(crate) name: Name,
    /// Where it stands.
    pub(crate) from: TicketPhase,
    /// What that is called.
    pub(crate) status: String,
    /// Where it has to go.
    pub(crate) goal: TicketPhase,
    /// The status that this leads to; empty if that is not known before.
    pub(crate) to: String,
    /// How, in the system's own words.
    pub(crate) plan: Value,
    /// The one that stays, if it is closed as a duplicate.
    pub(crate) duplicate_of: Option<Name>,
}

/// A comment that is written once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Comment {
    /// What it is found again by.
    pub(crate) key: String,
    /// What it says, with the key at its end.
    pub(crate) text: String,
}

/// What came of an action.
pub(crate) type Observation = Result<Facts, Trouble>;

/// What is known after an action that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Facts {
    /// Nothing more.
    Nothing,
    /// Who we are; nothing if that was not told.
    Account(Option<Identity>),
    /// What a name is known by, if that was told.
    Id(Option<String>),
    /// How the ticket stands.
    Ticket(Box<Sighting>),
    /// The tickets that carry our marker and were made by us, the oldest first.
    Tickets(Vec<Sighting>),
    /// The same for one page of many: the next may hold more.
    Page(Vec<Sighting>),
    /// Whether a comment is there.
    Comment(Presence),
    /// What people wrote, oldest first.
    Comments(Vec<PersonsComment>),
    /// A move that cannot be made.
    Blocked(Blocked),
}

/// Who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// What is kept of it, in the system's own words.
    pub(crate) learned: Option<String>,
    /// Our name there.
    pub(crate) name: String,
}

/// Whether a comment is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It is.
    There,
    /// It is not, and would be seen.
    Absent,
    /// It was not seen, and may be there.
    Unseen,
}

/// A ticket as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// The ticket.
    pub(crate) ticket: Ticket,
    /// The id of its status.
    pub(crate) status_id: String,
    /// What the one is known by who has it.
    pub(crate) assignee: Vec<String>,
    /// Their name.
    pub(crate) assignee_name: String,
    /// Whose mark it carries.
    pub(crate) mark: Mark,
    /// What is done about its status; nothing if it is where it has to be.
    pub(crate) route: Option<Route>,
    /// It has to be read before anything is done to it.
    pub(crate) is_partial: bool,
    /// It was closed as a duplicate.
    pub(crate) is_closed_duplicate: bool,
    /// Who changed it last or moved it.
    pub(crate) by: Option<String>,
    /// Whether that was this account.
    pub(crate) is_by_us: bool,
    /// Whether people may have written something since; so unless its system tells when it was changed.
    pub(crate) updated: Option<Timestamp>,
}

impl Sighting {
    /// One of which nothing more is known: a ticket without a name that stands where it has to be.
    pub(crate) fn blank(mark: Mark) -> Self {
        Self {
            ticket: Ticket {
                id: String::new(),
                key: String::new(),
                url: String::new(),
                phase: TicketPhase::New,
                status: String::new(),
            },
            status_id: String::new(),
            assignee: Vec::new(),
            assignee_name: String::new(),
            mark,
            route: None,
            is_partial: false,
            is_closed_duplicate: false,
            by: None,
            is_by_us: false,
            updated: None,
        }
    }
}

/// Whose mark a ticket carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The incident's.
    Ours,
    /// Nobody's.
    Nobodys,
    /// Another one, or it was not told; its text as far as it is known.
    Other(String),
}

/// Why an action came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What sort it is of: what follows for the workflow.
    pub(crate) kind: TroubleKind,
    /// What it means for the delivery and for people.
    pub(crate) failure: Failure,
    /// Who has to wait.
    pub(crate) pause: Option<Pause>,
    /// Fields without which it may be tried once more.
    pub(crate) without: Vec<String>,
}

/// Sorts of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    /// Nothing has left us.
    Unsent,
    /// The rate limit is reached; it was not done.
    Limited,
    /// Who we are is not believed; it was not done.
    Credentials,
    /// The account may not do it; it was not done.
    Forbidden,
    /// This very request; it was not done.
    Refused,
    /// This request, or the account: the answer does not tell which. It was not done.
    Doubtful,
    /// There is no such ticket, or the account may not see it.
    Missing,
    /// The ticket has moved meanwhile; it was not done.
    Stale,
    /// The answer is larger than what is read.
    TooLarge,
    /// It may have been done.
    Unknown,
}

impl Trouble {
    /// Trouble of a kind.
    pub(crate) fn new(kind: TroubleKind, failure: Failure) -> Self {
        Self {
            kind,
            failure,
            pause: None,
            without: Vec::new(),
        }
    }

    /// The rate limit is reached, and all who share a bucket have to wait.
    pub(crate) fn limited(failure: Failure, bucket: String, wait: Duration) -> Self {
        Self {
            pause: Some(Pause { bucket, wait }),
            ..Self::new(TroubleKind::Limited, failure)
        }
    }

    /// There may be a ticket that nobody can tell from others: no other one may be made.
    pub(crate) fn undecided(detail: impl Into<String>) -> Self {
        let failure = Failure::new(FailureCode::TicketUnknown, detail).with(Disposition::Permanent);
        Self::new(TroubleKind::Refused, failure)
    }

    /// Whether what was asked for can be done without.
    pub(crate) fn is_about_this(&self) -> bool {
        use TroubleKind::{Doubtful, Forbidden, Missing, Refused};
        matches!(self.kind, Forbidden | Refused | Doubtful | Missing)
    }
}

impl From<Trouble> for Classification {
    fn from(trouble: Trouble) -> Self {
        Self {
            pause: trouble.pause,
            ..trouble.failure.into()
        }
    }
}
