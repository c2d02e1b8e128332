//! Calls of a platform to us: somebody pressed a button in a chat, or a ticket has changed.

use http::HeaderMap;

use crate::task::Target;
use model::secret::SecretText;
use model::time::Timestamp;

/// A call as it came, with what it takes to believe it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    /// The webhook that it names in its path.
    pub target: &'a Target,
    /// The webhook's signing secret.
    pub signing: &'a SecretText,
    pub now: Timestamp,
}

/// What a call that may be believed wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// Somebody pressed a button that carried this token.
    Act {
        /// The token of an [`crate::task::ActLink`].
        token: String,
        /// Who pressed it, as the platform calls them.
        person: String,
    },
    /// Something happened to a ticket: it is to be read again.
    Ticket(ChangeNotification),
    /// Nothing that concerns us.
    Nothing,
}

/// What a ticket system tells of a change. Only a hint: what counts is the ticket, read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeNotification {
    pub ticket_id: String,
    /// What the ticket carries that may be our marker; whose it is shows when it is read.
    pub markers: Vec<String>,
    /// What is the same when the system repeats the call.
    pub receipt: Option<String>,
}

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The kind takes no calls.
    NoCallback,
    /// Its proof is missing or wrong: 401.
    NotBelieved,
    /// It cannot be read: 400.
    Unreadable,
}

/// How a call is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// The body, sent with status 200.
    pub body: String,
}

impl Reply {
    /// An empty answer.
    pub fn empty() -> Self {
        Self {
            content_type: "text/plain; charset=utf-8",
            body: String::new(),
        }
    }
}
