//! Deliveries over HTTP: what was sent, when, and what came of it.

use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::answer::{ApiResult, listed, ok};
use crate::auth::Caller;
use crate::problem::Problem;
use crate::query::{PathId, QueryOf, page, parse_named, parse_parameter};
use crate::state::ApiState;
use crate::webhooks::milliseconds;
use crate::words::AttemptOutcome;
use model::attempt::Attempt;
use model::delivery::{Delivery, DeliveryState};
use model::event::EventType;
use model::exchange::FailureCode;
use model::id::{AttemptId, DeliveryId, IncidentId, WebhookId};
use model::restriction::Restriction;
use model::time::Timestamp;
use store::StoreError;
use store::deliveries::{DeliveryDetail, DeliveryFilter};

/// A delivery.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Delivery)]
pub struct DeliveryView {
    #[schema(value_type = String)]
    id: DeliveryId,
    webhook: WebhookRef,
    /// Nothing if it tells of an operational event.
    #[schema(required)]
    incident: Option<IncidentRef>,
    #[schema(value_type = EventType)]
    event: &'static str,
    #[schema(value_type = DeliveryState)]
    status: &'static str,
    /// Whether it is a Send Test.
    is_test: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it is or was to be sent.
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
    /// When the next attempt is, while one is scheduled.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    attempts_made: u32,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// Why the last attempt failed, if it did.
    #[schema(required)]
    last_failure: Option<FailureView>,
    /// Who gave it up while it waited, at `finishedAt`; null if nobody did.
    #[schema(required)]
    given_up_by: Option<String>,
    /// The delivery that this one took over, as its webhook's fallback.
    #[schema(required, value_type = Option<String>)]
    fallback_of: Option<DeliveryId>,
    /// The delivery by which this one's fallback took over.
    #[schema(required, value_type = Option<String>)]
    taken_over_by: Option<DeliveryId>,
}

/// A webhook by id, with its present name.
#[derive(Serialize, ToSchema)]
pub struct WebhookRef {
    #[schema(value_type = String)]
    id: WebhookId,
    name: String,
}

/// An incident by id.
#[derive(Serialize, ToSchema)]
pub struct IncidentRef {
    #[schema(value_type = String)]
    id: IncidentId,
}

/// Why attempts fail in one way, and what to do about it.
#[derive(Serialize, ToSchema)]
#[schema(as = FailureKind)]
pub struct FailureView {
    #[schema(value_type = FailureCode)]
    code: &'static str,
    #[schema(value_type = String)]
    advice: &'static str,
}

/// A delivery with everything known about it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeliveryDetail)]
pub struct DeliveryDetailView<'a> {
    #[serde(flatten)]
    delivery: DeliveryView,
    /// The event's body, byte for byte.
    body: std::borrow::Cow<'a, str>,
    /// The event's body as JSON.
    #[schema(required, value_type = Object)]
    payload: Option<&'a RawValue>,
    /// Its attempts, oldest first; at most the latest 100.
    attempts: Vec<AttemptView<'a>>,
    /// Whether the fallback that took over has delivered the event.
    is_delivered_by_fallback: bool,
}

/// One attempt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Attempt)]
pub struct AttemptView<'a> {
    #[schema(value_type = String)]
    id: AttemptId,
    number: u32,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = AttemptOutcome)]
    outcome: &'a str,
    #[schema(required)]
    failure: Option<AttemptFailure<'a>>,
    /// What the attempt was for or found out, if the webhook's kind tells.
    #[schema(required)]
    note: Option<&'a str>,
    /// Whether its request carried further deliveries, as `note` says: then its bodies tell of those too.
    is_joint: bool,
    /// The response's status: of HTTP, or the code of a mail server's reply.
    #[schema(required)]
    status: Option<u16>,
    timings: TimingsView,
    /// The address that was connected to.
    #[schema(required)]
    remote_address: Option<String>,
    request: RequestView<'a>,
    /// Null if no response came.
    #[schema(required)]
    response: Option<ResponseView<'a>>,
}

/// Why an attempt failed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptFailure<'a> {
    #[schema(value_type = FailureCode)]
    code: &'a str,
    detail: &'a str,
    advice: &'a str,
    /// How long the receiver asked to wait.
    #[schema(required)]
    retry_after_seconds: Option<u64>,
}

/// How long the phases of an attempt took. DNS, connect and TLS are null on a reused connection.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Timings)]
pub struct TimingsView {
    #[schema(required)]
    dns_ms: Option<f64>,
    #[schema(required)]
    connect_ms: Option<f64>,
    #[schema(required)]
    tls_ms: Option<f64>,
    #[schema(required)]
    first_byte_ms: Option<f64>,
    total_ms: f64,
}

/// What was sent; secrets are masked.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AttemptRequest)]
pub struct RequestView<'a> {
    /// The request line; what is secret in the URL is masked.
    line: &'a str,
    /// The body, if it was not the event's own (which is the delivery's `body`). Secrets in it are masked.
    #[schema(required)]
    body: Option<std::borrow::Cow<'a, str>>,
    headers: Vec<HeaderView<'a>>,
}

/// What came back.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AttemptResponse)]
pub struct ResponseView<'a> {
    headers: Vec<HeaderView<'a>>,
    /// The first 16 KiB of the body: text, or base64 if it is no UTF-8.
    body: std::borrow::Cow<'a, str>,
    body_is_base64: bool,
    body_is_truncated: bool,
}

/// One header.
#[derive(Serialize, ToSchema)]
#[schema(as = Header)]
pub struct HeaderView<'a> {
    name: &'a str,
    value: &'a str,
}

/// Which deliveries to list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeliveryQuery {
    /// Only this webhook's, by id.
    pub(super) webhook: Option<String>,
    /// Only this incident's, by id.
    pub(super) incident: Option<String>,
    /// Only this event's, by name.
    #[param(value_type = Option<EventType>)]
    pub(super) event: Option<String>,
    /// Only in this status.
    #[param(value_type = Option<DeliveryState>)]
    pub(super) status: Option<String>,
    /// Only those whose last attempt failed with this code.
    #[param(value_type = Option<FailureCode>)]
    pub(super) cause: Option<String>,
    /// Only made at or after this time.
    #[param(format = DateTime)]
    pub(super) since: Option<String>,
    /// Only made before this time.
    #[param(format = DateTime)]
    pub(super) until: Option<String>,
    /// How many at most.
    pub(super) limit: Option<String>,
    /// `nextCursor` of the page before.
    pub(super) cursor: Option<String>,
}

impl DeliveryQuery {
    /// What it asks for, for a reader with this restriction.
    pub fn filter(&self, restriction: Restriction) -> Result<DeliveryFilter, Problem> {
        Ok(DeliveryFilter {
            webhook_id: parse_parameter("webhook", self.webhook.as_deref(), |text| text.parse().ok())?,
            incident_id: parse_parameter("incident", self.incident.as_deref(), |text| text.parse().ok())?,
            event: parse_named("event", self.event.as_deref(), EventType::parse, EventType::NAMES)?,
            state: parse_named(
                "status",
                self.status.as_deref(),
                DeliveryState::parse,
                DeliveryState::NAMES,
            )?,
            cause: parse_parameter("cause", self.cause.as_deref(), FailureCode::parse)?,
            since: parse_parameter("since", self.since.as_deref(), |text| text.parse().ok())?,
            until: parse_parameter("until", self.until.as_deref(), |text| text.parse().ok())?,
            restriction,
        })
    }
}

impl From<&Delivery> for DeliveryView {
    fn from(delivery: &Delivery) -> Self {
        let is_scheduled = delivery.state == DeliveryState::Scheduled;
        Self {
            id: delivery.id,
            webhook: WebhookRef {
                id: delivery.webhook_id,
                name: delivery.webhook_name.clone(),
            },
            incident: delivery.incident().map(|id| IncidentRef { id }),
            event: delivery.event_type.as_str(),
            status: delivery.state.as_str(),
            is_test: delivery.is_test,
            created_at: delivery.created_at,
            due_at: delivery.due_at,
            next_attempt_at: is_scheduled.then_some(delivery.due_at),
            attempts_made: delivery.attempts_made,
            finished_at: delivery.finished_at,
            last_failure: delivery.last_failure.map(FailureView::from),
            given_up_by: delivery.given_up_by.as_ref().map(|actor| actor.name().to_owned()),
            fallback_of: delivery.fallback_of,
            taken_over_by: delivery.taken_over_by,
        }
    }
}

impl From<FailureCode> for FailureView {
    fn from(code: FailureCode) -> Self {
        Self {
            code: code.as_str(),
            advice: code.advice(),
        }
    }
}

impl<'a> From<&'a DeliveryDetail> for DeliveryDetailView<'a> {
    fn from(detail: &'a DeliveryDetail) -> Self {
        Self {
            delivery: DeliveryView::from(&detail.delivery),
            body: String::from_utf8_lossy(&detail.body),
            payload: serde_json::from_slice(&detail.body).ok(),
            attempts: detail.attempts.iter().map(AttemptView::from).collect(),
            is_delivered_by_fallback: detail.is_delivered_by_fallback(),
        }
    }
}

impl<'a> From<&'a Attempt> for AttemptView<'a> {
    fn from(attempt: &'a Attempt) -> Self {
        let timings = &attempt.timings;
        let (line, headers) = attempt
            .request_head
            .split_once('\n')
            .unwrap_or((&attempt.request_head, ""));
        Self {
            id: attempt.id,
            number: attempt.number,
            started_at: attempt.started_at,
            outcome: attempt.outcome.as_str(),
            failure: attempt.outcome.failure().map(|failure| AttemptFailure {
                code: failure.code.as_str(),
                detail: &failure.detail,
                advice: failure.code.advice(),
                retry_after_seconds: failure.retry_after.map(|wait| wait.as_secs()),
            }),
            note: attempt.note.as_deref(),
            is_joint: attempt.is_joint(),
            status: attempt.status,
            timings: TimingsView {
                dns_ms: timings.dns_us.map(milliseconds),
                connect_ms: timings.connect_us.map(milliseconds),
                tls_ms: timings.tls_us.map(milliseconds),
                first_byte_ms: timings.first_byte_us.map(milliseconds),
                total_ms: milliseconds(timings.total_us),
            },
            remote_address: attempt.remote_address.map(|address| address.to_string()),
            request: RequestView {
                line: line.trim_end(),
                body: attempt.request_body.as_deref().map(String::from_utf8_lossy),
                headers: header_lines(headers),
            },
            response: attempt.status.map(|_| response_view(attempt)),
        }
    }
}

fn response_view(attempt: &Attempt) -> ResponseView<'_> {
    let text = std::str::from_utf8(&attempt.response_body);
    ResponseView {
        headers: header_lines(&attempt.response_head),
        body_is_base64: text.is_err(),
        body: text.map_or_else(|_| STANDARD.encode(&attempt.response_body).into(), Into::into),
        body_is_truncated: attempt.response_body_is_truncated,
    }
}

fn header_lines(text: &str) -> Vec<HeaderView<'_>> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .map(|(name, value)| HeaderView {
            name: name.trim(),
            value: value.trim(),
        })
        .collect()
}

/// `GET /deliveries`
pub async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    QueryOf(query): QueryOf<DeliveryQuery>,
) -> ApiResult {
    let page = page(query.limit.as_deref(), query.cursor.as_deref())?;
    let filter = query.filter(caller.restriction())?;
    listed(
        &state.store.deliveries.list(filter, page).await?,
        DeliveryView::from,
    )
}

/// `GET /deliveries/{id}`
pub async fn get(State(state): State<ApiState>, caller: Caller, PathId(id): PathId<DeliveryId>) -> ApiResult {
    let mut detail = state.store.deliveries.get(id).await?;
    let restriction = &caller.0.restriction;
    if !restriction.admits_body(&detail.body) {
        return Err(StoreError::NotFound { what: "delivery" }.into());
    }
    if !restriction.is_none() {
        let attempts = detail.attempts.into_iter();
        detail.attempts = attempts.map(Attempt::for_restricted_reader).collect();
    }
    ok(&DeliveryDetailView::from(&detail))
}
