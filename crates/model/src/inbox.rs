//! Inboxes: addresses on this server that keep what is sent to them, to look at.

use std::time::Duration;

use bytes::Bytes;

use crate::id::{InboxId, InboxRequestId};
use crate::secret::SecretText;
use crate::time::Timestamp;

/// The most inboxes of one installation.
pub const MAX_INBOXES: u32 = 50;
/// The most requests one inbox keeps: the latest.
pub const MAX_INBOX_REQUESTS: u32 = 100;
/// How long a request is kept.
pub const INBOX_REQUEST_LIFETIME: Duration = Duration::from_secs(3 * 24 * 3600);
/// The largest body that is kept, in bytes; what is longer is cut.
pub const MAX_INBOX_BODY_BYTES: usize = 64 * 1024;
/// The longest an inbox may wait before it answers.
pub const MAX_INBOX_DELAY: Duration = Duration::from_secs(30);
/// The longest name of an inbox, in characters.
pub const MAX_INBOX_NAME_LENGTH: usize = 100;

/// How an inbox answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxAnswer {
    /// The status, 200 to 599.
    pub status: u16,
    /// How long it waits first.
    pub delay: Duration,
}

impl Default for InboxAnswer {
    fn default() -> Self {
        Self {
            status: 200,
            delay: Duration::ZERO,
        }
    }
}

/// An inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// Its id, which is also its address: whoever knows it can send to it.
    pub id: InboxId,
    /// What it is for.
    pub name: String,
    /// How it answers.
    pub answer: InboxAnswer,
    /// What signatures are checked against.
    pub secret: Option<SecretText>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A request that came to an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRequest {
    pub id: InboxRequestId,
    /// Which inbox.
    pub inbox_id: InboxId,
    /// When it came.
    pub at: Timestamp,
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Where it came from.
    pub remote_address: String,
    /// Lines of `name: value`, in the order in which they came.
    pub head: String,
    /// The first bytes of the body.
    pub body: Bytes,
    /// Whether the body was longer.
    pub body_is_truncated: bool,
    /// What it was answered with.
    pub answered_status: u16,
}
