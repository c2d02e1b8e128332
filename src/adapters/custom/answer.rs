//! What an answer means: nothing is known of the receiver, so that its status alone counts.

use crate::adapters::status;
use crate::adapters::task::Judgement;
use crate::model::exchange::Exchange;
use crate::model::time::Timestamp;

/// Judges an exchange.
pub(super) fn classify(exchange: &Exchange, now: Timestamp) -> Judgement {
    status::classify(exchange, now).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::attempt::Outcome;
    use crate::model::exchange::{FailureCode, PhaseTimings, Response};

    fn outcome(status: u16) -> Outcome {
        let response = Response {
            status,
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
            body_is_truncated: false,
        };
        let exchange = Exchange {
            notice: None,
            timings: PhaseTimings::default(),
            remote_address: None,
            result: Ok(response),
        };
        classify(&exchange, Timestamp::EPOCH).outcome
    }

    #[test]
    fn the_status_alone_counts() {
        let code = |status| outcome(status).failure().map(|failure| failure.code);
        assert_eq!(outcome(204), Outcome::Delivered);
        assert!(matches!(outcome(410), Outcome::Gone(_)));
        assert_eq!(code(404), Some(FailureCode::ClientError));
        assert_eq!(code(429), Some(FailureCode::RateLimited));
        assert_eq!(code(503), Some(FailureCode::ServerError));
    }
}
