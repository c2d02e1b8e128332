//! For tests of adapters: their requests to the simulators of their platforms, and what comes back.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use url::Position;

use destination::task::Rendered;
use model::exchange::{Exchange, PhaseTimings, Response};
use model::time::Timestamp;
use simulators::{Request, Simulator};

/// A fresh platform.
pub fn platform(kind: &str) -> Box<dyn Simulator> {
    simulators::simulator(kind).unwrap()
}

/// What a platform answers to a request.
pub fn ask(platform: &mut dyn Simulator, rendered: &Rendered, now: Timestamp) -> simulators::Response {
    platform.answer(&Request {
        method: &rendered.method,
        target: &rendered.url[Position::BeforePath..],
        headers: &rendered.headers,
        body: &rendered.body,
        now,
    })
}

/// An answer, as an adapter is given it.
pub fn exchange(status: u16, headers: &[(&'static str, String)], body: &str) -> Exchange {
    let headers = headers.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    });
    Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        result: Ok(Response {
            status,
            headers: headers.collect(),
            body: Bytes::from(body.to_owned()),
            body_is_truncated: false,
        }),
    }
}
