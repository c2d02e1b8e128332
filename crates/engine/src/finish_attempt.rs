//! From an attempt that was made to its record: what follows, what is kept, without what is secret.

use bytes::Bytes;

use crate::masking::{self, MAX_KEPT_BODY_BYTES, Masks};
use crate::prepared::Prepared;
use clock::Env;
use destination::task::{Classification, Pause};
use model::attempt::{Attempt, Disposition, Failure, MAX_ADAPTER_STATE_BYTES, Outcome, StateUpdates};
use model::delivery::{ClaimedDelivery, MAX_STEPS, NextStep};
use model::exchange::{BODY_CAP_BYTES, Exchange, FailureCode, PhaseTimings, Response};
use model::patch::Patch;
use model::retry::RetrySchedule;
use model::ticket::{LinkUpdate, MAX_WORKFLOW_BYTES};
use model::time::Timestamp;
use store::queue::AttemptRecord;

/// The longest note of an attempt, in bytes.
const MAX_NOTE_BYTES: usize = 1000;

/// An attempt that was made.
pub struct AttemptResult {
    /// What is to be recorded.
    pub record: AttemptRecord,
    /// Who has to wait, beside this delivery.
    pub pause: Option<Pause>,
    /// Whether this server itself could not send, so that it was no attempt: only a test records it.
    pub was_prevented: bool,
}

/// An attempt as it was made, before it is known what follows.
pub struct RawAttempt {
    /// What was sent, and what came back.
    pub sent: SentRequest,
    /// What it means.
    pub classification: Classification,
}

/// What was sent, and what came back.
#[derive(Clone)]
pub struct SentRequest {
    /// When the attempt began.
    pub started_at: Timestamp,
    /// The request line and headers, without secrets.
    pub request_head: String,
    /// The body, if it was not the event's own.
    pub body: Option<Bytes>,
    /// Secrets of this attempt beyond the webhook's settings: tokens, links, a password as its header carries it.
    pub secrets: Vec<String>,
    /// What came back, unless nothing could be sent.
    pub exchange: Option<Exchange>,
}

impl RawAttempt {
    /// An attempt that sent nothing.
    pub fn without_request(started_at: Timestamp, classification: impl Into<Classification>) -> Self {
        Self {
            sent: SentRequest {
                started_at,
                request_head: String::new(),
                body: None,
                secrets: Vec::new(),
                exchange: None,
            },
            classification: classification.into(),
        }
    }
}

/// When attempts ended, and how their next ones are spread. Attempts of one request have the same, so that what left together is
/// due together again.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    at: Timestamp,
    share: f64,
}

impl Ending {
    /// Now.
    pub fn new(source: &Env) -> Self {
        Self {
            at: source.now(),
            share: source.random_share(),
        }
    }
}

/// Decides what follows an attempt that ended now.
pub fn finish_attempt(
    source: &Env,
    prepared: &Prepared,
    delivery: &ClaimedDelivery,
    made: RawAttempt,
) -> AttemptResult {
    finish_one_of(source, prepared, delivery, made, Ending::new(source))
}

/// The same for one of several attempts that ended together.
pub fn finish_one_of(
    source: &Env,
    prepared: &Prepared,
    delivery: &ClaimedDelivery,
    mut made: RawAttempt,
    ending: Ending,
) -> AttemptResult {
    let masks = Masks::new(&prepared.credentials, std::mem::take(&mut made.sent.secrets));
    let Classification {
        outcome,
        message_ref: memory,
        continuation: progress,
        discovered_settings: learned,
        pause,
        ticket,
        workflow,
        note,
    } = made.classification;
    let outcome = within_steps(outcome, delivery);
    let outcome = masked(outcome, &masks);
    let is_test = delivery.event.is_test;
    let none = RetrySchedule::none();
    let schedule = match is_test {
        true => &none,
        false => &prepared.webhook.settings.retry_schedule,
    };
    let Ending { at, share } = ending;
    let (next_step, spent) = NextStep::after_attempt(&outcome, schedule, delivery.spent, at, share);
    let next_step = match is_test && !goes_on_at_once(&outcome, next_step) {
        true => end_of_test(next_step),
        false => next_step,
    };
    let result = made.sent.exchange.as_ref().map(|exchange| &exchange.result);
    let was_prevented = matches!(result, Some(Err(failure)) if failure.code.is_our_own());
    let attempt = attempt(source, delivery, &made.sent, outcome, note, &masks);
    let is_ticket = prepared.adapter.ticketing().is_some();
    let record = AttemptRecord {
        delivery_id: delivery.id,
        webhook_id: delivery.webhook_id,
        incident_id: delivery.event.incident_id,
        delivery_created_at: delivery.created_at,
        is_test,
        is_operational: delivery.event.operational.is_some(),
        event_sequence: delivery.event.sequence,
        claim: delivery.claim,
        disable_webhook: reason_to_disable(&attempt.outcome, next_step).filter(|_| !is_test),
        state_updates: StateUpdates {
            message_ref: within_bounds(memory, MAX_ADAPTER_STATE_BYTES),
            continuation: within_bounds(progress, MAX_ADAPTER_STATE_BYTES),
            discovered_settings: learned.filter(|text| text.len() <= MAX_ADAPTER_STATE_BYTES),
            ticket: is_ticket.then(|| LinkUpdate {
                news: ticket,
                error: attempt.outcome.failure().map(|failure| failure.detail.clone()),
                workflow: within_bounds(workflow, MAX_WORKFLOW_BYTES),
            }),
        },
        attempt,
        next_step,
        spent,
        ticket_content: None,
        settings_of: prepared.webhook.updated_at,
    };
    AttemptResult {
        record,
        pause,
        was_prevented,
    }
}

/// The attempt as it is kept.
fn attempt(
    source: &Env,
    delivery: &ClaimedDelivery,
    sent: &SentRequest,
    outcome: Outcome,
    note: Option<String>,
    masks: &Masks<'_>,
) -> Attempt {
    let exchange = sent.exchange.as_ref();
    let response = exchange.and_then(|exchange| exchange.result.as_ref().ok());
    let kept_body = |response: &Response| match response.body_is_truncated {
        true => masks.cut_body(&response.body, BODY_CAP_BYTES),
        false => masks.body(&response.body, BODY_CAP_BYTES),
    };
    Attempt {
        id: source.new_attempt_id(),
        number: delivery.attempts_made + 1,
        started_at: sent.started_at,
        timings: exchange.map_or_else(PhaseTimings::default, |exchange| exchange.timings),
        remote_address: exchange.and_then(|exchange| exchange.remote_address),
        status: response.map(|response| response.status),
        request_head: sent.request_head.clone(),
        request_body: sent
            .body
            .as_ref()
            .map(|body| masks.body(body, MAX_KEPT_BODY_BYTES)),
        response_head: response
            .map(|response| masks.text(masking::response_head(&response.headers)))
            .unwrap_or_default(),
        response_body: response.map(kept_body).unwrap_or_default(),
        response_body_is_truncated: response
            .is_some_and(|response| response.body_is_truncated || response.body.len() > BODY_CAP_BYTES),
        note: noted(note, exchange).map(|note| bounded_note(masks.text(note))),
        outcome,
    }
}

/// No delivery goes on for ever, whatever its adapter believes.
fn within_steps(outcome: Outcome, delivery: &ClaimedDelivery) -> Outcome {
    match outcome {
        Outcome::Step if delivery.spent.steps >= MAX_STEPS => {
            let detail = format!("the delivery took more than {MAX_STEPS} requests");
            Outcome::Failed(Failure::new(FailureCode::TooManySteps, detail).with(Disposition::Permanent))
        }
        other => other,
    }
}

fn masked(mut outcome: Outcome, masks: &Masks<'_>) -> Outcome {
    if let Outcome::Failed(failure) | Outcome::Gone(failure) = &mut outcome {
        failure.detail = masks.text(std::mem::take(&mut failure.detail));
    }
    outcome
}

/// What the adapter and the connection have to say.
fn noted(note: Option<String>, exchange: Option<&Exchange>) -> Option<String> {
    let notice = exchange.and_then(|exchange| exchange.notice.as_deref());
    match (note, notice) {
        (Some(note), Some(notice)) => Some(format!("{note}; {notice}")),
        (note, notice) => note.or_else(|| notice.map(str::to_owned)),
    }
}

fn bounded_note(mut note: String) -> String {
    note.truncate(note.floor_char_boundary(MAX_NOTE_BYTES));
    note
}

/// What a receiver answers may be of any length: too long a text is not worth remembering.
fn within_bounds(patch: Patch<String>, bytes: usize) -> Patch<String> {
    match patch {
        Patch::Set(text) if text.is_empty() || text.len() > bytes => Patch::Clear,
        other => other,
    }
}

/// Whether another request follows at once, as far as tests go too.
fn goes_on_at_once(outcome: &Outcome, next_step: NextStep) -> bool {
    let disposition = outcome.failure().map(|failure| failure.disposition);
    let goes_on = *outcome == Outcome::Step || disposition == Some(Disposition::Immediate);
    goes_on && matches!(next_step, NextStep::Retry { .. })
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
        (Outcome::Failed(failure), _) if failure.disposition == Disposition::Harmful => {
            Some(failure.detail.clone())
        }
        (Outcome::Delivered | Outcome::Accepted | Outcome::Step | Outcome::Failed(_), _) => None,
    }
}
