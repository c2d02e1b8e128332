//! One attempt: render, sign, send, judge, and decide what follows.

use std::fmt::Write as _;
use std::sync::Arc;

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::Source;
use crate::dispatch::prepared::Prepared;
use crate::model::attempt::{Attempt, Failure, Outcome};
use crate::model::delivery::{ClaimedDelivery, NextStep};
use crate::model::exchange::{Exchange, OutboundRequest, PhaseTimings};
use crate::model::retry::RetrySchedule;
use crate::model::time::Timestamp;
use crate::outbound::Client;
use crate::store::queue::AttemptRecord;

/// What every request says it comes from.
const PRODUCT: HeaderValue = HeaderValue::from_static(concat!("OpsKnight/", env!("CARGO_PKG_VERSION")));
const EVENT: HeaderName = HeaderName::from_static("x-opsknight-event");
const DELIVERY: HeaderName = HeaderName::from_static("x-opsknight-delivery");
const ATTEMPT: HeaderName = HeaderName::from_static("x-opsknight-attempt");
/// Marks a Send Test.
const TEST: HeaderName = HeaderName::from_static("x-opsknight-test");

/// Makes attempts.
#[derive(Clone)]
pub struct Deliverer {
    /// Sends.
    pub client: Client,
    /// Time and randomness.
    pub source: Source,
}

impl Deliverer {
    /// Sends a delivery once, and says what it means.
    pub async fn attempt(&self, prepared: &Prepared, delivery: &ClaimedDelivery) -> AttemptRecord {
        let started_at = self.source.now();
        let (request_head, outcome, exchange) = match build_request(prepared, delivery, started_at) {
            Ok(request) => {
                let request_head = describe_request(&request, &prepared.headers);
                let exchange = self.client.send(request).await;
                let outcome = prepared.adapter.classify(&exchange, self.source.now());
                (request_head, outcome, Some(exchange))
            }
            Err(failure) => (String::new(), Outcome::Failed(failure), None),
        };
        let made = Made {
            started_at,
            request_head,
            outcome,
            exchange,
        };
        conclude(&self.source, prepared, delivery, made)
    }
}

/// An attempt as it was made, before it is known what follows.
pub struct Made {
    /// When it began.
    pub started_at: Timestamp,
    /// What was sent, without secrets.
    pub request_head: String,
    /// How the adapter judged it.
    pub outcome: Outcome,
    /// What came back, unless nothing could be sent.
    pub exchange: Option<Exchange>,
}

/// Decides what follows an attempt that ended now.
pub fn conclude(
    source: &Source,
    prepared: &Prepared,
    delivery: &ClaimedDelivery,
    made: Made,
) -> AttemptRecord {
    let none = RetrySchedule::none();
    let is_test = delivery.event.is_test;
    let schedule = if is_test {
        &none
    } else {
        &prepared.webhook.settings.retry_schedule
    };
    let share = source.random_share();
    let Made {
        started_at,
        request_head,
        outcome,
        exchange,
    } = made;
    let schedule_attempts = delivery.schedule_attempts + 1;
    let next_step = NextStep::after_attempt(&outcome, schedule, schedule_attempts, source.now(), share);
    let disable_webhook = match &outcome {
        Outcome::Gone(_) if !is_test => Some("the receiver answered 410 Gone".to_owned()),
        Outcome::Gone(_) | Outcome::Delivered | Outcome::Failed(_) => None,
    };
    let exchange = exchange.as_ref();
    let response = exchange.and_then(|exchange| exchange.result.as_ref().ok());
    let attempt = Attempt {
        id: source.new_attempt_id(),
        number: delivery.attempts_made + 1,
        started_at,
        timings: exchange.map_or_else(PhaseTimings::default, |exchange| exchange.timings),
        remote_address: exchange.and_then(|exchange| exchange.remote_address),
        status: response.map(|response| response.status),
        request_head,
        response_head: response
            .map(|response| describe_headers(&response.headers))
            .unwrap_or_default(),
        response_body: response.map(|response| response.body.clone()).unwrap_or_default(),
        response_body_is_truncated: response.is_some_and(|response| response.body_is_truncated),
        outcome,
    };
    AttemptRecord {
        delivery_id: delivery.id,
        webhook_id: delivery.webhook_id,
        incident_id: delivery.event.incident_id,
        delivery_created_at: delivery.created_at,
        is_test,
        event_sequence: delivery.event.sequence,
        claim: delivery.claim,
        attempt,
        next_step,
        disable_webhook,
    }
}

/// The request of an attempt that begins now, signed.
pub fn build_request(
    prepared: &Prepared,
    delivery: &ClaimedDelivery,
    now: Timestamp,
) -> Result<OutboundRequest, Failure> {
    let event = &delivery.event;
    let rendered = prepared.adapter.render(&prepared.webhook, event)?;
    let delivery_id = delivery.id.to_string();
    let signatures = prepared
        .signer(now)
        .sign(&delivery_id, now.as_seconds(), &rendered.body);
    let mut headers = HeaderMap::with_capacity(16);
    headers.extend(
        prepared
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    headers.extend(rendered.headers);
    headers.insert(USER_AGENT, PRODUCT);
    headers.insert(EVENT, HeaderValue::from_static(event.name.as_str()));
    headers.extend(
        HeaderValue::try_from(delivery_id)
            .ok()
            .map(|value| (DELIVERY, value)),
    );
    headers.insert(ATTEMPT, HeaderValue::from(delivery.attempts_made + 1));
    headers.extend(signatures);
    if event.is_test {
        headers.insert(TEST, HeaderValue::from_static("true"));
    }
    Ok(OutboundRequest {
        method: rendered.method,
        url: rendered.url,
        headers,
        body: rendered.body,
        timeout: prepared.webhook.settings.timeout,
        tls: prepared.tls.as_ref().map(Arc::clone),
    })
}

/// The request line and headers as they are kept: the user's own headers without their values.
fn describe_request(request: &OutboundRequest, own_headers: &HeaderMap) -> String {
    let mut head = String::with_capacity(640);
    let _ = writeln!(head, "{} {}", request.method, request.url);
    for (name, value) in &request.headers {
        let is_own = own_headers.contains_key(name);
        let text = if is_own {
            "***"
        } else {
            value.to_str().unwrap_or("(not text)")
        };
        let _ = writeln!(head, "{name}: {text}");
    }
    head
}

fn describe_headers(headers: &HeaderMap) -> String {
    let mut head = String::with_capacity(160);
    for (name, value) in headers {
        let _ = writeln!(head, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    head
}
