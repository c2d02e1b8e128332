//! Adapters: what a kind of webhook is sent, and what its answers mean. Pure: no clock, no socket, no store.
//!
//! Adding a kind means: a file here, a name in `model::webhook::WebhookKind`, and one line in [`adapter`].

mod generic;
mod status;

use bytes::Bytes;
use http::{HeaderMap, Method};
use url::Url;

use crate::model::attempt::{Failure, Outcome};
use crate::model::event::Event;
use crate::model::exchange::Exchange;
use crate::model::time::Timestamp;
use crate::model::webhook::{Webhook, WebhookKind};

/// What an adapter makes of an event: a request before it is signed.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers of the kind's own, such as `Content-Type`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// One kind of webhook.
pub trait Adapter: Send + Sync {
    /// The request for an event, or why there can be none.
    fn render(&self, webhook: &Webhook, event: &Event) -> Result<Rendered, Failure>;

    /// What came back, judged.
    fn classify(&self, exchange: &Exchange, now: Timestamp) -> Outcome;
}

/// The adapter that speaks to a kind.
pub fn adapter(kind: WebhookKind) -> &'static dyn Adapter {
    match kind {
        WebhookKind::Generic => &generic::Generic,
    }
}
