//! Receivers of batches, simulated: one address, and on it the paths of ClickHouse (HTTP interface), Elasticsearch and OpenSearch
//! (bulk API), Splunk (HTTP Event Collector), Loki (push API), Datadog (logs intake v2); anywhere else a pipeline that takes lines
//! of JSON, an array (Vector, Fluent Bit) or CloudEvents. Each refuses what its vendor's pages say it refuses. An event whose
//! title holds `poison` is one that it does not take.

mod platforms;
mod read;

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::batch::platforms::Taken;
use crate::message::Message;
use crate::simulator::{Fault, MAX_MESSAGES, Request, Response, Simulator};

/// The largest body, unpacked, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

const FAULTS: [Fault; 7] = [
    fault("unauthorized", "401"),
    fault("rate_limit", "429 with Retry-After: 7"),
    fault("too_large", "413"),
    fault("unavailable", "503"),
    fault("html", "502 with a web page"),
    fault("sign_in", "200 with a web page"),
    fault(
        "lost",
        "the batch is taken, and the connection breaks before the answer",
    ),
];

const fn fault(name: &'static str, meaning: &'static str) -> Fault {
    Fault { name, meaning }
}

/// The receiver, with what it took in memory.
#[derive(Default)]
pub struct Batch {
    messages: Vec<Message>,
    /// Ids of documents that Elasticsearch has.
    ids: Vec<String>,
    next_fault: Option<&'static str>,
}

impl Simulator for Batch {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        let fault = self.next_fault.take();
        match fault {
            Some("unauthorized") => return refusal(401, "who are you?"),
            Some("rate_limit") => {
                let mut response = refusal(429, "too many requests");
                response.headers.push(("retry-after", "7".to_owned()));
                return response;
            }
            Some("too_large") => return refusal(413, "the body is too large"),
            Some("unavailable") => return refusal(503, "come again later"),
            Some("html") => return Response::page(502, "Bad gateway", "sent a web page".to_owned()),
            Some("sign_in") => return Response::page(200, "Sign in", "sent a web page".to_owned()),
            Some(_) | None => {}
        }
        let response = self.take(request).unwrap_or_else(|refused| *refused);
        Response {
            is_lost: fault == Some("lost"),
            ..response
        }
    }

    fn faults(&self) -> &'static [Fault] {
        &FAULTS
    }

    fn fail_next(&mut self, fault: &str) -> bool {
        let known = FAULTS.iter().find(|known| known.name == fault);
        self.next_fault = known.map(|known| known.name);
        known.is_some()
    }

    fn messages(&self) -> Vec<Message> {
        self.messages.clone()
    }

    fn url(&self, address: &str) -> String {
        format!("{address}/events")
    }
}

impl Batch {
    fn take(&mut self, request: &Request<'_>) -> Result<Response, Refused> {
        if request.method != Method::POST {
            return Err(refused(405, "batches are posted"));
        }
        let body = read::unpacked(request, MAX_BODY_BYTES)?;
        let content_type = request.headers.get(CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let call = platforms::Call {
            target: request.target,
            content_type: content_type.split(';').next().unwrap_or_default().trim(),
            headers: request.headers,
            body: &body,
        };
        let Taken { events, response } = platforms::take(&call, &mut self.ids)?;
        let count = events.len();
        let mut shown = Vec::new();
        for event in &events {
            let mut message = Message::default();
            message.add(&serde_json::to_string_pretty(event).unwrap_or_default());
            shown.push(message);
        }
        let last = shown.last().cloned();
        self.messages.extend(shown);
        let surplus = self.messages.len().saturating_sub(MAX_MESSAGES);
        self.messages.drain(..surplus);
        Ok(Response {
            message: last,
            sentence: format!("took {count} events"),
            ..response
        })
    }
}

/// Whether an event is one that is refused.
fn is_poison(event: &Value) -> bool {
    event.to_string().contains("poison")
}

/// A request that was refused, and the answer to it.
type Refused = Box<Response>;

fn refused(status: u16, why: &str) -> Refused {
    Box::new(refusal(status, why))
}

fn refusal(status: u16, why: &str) -> Response {
    Response::json(status, &json!({ "error": why }), format!("refused: {why}"))
}
