//! Everything that is kept of an incident's ticket at one webhook, in one type that is one JSON text. Every part is bounded.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use destination::text::{Unit, cut};
use model::exchange::FailureCode;
use model::ticket::{Ticket, TicketPhase};
use model::time::Timestamp;

/// The form of what is kept; moves when an older server could not read it.
pub(crate) const VERSION: u32 = 1;
/// The longest sentence that is kept, in bytes.
const MAX_SENTENCE_BYTES: usize = 600;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TicketState {
    /// Which form this is in.
    pub(crate) version: u32,
    /// How far the incident has come to its ticket.
    pub(crate) link: Link,
    /// What the ticket was told by deliveries.
    pub(crate) told: Told,
    /// Where the present delivery stands.
    pub(crate) delivery: Delivery,
}

/// How far an incident has come to its ticket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Link {
    /// There is none, and nobody asked for one.
    #[default]
    None,
    /// Somebody asked for one.
    Wanted,
    /// A request that makes it may have left.
    Unknown {
        /// When, in milliseconds since 1970.
        at: i64,
        /// The id of a ticket that its system told of by itself.
        hinted: Option<String>,
    },
    /// There is one.
    There {
        /// The ticket, as it was last seen.
        ticket: Known,
        /// Where it stood when both sides were last in line.
        seen: Phase,
        /// No request of ours made it.
        is_by_hand: bool,
    },
    /// The two belong together no longer.
    Unlinked,
}

/// A [`TicketPhase`] as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Phase(pub(crate) TicketPhase);

impl From<Phase> for String {
    fn from(phase: Phase) -> Self {
        phase.0.as_str().to_owned()
    }
}

impl TryFrom<String> for Phase {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        TicketPhase::parse(&text).map(Self).ok_or("not a phase")
    }
}

/// What a ticket is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Name {
    /// What its system knows it by.
    pub(crate) id: String,
    /// What people call it.
    pub(crate) key: String,
}

/// A ticket and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// What it is called.
    #[serde(flatten)]
    pub(crate) name: Name,
    /// Where it stands.
    pub(crate) phase: Phase,
    /// What its system calls that.
    pub(crate) status: String,
}

impl From<&Ticket> for Known {
    fn from(ticket: &Ticket) -> Self {
        Self {
            name: Name {
                id: ticket.id.clone(),
                key: ticket.key.clone(),
            },
            phase: Phase(ticket.phase),
            status: ticket.status.clone(),
        }
    }
}

impl Known {
    /// The ticket, given the address of its page.
    pub(crate) fn ticket(&self, url: String) -> Ticket {
        Ticket {
            id: self.name.id.clone(),
            key: self.name.key.clone(),
            url,
            phase: self.phase.0,
            status: self.status.clone(),
        }
    }
}

/// What a ticket was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The ticket's id: what was told another counts for nothing. Empty where it was not noted.
    #[serde(default)]
    pub(crate) ticket: String,
    /// Who it was told has the incident; empty if nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) assignee: Option<String>,
    /// The latest event that was told to its end: should it be told again, it is not noted again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<String>,
    /// The title and severity that it was told, as [`super::headline::digest`] has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) headline: Option<String>,
    /// Whether its link back says that the incident is resolved; nothing if it has no link back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) link_is_resolved: Option<bool>,
    /// Which of the latest notes that people wrote it was told, by their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

impl Told {
    /// The same as far as it is about this ticket.
    pub(crate) fn about(self, ticket_id: &str) -> Self {
        let known = if self.ticket.is_empty() || self.ticket == ticket_id {
            self
        } else {
            Self::default()
        };
        Self {
            ticket: ticket_id.to_owned(),
            ..known
        }
    }
}

/// How far a delivery has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Delivery {
    /// The ticket that it made and has not read yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) made: Option<Name>,
    /// It made the ticket.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_fresh: bool,
    /// The group that the ticket is made for, as its system knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<LookedUp>,
    /// Whom the ticket is given to, as its system knows them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<LookedUp>,
    /// Where people bring their tickets in the end, as the system told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) habit: Option<LookedUp>,
    /// Fields that were refused when the ticket was to be made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) dropped: Vec<String>,
    /// What it leaves out because the system would not have it or did not say it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) given_up: Vec<Chore>,
    /// Where the ticket stood when the two sides were last in line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<Phase>,
    /// The ticket as it is; nothing if it has to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sight: Option<Sight>,
    /// The ids of the statuses that it was moved out of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) visited: Vec<String>,
    /// How many pages of tickets were looked through for our marker.
    #[serde(skip_serializing_if = "is_zero_pages")]
    pub(crate) pages: usize,
    /// How often what was read of the ticket was too old before anything was done with it.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) late_reads: u32,
    /// How many moves were refused because the ticket had moved meanwhile.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) stale_moves: u32,
    /// What is believed only once it is known that the account sees and may what it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) doubt: Option<Doubt>,
    /// The account was seen to work since something was doubted: what is told again is believed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_believed: bool,
    /// A note that may have been written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sending: Option<Sending>,
    /// Nobody could tell whether the next note is there already.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) may_repeat: bool,
    /// Which title and severity it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) headline: Option<String>,
    /// How many requests told them.
    #[serde(skip_serializing_if = "is_nothing")]
    pub(crate) headline_parts: usize,
    /// The keys of notes that were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) noted: Vec<String>,
}

fn is_zero_pages(number: &usize) -> bool {
    *number == 0
}

fn is_nothing(number: &usize) -> bool {
    *number == 0
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What an account may be told that has lost its rights or its name, as well as one for which it is true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Doubt {
    /// The ticket is not there.
    Gone,
    /// No ticket was made by the request that left at this time, in milliseconds since 1970.
    NotMade(i64),
    /// This ticket is refused, for this reason.
    Refused(Blocked),
}

/// A name that the system was asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LookedUp {
    /// The name.
    pub(crate) name: String,
    /// What the system knows it by, if it told.
    pub(crate) id: Option<String>,
}

/// What a delivery can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Chore {
    /// Looking at the ticket that the system told of.
    Hint,
    /// Learning who we are.
    Account,
    /// Knowing all that a move asks for.
    Screens,
    /// Marking the ticket as the incident's.
    Mark,
    /// The link back.
    LinkBack,
    /// The assignee.
    Assignee,
    /// Title and severity.
    Headline,
}

/// A note that may have been written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sending {
    /// Its key.
    pub(crate) key: String,
    /// When it was sent, in milliseconds since 1970.
    pub(crate) since: i64,
    /// In how many places it was looked for in vain.
    #[serde(default)]
    pub(crate) searched: usize,
}

/// A ticket as it was just read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sight {
    /// The ticket.
    #[serde(flatten)]
    pub(crate) known: Known,
    /// When that was, in milliseconds since 1970.
    #[serde(default)]
    pub(crate) read_at: i64,
    /// The id of its status.
    pub(crate) status_id: String,
    /// What the one is known by who has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) assignee: Vec<String>,
    /// It carries nobody's mark.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_unmarked: bool,
    /// What is done about its status; nothing if it is where it has to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<Route>,
}

impl Sight {
    /// How long ago it was read.
    pub(crate) fn age(&self, now: Timestamp) -> Duration {
        now.since(Timestamp::from_millis(self.read_at))
    }
}

/// What is done about a ticket's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Route {
    /// It is moved so.
    Through {
        /// The status that this leads to; empty if that is not known before.
        to: String,
        /// How, in the system's own words.
        #[serde(default)]
        plan: Value,
    },
    /// It could go several ways: what people do has to be looked up by this name first.
    Undecided(String),
    /// It cannot come where it is to be; told at the end, once all else is done.
    Blocked(Blocked),
}

/// Why a ticket cannot come where it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Blocked {
    code: String,
    /// The sentence for people.
    pub(crate) sentence: String,
}

impl Blocked {
    /// A reason.
    pub(crate) fn new(code: FailureCode, sentence: &str) -> Self {
        Self {
            code: code.as_str().to_owned(),
            sentence: cut(sentence, MAX_SENTENCE_BYTES, Unit::Bytes),
        }
    }

    /// The failure's code.
    pub(crate) fn code(&self) -> FailureCode {
        FailureCode::parse(&self.code).unwrap_or(FailureCode::TransitionMissing)
    }
}

impl Delivery {
    /// Whether something is done without.
    pub(crate) fn has_given_up(&self, chore: Chore) -> bool {
        self.given_up.contains(&chore)
    }

    /// Does without something from now on.
    pub(crate) fn give_up(&mut self, chore: Chore) {
        if !self.has_given_up(chore) {
            self.given_up.push(chore);
        }
    }

    /// What a replay, which begins anew, must not repeat.
    pub(crate) fn only_notes(self) -> Self {
        Self {
            sending: self.sending,
            noted: self.noted,
            ..Self::default()
        }
    }
}

impl TicketState {
    /// What the incident's ticket is called, if there is one.
    pub(crate) fn name(&self) -> Option<&Name> {
        match &self.link {
            Link::There { ticket, .. } => Some(&ticket.name),
            Link::None | Link::Wanted | Link::Unknown { .. } | Link::Unlinked => self.delivery.made.as_ref(),
        }
    }

    /// What people call the ticket.
    pub(crate) fn key(&self) -> String {
        let seen = self.delivery.sight.as_ref().map(|sight| &sight.known.name);
        let name = seen.or_else(|| self.name());
        name.map_or_else(|| "the ticket".to_owned(), |name| name.key.clone())
    }

    /// Where the ticket stood when both sides were last in line: nobody was told anything of one that was only now made or found.
    pub(crate) fn seen(&self) -> TicketPhase {
        match (self.delivery.seen, &self.link) {
            (Some(seen), _) => seen.0,
            (None, Link::There { seen, .. }) => seen.0,
            (None, Link::None | Link::Wanted | Link::Unknown { .. } | Link::Unlinked) => TicketPhase::New,
        }
    }
}
