//! One attempt of a delivery: what was sent, what came back, and how it is classified.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::exchange::{FailureCode, PhaseTimings};
use crate::id::AttemptId;
use crate::patch::Patch;
use crate::ticket::LinkUpdate;
use crate::time::Timestamp;

/// What an attempt means for its delivery: an adapter's verdict on an exchange.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// The receiver took it.
    Delivered,
    /// The receiver queued it, and will not tell what becomes of it.
    Accepted,
    /// The receiver took this request; the next one of the same delivery follows at once.
    Step,
    /// It failed; what follows is the failure's [`Disposition`].
    Failed(Failure),
    /// It failed, and the receiver wants nothing any more: the delivery is dead, the webhook is disabled.
    Gone(Failure),
}

impl Outcome {
    /// Every outcome, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// Which of [`Outcome::NAMES`].
    pub fn as_str(&self) -> &'static str {
        self.into()
    }

    /// The failure, if there is one.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Delivered | Self::Accepted | Self::Step => None,
            Self::Failed(failure) | Self::Gone(failure) => Some(failure),
        }
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The stable code.
    pub code: FailureCode,
    /// One sentence for people, without secrets.
    pub detail: String,
    /// How long the receiver asked to wait.
    pub retry_after: Option<Duration>,
    /// What helps.
    pub disposition: Disposition,
}

impl Failure {
    /// A failure that is tried again on the webhook's schedule.
    pub fn new(code: FailureCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: None,
            disposition: Disposition::Backoff,
        }
    }

    /// The same with another disposition.
    pub fn with(self, disposition: Disposition) -> Self {
        Self { disposition, ..self }
    }
}

/// What follows a failure. Each has the word by which the API and the store have always called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
pub enum Disposition {
    /// Another attempt on the webhook's schedule.
    #[strum(serialize = "schedule")]
    Backoff,
    /// Another request at once, made from what this answer taught. Spends no attempt, within a bound.
    #[strum(serialize = "at_once")]
    Immediate,
    /// Waiting, for the receiver's rate limit or for what it shows late. Spends no attempt, within a bound.
    #[strum(serialize = "wait")]
    RateLimited,
    /// Another attempt on the schedule, which first looks whether this one was done after all.
    #[strum(serialize = "look_up")]
    VerifyFirst,
    /// Only a person can help: credentials, address or permission are wrong.
    #[strum(serialize = "person")]
    NeedsOperator,
    /// Nothing helps: this will never be taken.
    #[strum(serialize = "nothing")]
    Permanent,
    /// Only a person: what the webhook is set to do harms this server. The delivery is dead, the webhook is disabled.
    #[strum(serialize = "rewrite")]
    Harmful,
}

impl Disposition {
    /// Every disposition.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Its word.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The disposition read back from its word.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// The longest text that an adapter has kept for later, in bytes.
pub const MAX_ADAPTER_STATE_BYTES: usize = 4096;

/// How long a message is remembered after it was last changed.
pub const MESSAGE_REF_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// What an attempt leaves for later ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateUpdates {
    /// Of the incident's message, for later deliveries of the same webhook and incident.
    pub message_ref: Patch<String>,
    /// For the next attempt of the same delivery.
    pub continuation: Patch<String>,
    /// About the webhook itself.
    pub discovered_settings: Option<String>,
    /// About the incident's ticket; nothing if the webhook's kind makes none.
    pub ticket: Option<LinkUpdate>,
}

/// How the note of an attempt begins whose request carried further deliveries.
pub const SENT_TOGETHER: &str = "sent together with ";
/// The whole note, for who may not see those.
const SENT_TOGETHER_WITH_OTHERS: &str = "sent together with others";

impl Attempt {
    /// Whether its request carried further deliveries: then its bodies tell of other incidents too.
    pub fn is_joint(&self) -> bool {
        let note = self.note.as_deref().unwrap_or_default();
        note.starts_with(SENT_TOGETHER)
    }

    /// The same for a reader who may not see what is about others. No answer: a ticket system that is asked for one ticket may
    /// tell of all. And of a joint request only where it went.
    pub fn for_restricted_reader(self) -> Self {
        let without_detail = |failure| Failure {
            detail: String::new(),
            ..failure
        };
        let is_joint = self.is_joint();
        let answerless = Self {
            outcome: match self.outcome {
                Outcome::Failed(failure) => Outcome::Failed(without_detail(failure)),
                Outcome::Gone(failure) => Outcome::Gone(without_detail(failure)),
                outcome @ (Outcome::Delivered | Outcome::Accepted | Outcome::Step) => outcome,
            },
            response_head: String::new(),
            response_body: Bytes::new(),
            note: None,
            ..self
        };
        if !is_joint {
            return answerless;
        }
        Self {
            // The subject of a mail tells of all that is in it.
            request_head: answerless
                .request_head
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
            request_body: answerless.request_body.map(|_| Bytes::new()),
            note: Some(SENT_TOGETHER_WITH_OTHERS.to_owned()),
            ..answerless
        }
    }
}

/// One attempt as it is kept. Header texts are lines of `name: value`; secrets in them are masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub id: AttemptId,
    /// 1 for the first attempt of a delivery, counted over replays too.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long its phases took.
    pub timings: PhaseTimings,
    /// The address that was connected to.
    pub remote_address: Option<SocketAddr>,
    /// What it came to.
    pub outcome: Outcome,
    /// The response's status, if there was one.
    pub status: Option<u16>,
    /// The request line and headers.
    pub request_head: String,
    /// The request's body, if it was not the event's own; secrets in it are masked.
    pub request_body: Option<Bytes>,
    /// The response's headers.
    pub response_head: String,
    /// The first bytes of the response's body.
    pub response_body: Bytes,
    /// Whether the response's body was longer.
    pub response_body_is_truncated: bool,
    /// What the attempt was for or found out, in a sentence, if its adapter tells.
    pub note: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(note: &str) -> Attempt {
        let secret = || Bytes::from_static(b"other");
        Attempt {
            id: AttemptId::from_bytes([1; 16]),
            number: 1,
            started_at: Timestamp::EPOCH,
            timings: PhaseTimings::default(),
            remote_address: None,
            outcome: Outcome::Failed(Failure::new(FailureCode::ServerError, "other")),
            status: Some(500),
            request_head: "POST /hook\nsubject: other".to_owned(),
            request_body: Some(secret()),
            response_head: "x: other".to_owned(),
            response_body: secret(),
            response_body_is_truncated: false,
            note: Some(note.to_owned()),
        }
    }

    #[test]
    fn a_restricted_reader_sees_no_answer_and_of_a_joint_request_only_where_it_went() {
        let joint = attempt("sent together with 2 others as batch other").for_restricted_reader();
        assert!(
            joint.is_joint() && !format!("{joint:?}").contains("other\""),
            "{joint:?}"
        );
        assert_eq!(
            (joint.status, joint.request_head.as_str()),
            (Some(500), "POST /hook")
        );
        let single = attempt("found 3 tickets: other").for_restricted_reader();
        let is_blank = single.response_head.is_empty() && single.response_body.is_empty();
        let detail = single.outcome.failure().map(|failure| failure.detail.as_str());
        assert!(
            is_blank && single.note.is_none() && detail == Some(""),
            "{single:?}"
        );
        let own = attempt("");
        assert_eq!(
            (single.request_head, single.request_body),
            (own.request_head, own.request_body)
        );
    }
}
