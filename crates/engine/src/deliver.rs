//! One attempt: render, sign, send, judge. What follows from it says [`super::finish_attempt`].

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::delivery_context::DeliveryContext;
use crate::finish_attempt::{AttemptResult, RawAttempt, SentRequest, finish_attempt};
use crate::links::links;
use crate::masking;
use crate::prepared::Prepared;
use crate::probe;
use clock::Env;
use destination::about::Signature;
use destination::task::{Classification, Intention, Links, Recording, Rendered, Step, Target, Task, Token};
use destination::template::Templates;
use destination::ticketing::Tokens;
use model::attempt::{Disposition, Failure, Outcome};
use model::delivery::ClaimedDelivery;
use model::exchange::{ConnectionUse, Exchange, FailureCode, OutboundRequest};
use model::patch::Patch;
use model::time::Timestamp;
use outbound::RequestSender;
use renderer::{Renderer, Turn};
use store::Store;
use store::log_store_failure;
use store::tickets::IntentRecord;

const EVENT: HeaderName = HeaderName::from_static("x-opsknight-event");
const DELIVERY: HeaderName = HeaderName::from_static("x-opsknight-delivery");
const ATTEMPT: HeaderName = HeaderName::from_static("x-opsknight-attempt");
/// Marks a Send Test.
const TEST: HeaderName = HeaderName::from_static("x-opsknight-test");
/// The wait before an intention that the store did not take is written down again.
const RETRY_WAIT: Duration = Duration::from_millis(500);

/// How old an intention may be when its request leaves.
const MAX_INTENTION_AGE: Duration = Duration::from_secs(5);
/// How often an intention is written down anew before the attempt is given up.
const MAX_INTENTIONS: u32 = 120;

/// Before any was rendered.
static NO_TEMPLATES: Templates = Templates::none();

/// Makes attempts.
#[derive(Clone)]
pub struct Deliverer {
    /// Sends.
    pub client: Arc<dyn RequestSender>,
    /// Time and randomness.
    pub source: Env,
    /// Where people reach this server, if it knows: links in messages lead there.
    pub public_url: Option<Url>,
    /// Where intentions are written down.
    pub store: Store,
    /// Renders templates of users.
    pub renderer: Renderer,
}

impl Deliverer {
    /// Sends a delivery once, and says what it means. A message that tells of a later event already is left alone: a replay of an
    /// earlier one posts on its own, and offers nothing to do; a ticket stays as it is.
    pub async fn attempt(
        &self,
        prepared: &Prepared,
        delivery: &ClaimedDelivery,
        known: &DeliveryContext,
    ) -> AttemptResult {
        let started_at = self.source.now();
        let is_outdated = known.is_ahead_of(&delivery.event);
        let mut links = match prepared.has_own_form() {
            true => links(prepared, &delivery.event, self.public_url.as_ref(), started_at),
            false => Links::default(),
        };
        if is_outdated {
            links.acts.clear();
        }
        let token = prepared.token.get(started_at);
        let mut made = match prepared.adapter.tokens(&prepared.target) {
            _ if is_outdated && prepared.adapter.ticketing().is_some() => {
                let told = Classification::from(Outcome::Delivered);
                RawAttempt::without_request(
                    started_at,
                    told.noted("the ticket was told of a later event already"),
                )
            }
            Some(tokens) if token.is_none() => self.fetch_token(prepared, delivery, tokens, started_at).await,
            Some(_) | None => {
                let quiet =
                    (is_outdated || delivery.event.is_test).then(|| without_mentions(&prepared.target));
                let memory = known.message_ref.as_ref().filter(|_| !is_outdated);
                let task = Task {
                    target: quiet.as_ref().unwrap_or(&prepared.target),
                    message_ref: memory.map(|memory| memory.text.as_str()),
                    ticket: known.link.as_ref(),
                    workflow: known.workflow.as_deref(),
                    incident_context: known.incident_context.as_ref(),
                    token: token.as_ref(),
                    ..task(prepared, delivery, &links, started_at)
                };
                let mut made = self.make(prepared, delivery, &task).await;
                tell_of(&mut made.classification, task.message_ref);
                made
            }
        };
        probe::confirm(self, prepared, delivery, &mut made).await;
        let secrets = &mut made.sent.secrets;
        secrets.extend(links.acts.into_iter().map(|act| act.token));
        secrets.extend(token.map(|token| token.text.reveal().to_owned()));
        let mut ended = finish_attempt(&self.source, prepared, delivery, made);
        ended.record.ticket_content.clone_from(&known.ticket_content);
        ended
    }

    async fn make(&self, prepared: &Prepared, delivery: &ClaimedDelivery, task: &Task<'_>) -> RawAttempt {
        let started_at = task.now;
        let work = |templates: &Templates| prepared.adapter.step(&Task { templates, ..*task });
        let settled = self.renderer.settle(Turn::Webhook(prepared.webhook.id), work);
        let (step, templates) = match settled.await {
            Ok(settled) => settled,
            Err(unavailable) => {
                let failure = Failure::new(FailureCode::ServerExhausted, unavailable.to_string());
                return RawAttempt::without_request(started_at, failure.with(Disposition::RateLimited));
            }
        };
        let task = &Task {
            templates: &templates,
            ..*task
        };
        let (rendered, classify) = match step {
            Step::Send(rendered, classify) => (*rendered, classify),
            Step::Done(classification) => return RawAttempt::without_request(started_at, *classification),
        };
        if let Some(intention) = &rendered.intent
            && !self.intend(delivery, intention).await
        {
            let detail = "the delivery is in other hands by now: nothing was sent";
            return RawAttempt::without_request(
                started_at,
                Failure::new(FailureCode::RequestInvalid, detail),
            );
        }
        let (sent, exchange) = self.exchange(prepared, delivery, rendered, started_at).await;
        let mut classification = classify(task, &exchange, self.source.now());
        // What else the adapter found out still holds.
        if let Some(failure) = task
            .token
            .and_then(|token| self.token_refused(prepared, token, &exchange))
        {
            classification.outcome = Outcome::Failed(failure);
        }
        let exchange = Some(exchange);
        RawAttempt {
            sent: SentRequest { exchange, ..sent },
            classification,
        }
    }

    /// Fetches the access token: an attempt of its own, of which no bodies are kept.
    async fn fetch_token(
        &self,
        prepared: &Prepared,
        delivery: &ClaimedDelivery,
        tokens: &dyn Tokens,
        started_at: Timestamp,
    ) -> RawAttempt {
        let _turn = prepared.token.turn().await;
        if prepared.token.get(self.source.now()).is_some() {
            let step =
                Classification::from(Outcome::Step).noted("another delivery got an access token meanwhile");
            return RawAttempt::without_request(started_at, step);
        }
        let rendered = match tokens.request(&prepared.target) {
            Ok(rendered) => Rendered {
                recording: Recording::HeadsOnly,
                ..rendered
            },
            Err(failure) => return RawAttempt::without_request(started_at, failure),
        };
        let (sent, exchange) = self.exchange(prepared, delivery, rendered, started_at).await;
        let classification = match tokens.read(&exchange, self.source.now()) {
            Ok(token) => {
                prepared.token.put(token);
                Classification::from(Outcome::Step).noted("got an access token")
            }
            Err(failure) => failure.into(),
        };
        let exchange = Some(exchange.without_body());
        RawAttempt {
            sent: SentRequest { exchange, ..sent },
            classification,
        }
    }

    /// Sends what was rendered. What came back stands beside what was sent.
    async fn exchange(
        &self,
        prepared: &Prepared,
        delivery: &ClaimedDelivery,
        rendered: Rendered,
        started_at: Timestamp,
    ) -> (SentRequest, Exchange) {
        let build = |rendered| build_request(prepared, delivery, rendered, started_at);
        self.send(prepared, &delivery.event.body, rendered, started_at, build)
            .await
    }

    /// Sends the request that `build` makes of what was rendered. What is `told` anyway is no secret, and not kept once more.
    pub(crate) async fn send(
        &self,
        prepared: &Prepared,
        told: &Bytes,
        mut rendered: Rendered,
        started_at: Timestamp,
        build: impl FnOnce(Rendered) -> OutboundRequest,
    ) -> (SentRequest, Exchange) {
        let shown_url = rendered.shown_url.take();
        let shown_body = rendered.shown_body.take();
        let recording = rendered.recording;
        let secrets = masking::made_for(&rendered, prepared.has_templated_url, told);
        let request = build(rendered);
        let shown_url = match (shown_url, prepared.adapter.ticketing()) {
            (Some(shown_url), _) => Cow::Owned(shown_url),
            // Which ticket it was about is worth to be seen; its address holds no secret.
            (None, Some(_)) => Cow::Owned(request.url.to_string()),
            (None, None) => Cow::Borrowed(prepared.shown_url.as_str()),
        };
        let request_head = masking::request_head(&request, &shown_url, &prepared.headers);
        let is_kept = recording == Recording::Whole && request.body != *told;
        let sent_body = is_kept.then(|| shown_body.unwrap_or_else(|| request.body.clone()));
        let exchange = self.client.send(request).await;
        let sent = SentRequest {
            started_at,
            request_head,
            body: sent_body,
            secrets,
            exchange: None,
        };
        (sent, exchange)
    }

    /// Writes down what a request is about to do; says whether it may leave. A sample's ticket belongs to no incident.
    async fn intend(&self, delivery: &ClaimedDelivery, intention: &Intention) -> bool {
        if delivery.event.is_test {
            return true;
        }
        let workflow = match intention {
            Intention::MakeTicket => None,
            Intention::Workflow(text) => Some(text.clone()),
        };
        for _ in 0..MAX_INTENTIONS {
            let at = self.source.now();
            let intent = IntentRecord {
                delivery_id: delivery.id,
                claim: delivery.claim,
                webhook_id: delivery.webhook_id,
                incident_id: delivery.event.incident_id,
                workflow: workflow.clone(),
                at,
            };
            match self.store.tickets.intend(intent).await {
                Ok(false) => return false,
                // What is on disk must say when the request left: from then on it is looked for.
                Ok(true) if self.source.now().since(at) <= MAX_INTENTION_AGE => return true,
                Ok(true) => {}
                Err(error) => {
                    log_store_failure!(error, delivery_id = %delivery.id, "an intention could not be written down; trying again");
                    tokio::time::sleep(RETRY_WAIT).await;
                }
            }
        }
        false
    }

    /// An access token may end before its time: another one is fetched then.
    fn token_refused(&self, prepared: &Prepared, token: &Token, exchange: &Exchange) -> Option<Failure> {
        let is_refused = exchange
            .result
            .as_ref()
            .is_ok_and(|response| response.status == 401);
        if !is_refused || !prepared.token.refused(token, self.source.now()) {
            return None;
        }
        let detail = "the access token was refused before its time; another one is fetched";
        Some(Failure::new(FailureCode::TokenFailed, detail).with(Disposition::Immediate))
    }
}

/// A sample, or what is long past, calls nobody.
fn without_mentions(target: &Target) -> Target {
    let mut target = target.clone();
    target.options.remove("mention");
    target
}

/// A message that was changed tells of this event now: that is remembered with it.
fn tell_of(classification: &mut Classification, memory: Option<&str>) {
    let is_taken = matches!(classification.outcome, Outcome::Delivered | Outcome::Accepted);
    if let (true, Patch::Keep, Some(text)) = (is_taken, &classification.message_ref, memory) {
        classification.message_ref = Patch::Set(text.to_owned());
    }
}

/// What an adapter needs to know of a delivery, but what is known of its incident.
pub fn task<'a>(
    prepared: &'a Prepared,
    delivery: &'a ClaimedDelivery,
    links: &'a Links,
    now: Timestamp,
) -> Task<'a> {
    Task {
        webhook: &prepared.webhook,
        target: &prepared.target,
        event: &delivery.event,
        delivery_id: delivery.id,
        attempt: delivery.attempts_made + 1,
        message_ref: None,
        continuation: delivery.continuation.as_deref(),
        ticket: None,
        workflow: None,
        incident_context: None,
        token: None,
        links,
        templates: &NO_TEMPLATES,
        now,
    }
}

/// The request of an attempt that begins now, signed if its kind knows signatures.
pub fn build_request(
    prepared: &Prepared,
    delivery: &ClaimedDelivery,
    rendered: Rendered,
    now: Timestamp,
) -> OutboundRequest {
    let mut request = unsigned_request(prepared, rendered);
    if prepared.adapter.description().signature == Signature::Ours {
        add_own_headers(&mut request.headers, delivery);
    }
    if let Some(signer) = prepared.signer(now) {
        let delivery_id = delivery.id.to_string();
        request
            .headers
            .extend(signer.sign(&delivery_id, now.as_seconds(), &request.body));
    }
    request
}

/// A request to a webhook's platform. One that must not go out twice takes no idle connection.
pub fn unsigned_request(prepared: &Prepared, rendered: Rendered) -> OutboundRequest {
    let mut headers = HeaderMap::with_capacity(16);
    // They are meant for the webhook's own address, not for one that hands out tokens.
    let is_elsewhere = !prepared.headers.is_empty() && rendered.url.origin() != prepared.target.url.origin();
    if !is_elsewhere {
        let own = prepared.headers.iter();
        headers.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    }
    headers.insert(USER_AGENT, prepared.agent.clone());
    headers.extend(rendered.headers);
    OutboundRequest {
        transport: rendered.transport,
        method: rendered.method,
        url: rendered.url,
        headers,
        body: rendered.body,
        timeout: prepared.webhook.settings.timeout,
        tls: prepared.tls.as_ref().map(Arc::clone),
        body_cap: rendered.body_cap,
        connection: match rendered.intent {
            Some(_) => ConnectionUse::Fresh,
            None => ConnectionUse::Any,
        },
    }
}

/// What the contract promises beside the signatures.
fn add_own_headers(headers: &mut HeaderMap, delivery: &ClaimedDelivery) {
    headers.insert(
        EVENT,
        HeaderValue::from_static(delivery.event.event_type().as_str()),
    );
    let delivery_id = HeaderValue::try_from(delivery.id.to_string()).ok();
    headers.extend(delivery_id.map(|value| (DELIVERY, value)));
    headers.insert(ATTEMPT, HeaderValue::from(delivery.attempts_made + 1));
    if delivery.event.is_test {
        headers.insert(TEST, HeaderValue::from_static("true"));
    }
}
