//! What one delivery has come to: what its next request is made from. Every part is bounded, so that the whole fits.

use serde::{Deserialize, Serialize};

use crate::jira::issue::{Issue, Named};
use crate::jira::screen::Answer;
use destination::task::MAX_ADAPTER_STATE_BYTES;
use model::exchange::FailureCode;
use model::ticket::TicketPhase;

/// How far a delivery has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    /// The ticket that this delivery made or found again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) made: Option<Named>,
    /// Fields that Jira refused when the ticket was to be made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dropped: Vec<String>,
    /// What it leaves out because Jira would not have it or did not say it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) given_up: Vec<Chore>,
    /// Where the ticket stood when the two sides were last in line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seen: Option<Phase>,
    /// The ticket as it is; nothing if it has to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sight: Option<Sight>,
    /// The ids of the statuses that it was moved out of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) visited: Vec<String>,
    /// How many transitions were refused because the ticket had moved meanwhile.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) stale_moves: u32,
    /// The key of a note that may have been written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sending: Option<String>,
    /// When that one was sent, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sending_since: Option<i64>,
    /// The keys of notes that were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) noted: Vec<String>,
}

/// What a delivery can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Chore {
    /// Looking at the ticket that Jira told of.
    Hint,
    /// Learning who we are.
    Account,
    /// Knowing which fields a transition asks for.
    Screens,
    /// The link back.
    LinkBack,
    /// The assignee.
    Assignee,
}

/// A [`TicketPhase`] as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Phase(pub(super) TicketPhase);

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

/// A ticket as it was just read, with what follows for its status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sight {
    /// Its id and key.
    #[serde(flatten)]
    pub(super) name: Named,
    /// Where it stands.
    pub(super) phase: Phase,
    /// What that is called.
    pub(super) status: String,
    /// The id of its status.
    pub(super) status_id: String,
    /// The account that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) assignee: Option<String>,
    /// What is done about its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) turn: Option<Turn>,
}

impl Sight {
    /// What is kept of a ticket that was read.
    pub(super) fn of(issue: &Issue, turn: Option<Turn>) -> Self {
        Self {
            name: Named {
                id: issue.ticket.id.clone(),
                key: issue.ticket.key.clone(),
            },
            phase: Phase(issue.ticket.phase),
            status: issue.ticket.status.clone(),
            status_id: issue.status_id.clone(),
            assignee: issue.assignee.clone(),
            turn,
        }
    }
}

/// What is done about a ticket's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Turn {
    /// It takes this transition.
    Take(Way),
    /// It cannot come where it is to be; told at the end, once all else is done.
    Stuck(Stuck),
}

/// A transition that was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Way {
    /// Its id.
    pub(super) id: String,
    /// Its name.
    pub(super) name: String,
    /// The status that it leads to.
    pub(super) to: String,
    /// What is filled in.
    #[serde(default)]
    pub(super) fields: Vec<Answer>,
}

/// Why a ticket cannot come where it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stuck {
    /// The failure's code.
    code: String,
    /// The sentence for people.
    pub(super) sentence: String,
}

/// The longest sentence that is kept, in bytes.
const MAX_SENTENCE_BYTES: usize = 600;

impl Stuck {
    /// A reason.
    pub(super) fn new(code: FailureCode, sentence: &str) -> Self {
        let unit = destination::text::Unit::Bytes;
        Self {
            code: code.as_str().to_owned(),
            sentence: destination::text::cut(sentence, MAX_SENTENCE_BYTES, unit),
        }
    }

    /// The failure's code.
    pub(super) fn code(&self) -> FailureCode {
        FailureCode::parse(&self.code).unwrap_or(FailureCode::TransitionMissing)
    }
}

impl Progress {
    /// The progress that was kept; none if there is none that can be read.
    pub(super) fn read(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// The text to be kept; nothing if there is nothing to keep. What would be too much loses what can be read again.
    pub(super) fn text(&self) -> Option<String> {
        let text = serde_json::to_string(self).unwrap_or_default();
        let is_fit = |text: &String| (3..=MAX_ADAPTER_STATE_BYTES).contains(&text.len());
        if text.len() <= MAX_ADAPTER_STATE_BYTES {
            return Some(text).filter(is_fit);
        }
        let smaller = Self {
            sight: None,
            dropped: Vec::new(),
            ..self.clone()
        };
        serde_json::to_string(&smaller).ok().filter(is_fit)
    }

    /// Whether something is done without.
    pub(super) fn has_given_up(&self, chore: Chore) -> bool {
        self.given_up.contains(&chore)
    }

    /// Does without something from now on.
    pub(super) fn give_up(&mut self, chore: Chore) {
        if !self.has_given_up(chore) {
            self.given_up.push(chore);
        }
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
