//! The default format: the event's body as it was committed, judged by the HTTP status alone.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};

use destination::Adapter;
use destination::about::{Confirmation, KindDescription, Signature, UrlField};
use destination::status;
use destination::task::{Rendered, Step, Task};

/// Signed JSON over HTTP.
pub struct Generic;

static ABOUT: KindDescription = KindDescription {
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
    fn description(&self) -> &'static KindDescription {
        &ABOUT
    }

    fn step(&self, task: &Task<'_>) -> Step {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let (url, body) = (task.target.url.clone(), task.event.body.clone());
        let rendered = Rendered::new(Method::POST, url, headers, body);
        Step::send(Ok(rendered), |_, exchange, now| {
            status::classify(exchange, now).into()
        })
    }
}
