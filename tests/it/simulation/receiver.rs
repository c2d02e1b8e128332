//! Scripted receivers: each is in a behaviour for a while, and even a good behaviour has bad moments.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use model::exchange::{Exchange, FailureCode, PhaseTimings, Reach, Response, SendFailure};
use model::time::Timestamp;

use super::chance::Rng;

/// How a receiver behaves at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Healthy,
    /// Answers 500.
    Failing,
    /// Takes the request and never answers.
    Hanging,
    /// 429 or 503 with Retry-After, in seconds or as a date.
    Overloaded,
    /// Refuses the connection.
    Unreachable,
    /// Anything.
    Moody,
    /// 410.
    Gone,
}

impl Behaviour {
    pub const ALL: [Self; 7] = [
        Self::Healthy,
        Self::Failing,
        Self::Hanging,
        Self::Overloaded,
        Self::Unreachable,
        Self::Moody,
        Self::Gone,
    ];
}

/// What a receiver does with one request.
pub struct Reaction {
    /// Whether the request reached it at all.
    pub is_received: bool,
    pub takes: Duration,
    pub exchange: Exchange,
}

impl Reaction {
    /// Whether it took the event, whoever heard of it.
    pub fn is_success(&self) -> bool {
        let response = self.exchange.result.as_ref();
        response.is_ok_and(|response| (200..300).contains(&response.status))
    }
}

/// What a receiver in a behaviour does with one request.
pub fn react(behaviour: Behaviour, rng: &mut Rng, now: Timestamp, timeout: Duration) -> Reaction {
    let quick = rng.millis_up_to(1).min(timeout);
    match behaviour {
        Behaviour::Healthy => answer(rng.pick(&[200, 201, 204]), HeaderMap::new(), quick),
        Behaviour::Failing => answer(rng.pick(&[500, 502, 404, 302]), HeaderMap::new(), quick),
        Behaviour::Gone => answer(410, HeaderMap::new(), quick),
        Behaviour::Hanging => silence(FailureCode::ResponseTimeout, true, timeout),
        Behaviour::Unreachable => silence(FailureCode::ConnectRefused, false, Duration::ZERO),
        Behaviour::Overloaded => {
            let wait = rng.pick(&[1, 30, 400, 3600, 9999]);
            let at = now.plus(Duration::from_secs(wait)).as_seconds();
            let value = if rng.one_in(2) {
                wait.to_string()
            } else {
                let at = jiff::Timestamp::from_second(at).unwrap();
                at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
            };
            let headers = [(http::header::RETRY_AFTER, HeaderValue::try_from(value).unwrap())];
            answer(rng.pick(&[429, 503]), headers.into_iter().collect(), quick)
        }
        Behaviour::Moody => {
            let behaviour = rng.pick(&Behaviour::ALL[..5]);
            react(behaviour, rng, now, timeout)
        }
    }
}

fn answer(status: u16, headers: HeaderMap, takes: Duration) -> Reaction {
    let response = Response {
        status,
        headers,
        body: Bytes::from_static(b"seen"),
        body_is_truncated: false,
    };
    Reaction {
        is_received: true,
        takes,
        exchange: exchange(Reach::MaybeSent, Ok(response)),
    }
}

fn silence(code: FailureCode, is_received: bool, takes: Duration) -> Reaction {
    let failure = SendFailure {
        code,
        detail: "as the script says".into(),
    };
    let reach = match is_received {
        true => Reach::MaybeSent,
        false => Reach::NotSent,
    };
    Reaction {
        is_received,
        takes,
        exchange: exchange(reach, Err(failure)),
    }
}

fn exchange(reach: Reach, result: Result<Response, SendFailure>) -> Exchange {
    Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        reach,
        result,
    }
}
