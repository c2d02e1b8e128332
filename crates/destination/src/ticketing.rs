//! What a ticket system is asked beside deliveries: to read a ticket, to find one, whether the settings work. And how
//! access tokens are had.
//!
//! Asking is pure like everything here: a question and all answers so far make the next request, or the end. Nothing is
//! kept in between; a question that was interrupted is asked anew.

use crate::task::{Pause, Rendered, Target, Token};
use model::attempt::Failure;
use model::exchange::Exchange;
use model::ticket::Ticket;
use model::time::Timestamp;
use model::webhook::Webhook;
use strum::{IntoStaticStr, VariantNames};

/// The most requests that one question takes.
pub const MAX_QUERY_REQUESTS: usize = 12;
/// The most tickets with one marker that are looked at.
pub const MAX_MARKED: usize = 10;
/// The most comments that one reading brings.
pub const MAX_COMMENTS: usize = 50;

/// How access tokens of a kind are had.
pub trait Tokens: Send + Sync {
    /// The request for a token. Neither it nor its answer is kept for people to see.
    fn request(&self, target: &Target) -> Result<Rendered, Failure>;

    /// The token that came, or why none did: always with a code of its own, `token_failed`.
    fn read(&self, exchange: &Exchange, now: Timestamp) -> Result<Token, Failure>;
}

/// A ticket system.
pub trait Ticketing: Send + Sync {
    /// The next request of a question, or its end.
    fn query(&self, asking: &QueryContext<'_>) -> QueryStep;

    /// What tells one place of tickets from another: the same id means another ticket elsewhere.
    fn place(&self, target: &Target) -> String {
        target.url.as_str().trim_end_matches('/').to_owned()
    }

    /// What a person typed to name a ticket, by key or by its page's URL, as [`TicketQuery::Find`] wants it; or a sentence
    /// that says why it names none.
    fn reference(&self, target: &Target, text: &str) -> Result<String, String>;
}

/// A question with all that is known.
#[derive(Debug, Clone, Copy)]
pub struct QueryContext<'a> {
    /// Of whom.
    pub webhook: &'a Webhook,
    /// Where.
    pub target: &'a Target,
    /// The access token, if the kind needs one. It is there, and fresh, when the kind has [`Tokens`].
    pub token: Option<&'a Token>,
    /// What.
    pub query: &'a TicketQuery,
    /// The answers so far, one for each request of this question, in order.
    pub answers: &'a [Exchange],
    pub now: Timestamp,
}

/// What a ticket system is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketQuery {
    /// How a ticket stands, by its id; with the comments that people wrote since a time, if wanted.
    Read {
        ticket_id: String,
        /// Comments made after this, if they are wanted.
        comments_since: Option<Timestamp>,
    },
    /// The ticket that a person named; see [`Ticketing::reference`].
    Find {
        /// The name.
        reference: String,
    },
    /// The tickets that carry a marker, were made by us and are not marked as duplicates, oldest first; at most
    /// [`MAX_MARKED`].
    Marked { marker: String },
    /// Closes a ticket that was made twice, pointing to the one that stays. A ticket that is so already is left alone.
    Merge {
        /// The one that stays.
        keep: Ticket,
        /// The one that goes.
        close: Ticket,
    },
    /// Whether the settings work: credentials, permissions, and everything that the settings name.
    Check,
}

/// What follows in a question.
#[derive(Debug, Clone)]
pub enum QueryStep {
    /// A request.
    Send(Box<Rendered>),
    /// The answer.
    Done(QueryResult),
    /// There is none.
    Failed(Failure, Option<Pause>),
}

/// The answer of a question, in the order of [`TicketQuery`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryResult {
    /// The ticket, to `Read` and `Find`; nothing if there is none that this account may see.
    Ticket(Option<Reading>),
    /// To `Marked`.
    Tickets(Vec<Ticket>),
    /// To `Join`.
    Merged,
    /// To `Check`.
    Findings(Vec<Finding>),
}

/// A ticket as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    pub ticket: Ticket,
    /// Who changed it last or moved it, if its system tells, in one line.
    pub by: Option<String>,
    /// Whether that was this webhook's own account.
    pub is_ours: bool,
    /// What people wrote since, oldest first; at most [`MAX_COMMENTS`].
    pub comments: Vec<Comment>,
}

/// What somebody wrote to a ticket. Our own are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// When.
    pub at: Timestamp,
    /// Who, in one line.
    pub author: String,
    /// What, as plain text.
    pub text: String,
}

/// One thing that a check looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub state: FindingState,
    /// One sentence: what is well, or what is missing and what to do.
    pub sentence: String,
}

/// How something that a check looked at is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum FindingState {
    /// Well.
    Good,
    /// It may be missing; nobody can tell before it is needed.
    Unsure,
    /// It is missing: tickets will fail.
    Bad,
}

impl FindingState {
    /// Every state, the best first, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The state as the API writes it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

model::word_schemas! {
    FindingState, "ConnectionFindingState", "Good, bad, or unsure until it is needed.",
        FindingState::NAMES;
}

impl Finding {
    /// Something that is well.
    pub fn good(sentence: impl AsRef<str>) -> Self {
        Self::new(FindingState::Good, sentence.as_ref())
    }

    /// Something that may be missing.
    pub fn unsure(sentence: impl AsRef<str>) -> Self {
        Self::new(FindingState::Unsure, sentence.as_ref())
    }

    /// Something that is missing.
    pub fn bad(sentence: impl AsRef<str>) -> Self {
        Self::new(FindingState::Bad, sentence.as_ref())
    }

    /// It stands by itself on a page: with a capital at its beginning and a full stop at its end.
    fn new(state: FindingState, sentence: &str) -> Self {
        let mut characters = sentence.chars();
        let first = characters.next().map(|first| first.to_uppercase().to_string());
        let end = if sentence.ends_with(['.', '!', '?']) {
            ""
        } else {
            "."
        };
        Self {
            state,
            sentence: format!("{}{}{end}", first.unwrap_or_default(), characters.as_str()),
        }
    }
}

impl QueryStep {
    /// A request.
    pub fn send(rendered: Rendered) -> Self {
        Self::Send(Box::new(rendered))
    }
}
