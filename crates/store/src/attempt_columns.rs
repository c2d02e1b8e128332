//! An attempt as the columns of its row, the same in every backend.

use std::time::Duration;

use crate::head_text::{self, Beside};
use model::attempt::{Attempt, Disposition, Outcome};
use model::exchange::FailureCode;
use model::id::DeliveryId;

/// The columns of an attempt that are not simply its fields.
pub struct AttemptColumns<'a> {
    pub outcome: &'static str,
    pub failure: Option<&'static str>,
    pub failure_detail: Option<&'a str>,
    pub retry_after_ms: Option<i64>,
    pub dns_us: Option<i64>,
    pub connect_us: Option<i64>,
    pub tls_us: Option<i64>,
    pub first_byte_us: Option<i64>,
    pub total_us: i64,
    pub remote_address: Option<String>,
    /// The heads as [`head_text::pack`] writes them.
    pub request_head: String,
    pub response_head: String,
    /// What helps, where it is not the schedule: the column is younger than the table.
    pub remedy: Option<&'static str>,
}

impl<'a> AttemptColumns<'a> {
    /// The columns of this attempt.
    pub fn new(delivery_id: DeliveryId, attempt: &'a Attempt) -> Self {
        let failure = attempt.outcome.failure();
        let timings = &attempt.timings;
        let beside = Beside {
            delivery_id,
            started_at: attempt.started_at,
        };
        Self {
            outcome: attempt.outcome.as_str(),
            failure: failure.map(|failure| failure.code).map(FailureCode::as_str),
            failure_detail: failure.map(|failure| failure.detail.as_str()),
            retry_after_ms: failure.and_then(|failure| failure.retry_after).map(millis),
            dns_us: timings.dns_us.map(signed),
            connect_us: timings.connect_us.map(signed),
            tls_us: timings.tls_us.map(signed),
            first_byte_us: timings.first_byte_us.map(signed),
            total_us: signed(timings.total_us),
            remote_address: attempt.remote_address.map(|address| address.to_string()),
            request_head: head_text::pack(&attempt.request_head, beside),
            response_head: head_text::pack(&attempt.response_head, beside),
            remedy: remedy_name(&attempt.outcome),
        }
    }
}

/// A duration as a column has it.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn remedy_name(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Failed(failure) if failure.disposition != Disposition::Backoff => {
            Some(failure.disposition.as_str())
        }
        Outcome::Delivered | Outcome::Accepted | Outcome::Step | Outcome::Failed(_) | Outcome::Gone(_) => {
            None
        }
    }
}

fn signed(microseconds: u64) -> i64 {
    i64::try_from(microseconds).unwrap_or(i64::MAX)
}
