//! What an HTTP status means for a delivery: the table "What counts as what" of the contract.

use http::header::LOCATION;

use crate::waits;
use model::attempt::{Failure, Outcome};
use model::exchange::{Exchange, FailureCode, Response};
use model::time::Timestamp;

/// Judges an exchange by its status.
pub fn classify(exchange: &Exchange, now: Timestamp) -> Outcome {
    let response = match &exchange.result {
        Ok(response) => response,
        Err(failure) => {
            return Outcome::Failed(Failure::new(failure.code, failure.detail.clone()));
        }
    };
    let code = match response.status {
        200..=299 => return Outcome::Delivered,
        300..=399 => FailureCode::Redirect,
        410 => FailureCode::Gone,
        429 => FailureCode::RateLimited,
        400..=499 => FailureCode::ClientError,
        500..=599 => FailureCode::ServerError,
        _ => FailureCode::UnexpectedStatus,
    };
    let retry_after = match response.status {
        429 => waits::told(&response.headers, now),
        503 => waits::retry_after(&response.headers, now),
        _ => None,
    };
    let failure = Failure {
        retry_after,
        ..Failure::new(code, sentence(response))
    };
    if code == FailureCode::Gone {
        Outcome::Gone(failure)
    } else {
        Outcome::Failed(failure)
    }
}

/// Judges an answer that is not as `platform` answers: a firewall or proxy on the way may have given it, and what that says
/// of one request says nothing of the webhook. Like [`classify`], but a refusal concerns this delivery alone.
pub fn foreign(exchange: &Exchange, platform: &str, now: Timestamp) -> Outcome {
    let status = exchange.result.as_ref().map_or(0, |response| response.status);
    match classify(exchange, now) {
        Outcome::Failed(failure) | Outcome::Gone(failure)
            if matches!(failure.code, FailureCode::ClientError | FailureCode::Gone) =>
        {
            Outcome::Failed(Failure::new(
                FailureCode::ClientError,
                foreign_sentence(status, platform),
            ))
        }
        outcome => outcome,
    }
}

/// Who may have refused, if it was not the platform.
pub fn foreign_sentence(status: u16, platform: &str) -> String {
    format!(
        "the address answered {status}, and not as {platform} does: a firewall or proxy on the way may refuse this \
         message, or the webhook's URL is wrong"
    )
}

fn sentence(response: &Response) -> String {
    match response.headers.get(LOCATION) {
        Some(_) if (300..=399).contains(&response.status) => {
            format!(
                "the receiver answered {} and points elsewhere; redirects are not followed",
                response.status
            )
        }
        Some(_) | None => format!("the receiver answered {}", response.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::header::RETRY_AFTER;
    use http::{HeaderMap, HeaderValue};
    use model::attempt::Disposition;
    use model::exchange::{PhaseTimings, Reach, SendFailure};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn exchange(status: u16, retry_after: Option<&'static str>) -> Exchange {
        let mut headers = HeaderMap::new();
        headers.extend(retry_after.map(|value| (RETRY_AFTER, HeaderValue::from_static(value))));
        let response = Response {
            status,
            headers,
            body: Bytes::new(),
            body_is_truncated: false,
        };
        Exchange {
            notice: None,
            timings: PhaseTimings::default(),
            remote_address: None,
            reach: Reach::MaybeSent,
            result: Ok(response),
        }
    }

    fn code(status: u16) -> Option<FailureCode> {
        classify(&exchange(status, None), NOW)
            .failure()
            .map(|failure| failure.code)
    }

    #[test]
    fn only_2xx_is_delivered() {
        assert_eq!([200, 201, 204, 299].map(code), [None; 4]);
        assert_eq!(code(302), Some(FailureCode::Redirect));
        assert_eq!(code(404), Some(FailureCode::ClientError));
        assert_eq!(code(500), Some(FailureCode::ServerError));
        assert_eq!(code(999), Some(FailureCode::UnexpectedStatus));
    }

    #[test]
    fn gone_ends_the_delivery() {
        assert!(matches!(classify(&exchange(410, None), NOW), Outcome::Gone(_)));
    }

    #[test]
    fn what_the_platform_did_not_answer_ends_nothing() {
        let judge = |status| foreign(&exchange(status, None), "Chat", NOW);
        let refused = [400, 401, 403, 404, 406, 410, 451].map(|status| {
            let outcome = judge(status);
            outcome
                .failure()
                .map(|failure| (failure.code, failure.disposition))
        });
        assert_eq!(
            refused,
            [Some((FailureCode::ClientError, Disposition::Backoff)); 7]
        );
        assert!(matches!(judge(410), Outcome::Failed(_)));
        let kept = [302, 429, 503].map(|status| judge(status) == classify(&exchange(status, None), NOW));
        assert_eq!(kept, [true; 3]);
    }

    #[test]
    fn retry_after_counts_only_with_429_and_503() {
        let wait = |status| {
            classify(&exchange(status, Some("120")), NOW)
                .failure()
                .and_then(|failure| failure.retry_after)
        };
        let two_minutes = Some(Duration::from_secs(120));
        assert_eq!([429, 503, 500].map(wait), [two_minutes, two_minutes, None]);
    }

    #[test]
    fn no_response_keeps_its_own_code() {
        let failure = SendFailure {
            code: FailureCode::ConnectRefused,
            detail: "refused".into(),
        };
        let exchange = Exchange {
            notice: None,
            timings: PhaseTimings::default(),
            remote_address: None,
            reach: Reach::NotSent,
            result: Err(failure),
        };
        let outcome = classify(&exchange, NOW);
        assert_eq!(
            outcome.failure().map(|failure| failure.code),
            Some(FailureCode::ConnectRefused)
        );
    }
}
