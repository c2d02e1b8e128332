//! What the tests of the formats share.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::Format;
use crate::request::{Answer, Reading, SourceRequest};
use model::secret::SecretText;
use model::signal::Signal;
use model::source_kind::SourceOptions;
use model::time::Timestamp;

/// The moment of all tests: 2026-11-29T12:00:00Z.
pub(crate) fn now() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

/// A request that is being made up.
pub(crate) struct Given {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub options: SourceOptions,
    pub secret: Option<SecretText>,
}

impl Given {
    /// A `POST`.
    pub fn post(path: &str, body: impl AsRef<[u8]>) -> Self {
        Self {
            method: Method::POST,
            path: path.to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: body.as_ref().to_vec(),
            options: SourceOptions::default(),
            secret: None,
        }
    }

    /// The same with a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).unwrap();
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    /// It as a format reads it.
    pub fn request(&self) -> SourceRequest<'_> {
        SourceRequest {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            body: &self.body,
            now: now(),
            options: &self.options,
            secret: self.secret.as_ref(),
            certificate: None,
        }
    }
}

/// What a request says; it must be read.
pub(crate) fn signals(format: &dyn Format, given: &Given) -> Vec<Signal> {
    match format.read(&given.request()) {
        Ok(Reading::Signals { signals, .. }) => signals,
        other => panic!("not read: {other:?}"),
    }
}

/// What a request is answered; it must be read.
pub(crate) fn answer(format: &dyn Format, given: &Given) -> Answer {
    match format.read(&given.request()) {
        Ok(Reading::Signals { answer, .. } | Reading::Question(answer)) => answer,
        other => panic!("not read: {other:?}"),
    }
}
