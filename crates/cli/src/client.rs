//! A small blocking client of the HTTP API. Turns every answer into a value or a [`Failure`].

use std::io::Read;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::tls::{TlsConfig, TlsProvider};
use ureq::{Agent, Body, SendBody};
use url::{Url, form_urlencoded};

use model::secret::SecretText;
use outbound::tls_sentence;

use super::failure::{Failure, Problem};

/// The longest answer that is read into memory.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A Send Test may take the webhook's whole timeout, a backup longer.
const RESPONSE_LIMIT: Duration = Duration::from_secs(300);
/// What may stand in a segment of a path as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-').remove(b'.');

/// What a list or a filter asks for: names and values.
pub type Query = Vec<(&'static str, String)>;

/// Speaks to one server.
pub struct Client {
    agent: Agent,
    base: String,
    key: Option<SecretText>,
}

/// An answer of the server.
pub struct Answer {
    /// The answer as it came.
    pub text: String,
    /// The same, read; null if it was empty.
    pub value: Value,
}

impl Client {
    /// A client of the server at this address.
    pub fn new(url: &str, key: Option<SecretText>) -> Result<Self, Failure> {
        let parsed = Url::parse(url).ok();
        let parsed = parsed.filter(|url| ["http", "https"].contains(&url.scheme()) && url.host().is_some());
        let parsed = parsed.ok_or_else(|| {
            Failure::Usage(format!(
                "--url {url:?} is not a web address; write http://127.0.0.1:8080"
            ))
        })?;
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        let builder = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_LIMIT))
            .timeout_recv_response(Some(RESPONSE_LIMIT))
            .user_agent(concat!("opsknight-cli/", env!("CARGO_PKG_VERSION")));
        // A proxy has no way to this machine's own loopback.
        let builder = if is_loopback(&parsed) {
            builder.proxy(None)
        } else {
            builder
        };
        Ok(Self {
            agent: builder.build().new_agent(),
            base: url.trim_end_matches('/').to_owned(),
            key,
        })
    }

    /// Reads something.
    pub fn get(&self, path: &str, query: &Query) -> Result<Answer, Failure> {
        self.call(Method::GET, path, query, None)
    }

    /// Creates something or does something.
    pub fn post(&self, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        self.call(Method::POST, path, &Vec::new(), body)
    }

    /// Changes something.
    pub fn patch(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.call(Method::PATCH, path, &Vec::new(), Some(body))
    }

    /// Deletes something.
    pub fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.call(Method::DELETE, path, &Vec::new(), None)
    }

    /// Opens an answer that comes bit by bit.
    pub fn open(
        &self,
        path: &str,
        query: &Query,
        headers: &[(&str, &str)],
    ) -> Result<Box<dyn Read>, Failure> {
        let mut request = self.request(Method::GET, path, query);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(SendBody::none());
        let mut response = self.exchange(request)?;
        if !response.status().is_success() {
            return Err(Failure::Refused(problem(&mut response)));
        }
        let body = response.into_body().into_with_config().limit(u64::MAX);
        Ok(Box::new(body.reader()))
    }

    fn call(
        &self,
        method: Method,
        path: &str,
        query: &Query,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let request = self.request(method, path, query);
        let mut response = match body {
            Some(body) => {
                let text = body.to_string();
                self.exchange(request.header("content-type", "application/json").body(text))?
            }
            None => self.exchange(request.body(SendBody::none()))?,
        };
        if !response.status().is_success() {
            return Err(Failure::Refused(problem(&mut response)));
        }
        let text = read(&mut response).map_err(|error| self.unreachable(&error))?;
        let value = match text.trim() {
            "" => Value::Null,
            json => serde_json::from_str(json).map_err(|_| {
                Failure::other(format!(
                    "{} answered something else than JSON; check --url",
                    self.base
                ))
            })?,
        };
        Ok(Answer { text, value })
    }

    fn request(&self, method: Method, path: &str, query: &Query) -> http::request::Builder {
        let mut url = format!("{}{path}", self.base);
        if !query.is_empty() {
            let pairs = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(query)
                .finish();
            url.push('?');
            url.push_str(&pairs);
        }
        let request = Request::builder().method(method).uri(url);
        match &self.key {
            Some(key) => request.header("authorization", format!("Bearer {}", key.reveal())),
            None => request,
        }
    }

    fn exchange(
        &self,
        request: http::Result<Request<impl ureq::AsSendBody>>,
    ) -> Result<Response<Body>, Failure> {
        let request = request.map_err(|_| {
            Failure::Usage("the URL or the key has characters that no request can carry".into())
        })?;
        self.agent.run(request).map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::Unreachable {
            url: self.base.clone(),
            reason: in_words(error),
        }
    }
}

/// Why a server cannot be reached. What TLS has to say stands in an I/O error, in words for those who wrote the library.
fn in_words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Rustls(error) => tls_sentence(error),
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(error) => tls_sentence(error),
            None => error.to_string(),
        },
        other => other.to_string(),
    }
}

/// A text as one segment of a path.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

fn read(response: &mut Response<Body>) -> Result<String, ureq::Error> {
    response
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER_BYTES)
        .lossy_utf8(true)
        .read_to_string()
}

fn problem(response: &mut Response<Body>) -> Problem {
    let status = response.status().as_u16();
    let text = read(response).unwrap_or_default();
    Problem {
        status,
        body: serde_json::from_str(&text).ok().filter(Value::is_object),
        text,
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
