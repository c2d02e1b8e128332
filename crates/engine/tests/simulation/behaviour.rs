//! How receivers behave: each in one way for a while, and what that does to one request.

use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use model::exchange::{ConnectionUse, FailureCode, Response};
use model::time::Timestamp;

use super::chance::Random;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Behaviour {
    Healthy,
    /// Answers after a second or two.
    Slow,
    /// Answers 500 and the like, without doing anything.
    Failing,
    /// Takes the request and never answers.
    Hanging,
    /// 429 or 503, mostly with Retry-After, in seconds or as a date.
    Overloaded,
    /// Refuses the connection.
    Unreachable,
    /// Does what it is asked, and closes the connection instead of answering.
    Deaf,
    /// Does what it is asked, and the answer comes too late.
    Late,
    /// Its answers break off in their bodies.
    Torn,
    /// Gets requests twice where a connection may be used again.
    Repeating,
    /// 410.
    Gone,
    /// Anything.
    Moody,
}

impl Behaviour {
    pub const ALL: [Self; 12] = [
        Self::Healthy,
        Self::Slow,
        Self::Failing,
        Self::Hanging,
        Self::Overloaded,
        Self::Unreachable,
        Self::Deaf,
        Self::Late,
        Self::Torn,
        Self::Repeating,
        Self::Gone,
        Self::Moody,
    ];
    /// What [`Self::Moody`] is at any one moment.
    const PASSING: [Self; 10] = [
        Self::Healthy,
        Self::Slow,
        Self::Failing,
        Self::Hanging,
        Self::Overloaded,
        Self::Unreachable,
        Self::Deaf,
        Self::Late,
        Self::Torn,
        Self::Repeating,
    ];
}

/// What becomes of one request.
pub struct Fate {
    /// Until it is there; nothing if it never gets there.
    pub way_there: Option<Duration>,
    /// How often it arrives.
    pub arrivals: u32,
    /// What is answered without looking at the request; nothing if the receiver works on it.
    pub refusal: Option<Response>,
    pub way_back: WayBack,
}

/// What becomes of the answer.
pub enum WayBack {
    After(Duration),
    /// It comes, but not all of it.
    Torn,
    Lost(FailureCode, Duration),
}

/// What a receiver that behaves so does to one request.
pub fn fate(
    behaviour: Behaviour,
    random: &mut Random,
    now: Timestamp,
    timeout: Duration,
    connection: ConnectionUse,
) -> Fate {
    let quick = Duration::from_millis(random.below(400) as u64);
    let usual = Fate {
        way_there: Some(quick),
        arrivals: 1,
        refusal: None,
        way_back: WayBack::After(quick),
    };
    let behaviour = match behaviour {
        Behaviour::Moody => random.pick(&Behaviour::PASSING),
        other => other,
    };
    match behaviour {
        Behaviour::Healthy | Behaviour::Moody => usual,
        Behaviour::Slow => Fate {
            way_back: WayBack::After(timeout / 2),
            ..usual
        },
        Behaviour::Failing => Fate {
            refusal: Some(answer(random.pick(&[500, 502, 504]), HeaderMap::new())),
            ..usual
        },
        Behaviour::Gone => Fate {
            refusal: Some(answer(410, HeaderMap::new())),
            ..usual
        },
        Behaviour::Overloaded => Fate {
            refusal: Some(overloaded(random, now)),
            ..usual
        },
        Behaviour::Unreachable => Fate {
            way_there: None,
            way_back: WayBack::Lost(FailureCode::ConnectRefused, Duration::ZERO),
            ..usual
        },
        Behaviour::Hanging => Fate {
            arrivals: 0,
            way_back: WayBack::Lost(FailureCode::ResponseTimeout, timeout),
            ..usual
        },
        Behaviour::Deaf => Fate {
            way_back: WayBack::Lost(FailureCode::ConnectionClosed, quick),
            ..usual
        },
        Behaviour::Late => Fate {
            way_back: WayBack::Lost(FailureCode::ResponseTimeout, timeout),
            ..usual
        },
        Behaviour::Torn => Fate {
            way_back: WayBack::Torn,
            ..usual
        },
        Behaviour::Repeating => Fate {
            arrivals: match connection {
                ConnectionUse::Any => 2,
                ConnectionUse::Fresh => 1,
            },
            ..usual
        },
    }
}

fn overloaded(random: &mut Random, now: Timestamp) -> Response {
    let status = random.pick(&[429, 503]);
    let wait = random.pick(&[1, 30, 400, 3600, 9999]);
    let value = match random.below(4) {
        0 => return answer(status, HeaderMap::new()),
        1 => {
            let at = now.plus(Duration::from_secs(wait)).as_seconds();
            let at = jiff::Timestamp::from_second(at).unwrap();
            at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
        }
        _ => wait.to_string(),
    };
    let headers = [(RETRY_AFTER, HeaderValue::try_from(value).unwrap())];
    answer(status, headers.into_iter().collect())
}

fn answer(status: u16, headers: HeaderMap) -> Response {
    Response {
        status,
        headers,
        body: Bytes::new(),
        body_is_truncated: false,
    }
}

impl Behaviour {
    /// Whether it may have something done twice where that cannot be helped.
    pub fn may_double(self) -> bool {
        match self {
            Self::Deaf | Self::Late | Self::Torn | Self::Repeating | Self::Moody => true,
            Self::Healthy
            | Self::Slow
            | Self::Failing
            | Self::Hanging
            | Self::Overloaded
            | Self::Unreachable
            | Self::Gone => false,
        }
    }
}
