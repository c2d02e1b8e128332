//! The default format: the event's body as it was committed, judged by the HTTP status alone.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};

use crate::adapters::about::{About, Confirmation, Signature, UrlField};
use crate::adapters::task::{Judgement, Rendered, Task};
use crate::adapters::{Adapter, status};
use crate::model::attempt::Failure;
use crate::model::exchange::Exchange;
use crate::model::time::Timestamp;

/// Signed JSON over HTTP.
pub struct Generic;

static ABOUT: About = About {
    kind: "generic",
    name: "Webhook",
    summary: "Signed JSON over HTTP, for programs of your own: displays, alerting, analytics, bots, anything with an \
              address.",
    url: UrlField::Open {
        placeholder: "https://example.com/hooks/opsknight",
        hint: "Receives each event as a signed POST.",
    },
    fields: &[],
    steps: &[],
    signature: Signature::Ours,
    confirmation: Confirmation::Taken,
};

impl Adapter for Generic {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn render(&self, task: &Task<'_>) -> Result<Rendered, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Rendered {
            method: Method::POST,
            url: task.target.url.clone(),
            shown_url: None,
            headers,
            body: task.event.body.clone(),
        })
    }

    fn classify(&self, _: &Task<'_>, exchange: &Exchange, now: Timestamp) -> Judgement {
        status::classify(exchange, now).into()
    }
}
