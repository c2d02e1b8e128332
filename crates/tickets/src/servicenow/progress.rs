//! What one request of a delivery leaves for the next.

use serde::{Deserialize, Serialize};

use destination::task::{MAX_ADAPTER_STATE_BYTES, Task};
use model::patch::Patch;
use model::ticket::TicketPhase;

/// Where a delivery stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    /// The id of the group that the ticket is made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
    /// The instance was asked which group that is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_group_sought: bool,
    /// The id that our own create was answered with, while the record has not been read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) made: Option<String>,
    /// The hinted ticket is not ours, or is not there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_hint_wrong: bool,
    /// This delivery made the ticket.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_fresh: bool,
    /// The ticket has been read, and nothing has failed since.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_read: bool,
    /// The ticket does not say yet that it is the incident's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_unmarked: bool,
    /// Where the ticket stood when both sides were last in line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seen: Option<String>,
    /// Where the ticket has to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) goal: Option<String>,
    /// The ticket was told to move there, and the answer did not show where it stands.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_moved: bool,
    /// Whom the ticket has to be assigned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) assign: Option<String>,
    /// Nothing more is tried about the assignee.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_assigned: bool,
    /// The instance was asked who that is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_user_sought: bool,
    /// The key of a note that may have been written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trying: Option<String>,
    /// When that one was sent, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trying_since: Option<i64>,
    /// The journal was searched for it in vain.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_journal_searched: bool,
    /// Nobody could tell whether that note is there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) may_repeat: bool,
    /// The keys of the notes that are written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) noted: Vec<String>,
    /// Fields that the instance would not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dropped: Vec<String>,
}

impl Progress {
    /// What was left for a task.
    pub(super) fn of(task: &Task<'_>) -> Self {
        let text = task.continuation.unwrap_or_default();
        serde_json::from_str(text).unwrap_or_default()
    }

    /// As a text.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As it is kept. It never comes near the limit; should it do so, a delivery that begins anew does no harm.
    pub(super) fn keeping(&self) -> Patch<String> {
        match self.text() {
            text if (1..=MAX_ADAPTER_STATE_BYTES).contains(&text.len()) => Patch::Set(text),
            _ => Patch::Clear,
        }
    }

    /// Where the ticket stood when both sides were last in line, if that is known.
    pub(super) fn seen(&self) -> Option<TicketPhase> {
        self.seen.as_deref().and_then(TicketPhase::parse)
    }

    /// Where the ticket has to go.
    pub(super) fn goal(&self) -> Option<TicketPhase> {
        self.goal.as_deref().and_then(TicketPhase::parse)
    }

    /// The same after the ticket was read.
    pub(super) fn after_reading(self, seen: TicketPhase, goal: Option<TicketPhase>) -> Self {
        Self {
            made: None,
            is_hint_wrong: false,
            is_read: true,
            is_moved: false,
            is_user_sought: false,
            seen: Some(seen.as_str().to_owned()),
            goal: goal.map(|goal| goal.as_str().to_owned()),
            ..self
        }
    }

    /// The same, with the ticket to be read again before anything else: time may pass, and others work on it too.
    pub(super) fn unread(self) -> Self {
        Self {
            is_read: false,
            ..self
        }
    }

    /// The same with a note written.
    pub(super) fn with_noted(self, key: &str) -> Self {
        let mut noted = self.noted.clone();
        noted.push(key.to_owned());
        Self {
            trying: None,
            trying_since: None,
            is_journal_searched: false,
            may_repeat: false,
            noted,
            ..self
        }
    }
}
