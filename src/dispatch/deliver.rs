//! One attempt: render, sign, send, judge, and decide what follows.

use std::sync::Arc;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::adapters::about::Signature;
use crate::adapters::task::{Judgement, Links, Pause, Rendered, Target, Task};
use crate::clock::Source;
use crate::dispatch::links::links;
use crate::dispatch::masking::{self, Masks};
use crate::dispatch::prepared::Prepared;
use crate::model::attempt::{Attempt, Keeping, Legacy, MAX_MEMORY_BYTES, Outcome, Remedy};
use crate::model::delivery::{ClaimedDelivery, NextStep};
use crate::model::exchange::{Exchange, OutboundRequest, PhaseTimings};
use crate::model::retry::RetrySchedule;
use crate::model::time::Timestamp;
use crate::outbound::Client;
use crate::store::queue::AttemptRecord;
use crate::store::webhooks::Memory;

/// What every request says it comes from, unless its platform wants another form.
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
    /// Where people reach this server, if it knows: links in messages lead there.
    pub public_url: Option<Url>,
}

/// An attempt that was made.
pub struct Attempted {
    /// What is to be recorded.
    pub record: AttemptRecord,
    /// Who has to wait, beside this delivery.
    pub pause: Option<Pause>,
}

impl Deliverer {
    /// Sends a delivery once, and says what it means. `memory` is what was remembered of the incident's message. A message that
    /// tells of a later event already is left alone: a replay of an earlier one posts on its own, and offers nothing to do.
    pub async fn attempt(
        &self,
        prepared: &Prepared,
        delivery: &ClaimedDelivery,
        memory: Option<&Memory>,
    ) -> Attempted {
        let started_at = self.source.now();
        let is_outdated = memory.is_some_and(|memory| memory.event_sequence > delivery.event.sequence);
        let memory = memory.filter(|_| !is_outdated).map(|memory| memory.text.as_str());
        let mut links = match prepared.has_own_form() {
            true => links(prepared, &delivery.event, self.public_url.as_ref(), started_at),
            false => Links::default(),
        };
        if is_outdated {
            links.acts.clear();
        }
        let quiet = (is_outdated || delivery.event.is_test).then(|| without_mentions(&prepared.target));
        let task = Task {
            target: quiet.as_ref().unwrap_or(&prepared.target),
            ..task(prepared, delivery, memory, &links, started_at)
        };
        let mut made = match prepared.adapter.render(&task) {
            Ok(mut rendered) => {
                let shown_url = rendered.shown_url.take();
                let request = build_request(prepared, delivery, rendered, started_at);
                let shown_url = shown_url.as_deref().unwrap_or(&prepared.shown_url);
                let request_head = masking::request_head(&request, shown_url, &prepared.headers);
                let is_own_body = request.body != delivery.event.body;
                let sent_body = is_own_body.then(|| request.body.clone());
                let exchange = self.client.send(request).await;
                let judgement = prepared.adapter.classify(&task, &exchange, self.source.now());
                Made {
                    started_at,
                    request_head,
                    sent_body,
                    judgement,
                    exchange: Some(exchange),
                }
            }
            Err(failure) => Made {
                started_at,
                request_head: String::new(),
                sent_body: None,
                judgement: failure.into(),
                exchange: None,
            },
        };
        tell_of(&mut made.judgement, memory);
        let masks = Masks::of(&prepared.target, &links);
        conclude(&self.source, prepared, delivery, made, &masks)
    }
}

/// A sample, or what is long past, calls nobody.
fn without_mentions(target: &Target) -> Target {
    let mut target = target.clone();
    target.options.remove("mention");
    target
}

/// A message that was changed tells of this event now: that is remembered with it.
fn tell_of(judgement: &mut Judgement, memory: Option<&str>) {
    let is_taken = matches!(judgement.outcome, Outcome::Delivered | Outcome::Accepted);
    if let (true, Keeping::AsItIs, Some(text)) = (is_taken, &judgement.memory, memory) {
        judgement.memory = Keeping::Becomes(text.to_owned());
    }
}

/// What an adapter needs to know of a delivery.
pub fn task<'a>(
    prepared: &'a Prepared,
    delivery: &'a ClaimedDelivery,
    memory: Option<&'a str>,
    links: &'a Links,
    now: Timestamp,
) -> Task<'a> {
    Task {
        webhook: &prepared.webhook,
        target: &prepared.target,
        event: &delivery.event,
        delivery_id: delivery.id,
        attempt: delivery.attempts_made + 1,
        memory,
        progress: delivery.progress.as_deref(),
        links,
        now,
    }
}

/// An attempt as it was made, before it is known what follows.
pub struct Made {
    /// When it began.
    pub started_at: Timestamp,
    /// What was sent, without secrets.
    pub request_head: String,
    /// The body that was sent, if it was not the event's own.
    pub sent_body: Option<Bytes>,
    /// How the adapter judged it.
    pub judgement: Judgement,
    /// What came back, unless nothing could be sent.
    pub exchange: Option<Exchange>,
}

/// Decides what follows an attempt that ended now.
pub fn conclude(
    source: &Source,
    prepared: &Prepared,
    delivery: &ClaimedDelivery,
    made: Made,
    masks: &Masks,
) -> Attempted {
    let Judgement {
        mut outcome,
        memory,
        progress,
        learned,
        pause,
    } = made.judgement;
    if let Outcome::Failed(failure) | Outcome::Gone(failure) = &mut outcome {
        failure.detail = masks.text(std::mem::take(&mut failure.detail));
    }
    let is_test = delivery.event.is_test;
    let none = RetrySchedule::none();
    let schedule = match is_test {
        true => &none,
        false => &prepared.webhook.settings.retry_schedule,
    };
    let share = source.random_share();
    let (next_step, spent) = NextStep::after_attempt(&outcome, schedule, delivery.spent, source.now(), share);
    let next_step = match is_test && !asks_at_once(&outcome, next_step) {
        true => end_of_test(next_step),
        false => next_step,
    };
    let exchange = made.exchange.as_ref();
    let response = exchange.and_then(|exchange| exchange.result.as_ref().ok());
    let attempt = Attempt {
        id: source.new_attempt_id(),
        number: delivery.attempts_made + 1,
        started_at: made.started_at,
        timings: exchange.map_or_else(PhaseTimings::default, |exchange| exchange.timings),
        remote_address: exchange.and_then(|exchange| exchange.remote_address),
        status: response.map(|response| response.status),
        request_head: made.request_head,
        request_body: made.sent_body.map(|body| masks.body(&body)),
        response_head: response
            .map(|response| masks.text(masking::response_head(&response.headers)))
            .unwrap_or_default(),
        response_body: response
            .map(|response| masks.body(&response.body))
            .unwrap_or_default(),
        response_body_is_truncated: response.is_some_and(|response| response.body_is_truncated),
        outcome,
    };
    let record = AttemptRecord {
        delivery_id: delivery.id,
        webhook_id: delivery.webhook_id,
        incident_id: delivery.event.incident_id,
        delivery_created_at: delivery.created_at,
        is_test,
        event_sequence: delivery.event.sequence,
        claim: delivery.claim,
        disable_webhook: reason_to_disable(&attempt.outcome, next_step).filter(|_| !is_test),
        attempt,
        next_step,
        spent,
        legacy: Legacy {
            memory: within_bounds(memory),
            progress: within_bounds(progress),
            learned: learned.filter(|text| text.len() <= MAX_MEMORY_BYTES),
        },
        settings_of: prepared.webhook.updated_at,
    };
    Attempted { record, pause }
}

/// What a receiver answers may be of any length: too long a text is not worth remembering.
fn within_bounds(keeping: Keeping) -> Keeping {
    match keeping {
        Keeping::Becomes(text) if text.is_empty() || text.len() > MAX_MEMORY_BYTES => Keeping::Nothing,
        other => other,
    }
}

fn asks_at_once(outcome: &Outcome, next_step: NextStep) -> bool {
    let remedy = outcome.failure().map(|failure| failure.remedy);
    remedy == Some(Remedy::AtOnce) && matches!(next_step, NextStep::Retry { .. })
}

/// A test waits for nothing and nobody.
fn end_of_test(next_step: NextStep) -> NextStep {
    match next_step {
        NextStep::Delivered => NextStep::Delivered,
        NextStep::Retry { .. } | NextStep::Hold { .. } | NextStep::Dead => NextStep::Dead,
    }
}

fn reason_to_disable(outcome: &Outcome, next_step: NextStep) -> Option<String> {
    match (outcome, next_step) {
        (Outcome::Gone(_), _) => Some("the receiver answered 410 Gone".to_owned()),
        (Outcome::Failed(failure), NextStep::Hold { .. }) => Some(failure.detail.clone()),
        (Outcome::Delivered | Outcome::Accepted | Outcome::Failed(_), _) => None,
    }
}

/// The request of an attempt that begins now, signed if its kind knows signatures.
pub fn build_request(
    prepared: &Prepared,
    delivery: &ClaimedDelivery,
    rendered: Rendered,
    now: Timestamp,
) -> OutboundRequest {
    let mut headers = HeaderMap::with_capacity(16);
    let own = prepared.headers.iter();
    headers.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    headers.insert(USER_AGENT, PRODUCT);
    headers.extend(rendered.headers);
    if prepared.adapter.about().signature == Signature::Ours {
        add_own_headers(&mut headers, delivery);
    }
    if let Some(signer) = prepared.signer(now) {
        let delivery_id = delivery.id.to_string();
        headers.extend(signer.sign(&delivery_id, now.as_seconds(), &rendered.body));
    }
    OutboundRequest {
        method: rendered.method,
        url: rendered.url,
        headers,
        body: rendered.body,
        timeout: prepared.webhook.settings.timeout,
        tls: prepared.tls.as_ref().map(Arc::clone),
    }
}

/// What the contract promises beside the signatures.
fn add_own_headers(headers: &mut HeaderMap, delivery: &ClaimedDelivery) {
    headers.insert(EVENT, HeaderValue::from_static(delivery.event.name.as_str()));
    let delivery_id = HeaderValue::try_from(delivery.id.to_string()).ok();
    headers.extend(delivery_id.map(|value| (DELIVERY, value)));
    headers.insert(ATTEMPT, HeaderValue::from(delivery.attempts_made + 1));
    if delivery.event.is_test {
        headers.insert(TEST, HeaderValue::from_static("true"));
    }
}
