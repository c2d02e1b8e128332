//! The default format: the event's body as it was committed, judged by the HTTP status alone.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};

use crate::adapters::{Adapter, Rendered, status};
use crate::model::attempt::{Failure, Outcome};
use crate::model::event::Event;
use crate::model::exchange::Exchange;
use crate::model::time::Timestamp;
use crate::model::webhook::Webhook;

/// Signed JSON over HTTP.
pub struct Generic;

impl Adapter for Generic {
    fn render(&self, webhook: &Webhook, event: &Event) -> Result<Rendered, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Rendered {
            method: Method::POST,
            url: webhook.settings.url.clone(),
            headers,
            body: event.body.clone(),
        })
    }

    fn classify(&self, exchange: &Exchange, now: Timestamp) -> Outcome {
        status::classify(exchange, now)
    }
}
