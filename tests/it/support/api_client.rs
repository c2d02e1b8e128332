//! A small JSON client for the API, for tests: one method, real HTTP.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::support::documented::expect_described;

/// Talks to one server with one key.
#[derive(Clone)]
pub struct ApiClient {
    base: String,
    key: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer of the API.
#[derive(Debug)]
pub struct ApiAnswer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub text: String,
}

impl ApiAnswer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// A header; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// The answer, if its status is as expected.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

impl ApiClient {
    pub fn new(base: &str, key: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            base: base.to_owned(),
            key: key.to_owned(),
            client,
        }
    }

    /// The key that it sends.
    pub fn key(&self) -> &str {
        &self.key
    }

    pub async fn get(&self, path: &str) -> ApiAnswer {
        self.send("GET", path, None, &[]).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> ApiAnswer {
        self.send("POST", path, Some(body), &[]).await.unwrap()
    }

    /// Sends a request; an error if the server could not be reached or broke off.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Result<ApiAnswer, String> {
        let bearer = format!("Bearer {}", self.key);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        self.send_as(method, path, body, &all).await
    }

    /// The same with these headers alone: as somebody else.
    pub async fn send_as(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Result<ApiAnswer, String> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = request.body(Full::from(body)).unwrap();
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| error.to_string())?;
        let (parts, body) = response.into_parts();
        let bytes = body
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .to_bytes();
        let answer = ApiAnswer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        };
        let content_type = answer.headers.get("content-type");
        if content_type.is_some_and(|value| value == "application/problem+json") {
            expect_described(method, path, answer.status, &answer.json());
        }
        Ok(answer)
    }
}
