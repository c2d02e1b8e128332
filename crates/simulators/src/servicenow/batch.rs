//! The Batch API: several requests in one, each answered as if it had come alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::servicenow::answer::Refusal;
use crate::servicenow::call::{self, Call, Route};
use crate::servicenow::instance::Instance;
use crate::servicenow::serve;
use crate::simulator::{Request, Response};
use model::time::Timestamp;

/// The most requests in one.
const MAX_REQUESTS: usize = 200;

#[derive(Debug, Deserialize)]
struct Batch {
    batch_request_id: Value,
    rest_requests: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    exclude_response_headers: bool,
}

#[derive(Debug, Deserialize)]
struct Header {
    name: String,
    value: String,
}

/// Answers several requests.
pub fn answer(instance: &mut Instance, call: &Call<'_>, now: Timestamp) -> Result<Response, Refusal> {
    if call.method != Method::POST {
        return Err(call::no_method());
    }
    let refuse = || {
        Refusal::new(
            400,
            "Exception while reading request",
            "The payload is not a batch.",
        )
    };
    let batch: Batch = serde_json::from_slice(call.body).map_err(|_| refuse())?;
    let id = batch
        .batch_request_id
        .as_str()
        .map_or_else(|| batch.batch_request_id.to_string(), str::to_owned);
    let served: Vec<Value> = batch
        .rest_requests
        .iter()
        .take(MAX_REQUESTS)
        .map(|item| item.answer(instance, call, now))
        .collect();
    let left: Vec<&str> = batch
        .rest_requests
        .iter()
        .skip(MAX_REQUESTS)
        .map(|item| item.id.as_str())
        .collect();
    let sentence = format!("served {} requests in one", served.len());
    let body = json!({ "batch_request_id": id, "serviced_requests": served, "unserviced_requests": left });
    Ok(Response::json(200, &body, sentence))
}

impl Item {
    fn answer(&self, instance: &mut Instance, outer: &Call<'_>, now: Timestamp) -> Value {
        let answer = self
            .served(instance, outer, now)
            .unwrap_or_else(|refusal| refusal.answer());
        let reason = StatusCode::from_u16(answer.status)
            .ok()
            .and_then(|status| status.canonical_reason());
        let headers: Vec<Value> = answer
            .headers
            .iter()
            .filter(|_| !self.exclude_response_headers)
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        json!({
            "id": self.id,
            "body": STANDARD.encode(&answer.body),
            "status_code": answer.status,
            "status_text": reason,
            "headers": headers,
            "execution_time": 1,
        })
    }

    fn served(&self, instance: &mut Instance, outer: &Call<'_>, now: Timestamp) -> Result<Response, Refusal> {
        let body = STANDARD
            .decode(&self.body)
            .map_err(|_| Refusal::plain(400, "the body is no base64"))?;
        let method: Method = self.method.parse().map_err(|_| call::no_method())?;
        let mut headers: HeaderMap = self.headers.iter().filter_map(Header::read).collect();
        if let Some(host) = outer.headers.get(http::header::HOST) {
            headers.insert(http::header::HOST, host.clone());
        }
        let request = Request {
            method: &method,
            target: &self.url,
            headers: &headers,
            body: &body,
            now,
        };
        let call = Call::read(&request, outer.user.clone())?;
        match call.route {
            Route::Batch => Err(Refusal::plain(400, "a batch cannot hold another")),
            _ => serve(instance, &call, now),
        }
    }
}

impl Header {
    fn read(&self) -> Option<(HeaderName, HeaderValue)> {
        Some((self.name.parse().ok()?, self.value.parse().ok()?))
    }
}
