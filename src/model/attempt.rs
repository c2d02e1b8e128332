//! One attempt of a delivery: what was sent, what came back, and how it is classified.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::model::exchange::{FailureCode, PhaseTimings};
use crate::model::id::AttemptId;
use crate::model::time::Timestamp;

/// What an attempt means for its delivery: an adapter's verdict on an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Delivered,
    /// It failed, and may be tried again.
    Failed(Failure),
    /// It failed, and the receiver wants nothing any more: the delivery is dead, the webhook is disabled.
    Gone(Failure),
}

impl Outcome {
    /// The failure, if there is one.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Delivered => None,
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
}

/// One attempt as it is kept. Header texts are lines of `name: value`; secrets in them are masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its id.
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
    /// The response's headers.
    pub response_head: String,
    /// The first bytes of the response's body.
    pub response_body: Bytes,
    /// Whether the response's body was longer.
    pub response_body_is_truncated: bool,
}
