//! Webhooks over HTTP.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use actions::checks::Checks;
use actions::webhooks::draft::WebhookDraft;
use actions::webhooks::{RotationDraft, has_use_for_secret};

use crate::answer::{ApiResult, created, list as list_answer, no_content, ok};
use crate::auth::Caller;
use crate::body::{JsonBody, Nothing, OptionalBody};
use crate::deliveries::DeliveryDetailView;
use crate::problem::Problem;
use crate::query::{PathId, QueryOf, page, parse_named, parse_parameter};
use crate::state::ApiState;
use crate::webhook_view::WebhookView;
use model::event::EventName;
use model::exchange::FailureCode;
use model::id::WebhookId;
use model::time::Timestamp;
use model::webhook::Webhook;
use store::deliveries::{COUNTED_AT_MOST, StateCounts};

/// How far back statistics look unless the caller says otherwise.
const STATS_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// Why a webhook is disabled.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = DisableWebhook)]
pub struct DisableBody {
    /// A sentence to show.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Which event Send Test sends.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TestWebhook)]
pub struct TestBody {
    /// `incident.triggered` if absent.
    #[schema(value_type = Option<EventName>)]
    event: Option<String>,
}

/// Which page of the list of webhooks.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhooksQuery {
    /// How many at most.
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// `true`: count the open and dead deliveries of each.
    #[param(value_type = Option<bool>)]
    counts: Option<String>,
}

/// Since when statistics count.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatsQuery {
    /// A time; 24 hours ago if absent.
    #[param(format = DateTime)]
    since: Option<String>,
}

/// What a webhook did since a time.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookStats)]
pub struct StatsView {
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Deliveries made since then that were delivered, among the latest 20,000.
    delivered: u64,
    /// Deliveries made since then that are dead, likewise.
    dead: u64,
    /// Open deliveries, whenever made; counted in each state up to 10,000.
    open: u64,
    /// Of the latest 5,000 deliveries.
    attempts_delivered: u64,
    attempts_failed: u64,
    /// Failed attempts by code, the most frequent first.
    failures: Vec<FailureCount>,
    /// The median time of an attempt.
    #[schema(required)]
    p50_ms: Option<f64>,
    /// The 95th percentile of the time of an attempt.
    #[schema(required)]
    p95_ms: Option<f64>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_delivered_at: Option<Timestamp>,
}

/// How often attempts failed in one way.
#[derive(Serialize, ToSchema)]
pub struct FailureCount {
    #[schema(value_type = FailureCode)]
    code: &'static str,
    count: u64,
}

/// `POST /webhooks`
pub async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    JsonBody(draft): JsonBody<WebhookDraft>,
) -> ApiResult {
    let (webhook, secret) = state.actions.create_webhook(caller.actor(), draft).await?;
    created(&with_secret(&webhook, secret.reveal()))
}

/// The one answer that shows a secret, to those whose receiver has use for it.
fn with_secret<'a>(webhook: &'a Webhook, secret: &'a str) -> WebhookView<'a> {
    let view = WebhookView::from(webhook);
    match has_use_for_secret(webhook) {
        true => view.with_secret(secret),
        false => view,
    }
}

/// `GET /webhooks`
pub async fn list(State(state): State<ApiState>, QueryOf(query): QueryOf<WebhooksQuery>) -> ApiResult {
    let page = page(query.limit.as_deref(), query.cursor.as_deref())?;
    let is_counted = parse_named(
        "counts",
        query.counts.as_deref(),
        |text| text.parse().ok(),
        &["true", "false"],
    )?;
    let rows = state.store.webhooks.list(page).await?;
    if is_counted != Some(true) {
        return list_answer(&rows, page, |row| row.id.as_bytes(), WebhookView::from);
    }
    let counts = state
        .store
        .deliveries
        .counts_by_webhook(Some(COUNTED_AT_MOST))
        .await?;
    let counts: HashMap<WebhookId, StateCounts> =
        counts.into_iter().map(|row| (row.id, row.counts)).collect();
    list_answer(
        &rows,
        page,
        |row| row.id.as_bytes(),
        |row| {
            let counts = counts.get(&row.id).copied();
            WebhookView::from(row).with_counts(counts.unwrap_or_default())
        },
    )
}

/// `GET /webhooks/{id}`
pub async fn get(State(state): State<ApiState>, PathId(id): PathId<WebhookId>) -> ApiResult {
    ok(&WebhookView::from(&state.store.webhooks.get(id).await?))
}

/// `PATCH /webhooks/{id}`
pub async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<WebhookId>,
    JsonBody(draft): JsonBody<WebhookDraft>,
) -> ApiResult {
    let webhook = state.actions.change_webhook(caller.actor(), id, draft).await?;
    ok(&WebhookView::from(&webhook))
}

/// `DELETE /webhooks/{id}`
pub async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<WebhookId>,
) -> ApiResult {
    state.actions.delete_webhook(caller.actor(), id).await?;
    no_content()
}

/// `POST /webhooks/{id}/enable`
pub async fn enable(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<WebhookId>,
    _: OptionalBody<Nothing>,
) -> ApiResult {
    let webhook = state.actions.enable_webhook(caller.actor(), id).await?;
    ok(&WebhookView::from(&webhook))
}

/// `POST /webhooks/{id}/disable`
pub async fn disable(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<WebhookId>,
    OptionalBody(body): OptionalBody<DisableBody>,
) -> ApiResult {
    let disabled = state
        .actions
        .disable_webhook(caller.actor(), id, body.reason)
        .await;
    ok(&WebhookView::from(&disabled?))
}

/// `POST /webhooks/{id}/rotate-secret`
pub async fn rotate_secret(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<WebhookId>,
    OptionalBody(draft): OptionalBody<RotationDraft>,
) -> ApiResult {
    let (webhook, secret) = state.actions.rotate_secret(caller.actor(), id, draft).await?;
    ok(&WebhookView::from(&webhook).with_secret(secret.reveal()))
}

/// `POST /webhooks/{id}/clone`
pub async fn clone(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<WebhookId>,
    _: OptionalBody<Nothing>,
) -> ApiResult {
    let (webhook, secret) = state.actions.clone_webhook(caller.actor(), id).await?;
    created(&with_secret(&webhook, secret.reveal()))
}

/// `POST /webhooks/{id}/test`
pub async fn test(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<WebhookId>,
    OptionalBody(body): OptionalBody<TestBody>,
) -> ApiResult {
    let event = event_of_test(body)?;
    let detail = state.actions.send_test(caller.actor(), id, event).await?;
    ok(&DeliveryDetailView::from(&detail))
}

fn event_of_test(body: TestBody) -> Result<EventName, Problem> {
    let Some(text) = body.event else {
        return Ok(EventName::Triggered);
    };
    let mut checks = Checks::new();
    let event = EventName::parse(&text);
    if event.is_none() {
        let known = EventName::NAMES.join(", ");
        checks.fail("event", "invalid_value", format!("event takes {known}"));
    }
    Ok(checks.finish(|| event.unwrap_or(EventName::Triggered))?)
}

/// `GET /webhooks/{id}/stats`
pub async fn stats(
    State(state): State<ApiState>,
    PathId(id): PathId<WebhookId>,
    QueryOf(query): QueryOf<StatsQuery>,
) -> ApiResult {
    let since = parse_parameter("since", query.since.as_deref(), |text| text.parse().ok())?;
    let since = since.unwrap_or_else(|| state.source.now().minus(STATS_PERIOD));
    state.store.webhooks.get(id).await?;
    let stats = state.store.deliveries.webhook_stats(id, since).await?;
    let failures = stats.failures.iter().map(|(code, count)| FailureCount {
        code: code.as_str(),
        count: *count,
    });
    ok(&StatsView {
        since,
        delivered: stats.delivered,
        dead: stats.dead,
        open: stats.open,
        attempts_delivered: stats.attempts_delivered,
        attempts_failed: stats.failures.iter().map(|(_, count)| count).sum(),
        failures: failures.collect(),
        p50_ms: stats.p50_us.map(milliseconds),
        p95_ms: stats.p95_us.map(milliseconds),
        last_delivered_at: stats.last_delivered_at,
    })
}

/// Microseconds as milliseconds with their fraction.
pub(super) fn milliseconds(micros: u64) -> f64 {
    f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1000.0
}
