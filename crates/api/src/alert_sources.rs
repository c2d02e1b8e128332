//! Alert sources over HTTP: setting them up, and what came to them. What senders send comes by another door.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{ApiResult, created, list as list_answer, no_content, ok};
use crate::auth::Caller;
use crate::body::{JsonBody, Nothing, OptionalBody};
use crate::incidents::ServiceName;
use crate::problem::{Code, Problem};
use crate::query::{PathId, QueryOf, page};
use crate::services::PageQuery;
use crate::state::ApiState;
use actions::alert_sources::{SourceChange, SourceDraft, SourceTest};
use model::id::{IncidentId, SourceId, SourceRequestId};
use model::incident::Severity;
use model::source::{Alert, AlertResult, RequestResult, Source, SourceRequest};
use model::source_kind::{AlertUnit, SourceKind};
use model::time::Timestamp;
use sources::SampleMoment;

/// The most alerts that are listed: those sent last.
const MAX_ALERTS: u32 = 1000;

/// Where alerts come from.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Source)]
pub struct SourceView<'a> {
    #[schema(value_type = String)]
    id: SourceId,
    name: &'a str,
    kind: SourceKind,
    service: ServiceName<'a>,
    /// Whoever knows it may send.
    key: &'a str,
    /// Whether signatures are checked.
    has_secret: bool,
    settings: SourceSettingsView<'a>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When a request last came.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_request_at: Option<Timestamp>,
    /// Since when it says nothing, if that is longer than it may.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    silent_since: Option<Timestamp>,
}

/// What is set of a source.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SourceSettings)]
pub struct SourceSettingsView<'a> {
    alert_unit: AlertUnit,
    /// Expressions by field, where they differ from the kind's own.
    mapping: &'a BTreeMap<String, String>,
    /// How many new alerts open incidents of their own within the window; the others are counted into one.
    storm_alerts: u32,
    storm_window_seconds: u64,
    /// How often an alert may change within the window before it counts as flapping.
    flap_changes: u32,
    flap_window_seconds: u64,
    /// After how many seconds without a request the source counts as silent.
    #[schema(required)]
    silent_after_seconds: Option<u64>,
    enabled: bool,
}

impl<'a> SourceView<'a> {
    fn new(source: &'a Source, now: Timestamp) -> Self {
        let settings = &source.settings;
        Self {
            id: source.id,
            name: &settings.name,
            kind: source.kind,
            service: ServiceName {
                id: source.service.id,
                name: &source.service.name,
            },
            key: source.key.reveal(),
            has_secret: source.secret.is_some(),
            settings: SourceSettingsView {
                alert_unit: settings.options.alert_unit,
                mapping: &settings.options.mapping,
                storm_alerts: settings.storm.max_alerts,
                storm_window_seconds: settings.storm.window.as_secs(),
                flap_changes: settings.flapping.max_changes,
                flap_window_seconds: settings.flapping.window.as_secs(),
                silent_after_seconds: settings.silent_after.map(|after| after.as_secs()),
                enabled: settings.is_enabled,
            },
            created_at: source.created_at,
            last_request_at: source.last_request_at,
            silent_since: source.silent_since(now),
        }
    }
}

/// A request that came to a source, and what became of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SourceRequest)]
pub struct SourceRequestView<'a> {
    #[schema(value_type = String)]
    id: SourceRequestId,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    method: &'a str,
    /// What followed the source's address.
    path: &'a str,
    remote_address: &'a str,
    /// What it was answered with.
    status: u16,
    /// The first 16 KiB of the body, as text.
    body: String,
    body_is_truncated: bool,
    /// How many alerts came to what: opened, counted, resolved, resolved_in_storm, acknowledged, damped, kept, ignored.
    counts: &'a BTreeMap<String, u32>,
    /// The first 50 alerts, one by one.
    alerts: Vec<AlertResultView<'a>>,
    /// Why nothing was done with it.
    #[schema(required)]
    refusal: Option<RefusalView<'a>>,
}

/// What became of one alert of a request.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SourceAlertResult)]
pub struct AlertResultView<'a> {
    key: &'a str,
    title: &'a str,
    outcome: &'a str,
    #[schema(required, value_type = Option<String>)]
    incident_id: Option<IncidentId>,
    /// Why it was ignored.
    #[schema(required)]
    reason: Option<&'a str>,
}

/// Why a request was refused.
#[derive(Serialize, ToSchema)]
#[schema(as = SourceRefusal)]
pub struct RefusalView<'a> {
    code: &'a str,
    detail: &'a str,
}

impl<'a> From<&'a SourceRequest> for SourceRequestView<'a> {
    fn from(request: &'a SourceRequest) -> Self {
        let RequestResult {
            counts,
            alerts,
            refusal,
        } = &request.result;
        Self {
            id: request.id,
            at: request.at,
            method: &request.method,
            path: &request.path,
            remote_address: &request.remote_address,
            status: request.status,
            body: String::from_utf8_lossy(&request.body).into_owned(),
            body_is_truncated: request.body_is_truncated,
            counts,
            alerts: alerts.iter().map(AlertResultView::from).collect(),
            refusal: refusal.as_ref().map(|refusal| RefusalView {
                code: &refusal.code,
                detail: &refusal.sentence,
            }),
        }
    }
}

impl<'a> From<&'a AlertResult> for AlertResultView<'a> {
    fn from(result: &'a AlertResult) -> Self {
        Self {
            key: &result.key,
            title: &result.title,
            outcome: result.outcome.as_str(),
            incident_id: result.outcome.incident_id(),
            reason: result.outcome.reason(),
        }
    }
}

/// How an alert of a source stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SourceAlert)]
pub struct AlertView<'a> {
    /// What the sender tells it by.
    key: &'a str,
    title: &'a str,
    severity: Severity,
    #[schema(value_type = String)]
    incident_id: IncidentId,
    /// It was counted into a storm's incident.
    in_storm: bool,
    firing: bool,
    flapping: bool,
    /// How often it was sent since it last began to fire.
    count: u32,
    #[schema(value_type = String, format = DateTime)]
    first_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_at: Timestamp,
    /// When it is resolved unless it is sent again.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    resolve_at: Option<Timestamp>,
}

impl<'a> From<&'a Alert> for AlertView<'a> {
    fn from(alert: &'a Alert) -> Self {
        Self {
            key: &alert.key,
            title: &alert.title,
            severity: alert.severity,
            incident_id: alert.incident_id,
            in_storm: alert.is_in_storm,
            firing: alert.is_firing,
            flapping: alert.is_flapping,
            count: alert.count,
            first_at: alert.first_at,
            last_at: alert.last_at,
            resolve_at: alert.resolve_at,
        }
    }
}

/// The latest requests of a source.
#[derive(Serialize, ToSchema)]
#[schema(as = SourceRequests)]
pub struct RequestsView<'a> {
    items: Vec<SourceRequestView<'a>>,
}

/// The latest alerts of a source.
#[derive(Serialize, ToSchema)]
#[schema(as = SourceAlerts)]
pub struct AlertsView<'a> {
    items: Vec<AlertView<'a>>,
}

/// Which alerts of a source.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(rename_all = "camelCase")]
pub struct AlertQuery {
    /// Only those of this incident.
    incident_id: Option<String>,
}

/// What a test says.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SourceTestMoment)]
pub enum MomentBody {
    /// Something is wrong.
    Fire,
    /// It is over.
    Resolve,
}

/// A test of a source.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SourceTest)]
pub struct SourceTestBody {
    moment: MomentBody,
}

/// What a test of a source came to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SourceTested)]
pub struct SourceTestedView<'a> {
    /// What the sender would have been answered.
    status: u16,
    body: &'a str,
    /// What became of the request.
    #[schema(required)]
    request: Option<SourceRequestView<'a>>,
}

/// `GET /sources`
pub async fn list(State(state): State<ApiState>, QueryOf(query): QueryOf<PageQuery>) -> ApiResult {
    let page = page(query.limit.as_deref(), query.cursor.as_deref())?;
    let now = state.source.now();
    let mut rows = state.store.sources.list().await?;
    let (before, limit) = page.bounds();
    rows.retain(|source| *source.id.as_bytes() < before);
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    list_answer(
        &rows,
        page,
        |row| row.id.as_bytes(),
        |source| SourceView::new(source, now),
    )
}

/// `POST /sources`
pub async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    JsonBody(draft): JsonBody<SourceDraft>,
) -> ApiResult {
    let source = state.actions.create_source(caller.actor(), draft).await?;
    created(&SourceView::new(&source, state.source.now()))
}

/// `GET /sources/{id}`
pub async fn get(State(state): State<ApiState>, PathId(id): PathId<SourceId>) -> ApiResult {
    let source = state.store.sources.get(id).await?;
    ok(&SourceView::new(&source, state.source.now()))
}

/// `PATCH /sources/{id}`
pub async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<SourceId>,
    JsonBody(change): JsonBody<SourceChange>,
) -> ApiResult {
    let source = state.actions.change_source(caller.actor(), id, change).await?;
    ok(&SourceView::new(&source, state.source.now()))
}

/// `DELETE /sources/{id}`
pub async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<SourceId>,
) -> ApiResult {
    state.actions.delete_source(caller.actor(), id).await?;
    no_content()
}

/// `POST /sources/{id}/rotate-key`
pub async fn rotate_key(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<SourceId>,
    _: OptionalBody<Nothing>,
) -> ApiResult {
    let source = state.actions.rotate_source_key(caller.actor(), id).await?;
    ok(&SourceView::new(&source, state.source.now()))
}

/// `POST /sources/{id}/test`
pub async fn test(
    State(state): State<ApiState>,
    PathId(id): PathId<SourceId>,
    JsonBody(body): JsonBody<SourceTestBody>,
) -> ApiResult {
    let moment = match body.moment {
        MomentBody::Fire => SampleMoment::Fire,
        MomentBody::Resolve => SampleMoment::Resolve,
    };
    let SourceTest { answer, request } = state.actions.test_source(id, moment).await?;
    ok(&SourceTestedView {
        status: answer.status.as_u16(),
        body: &answer.body,
        request: request.as_ref().map(SourceRequestView::from),
    })
}

/// `GET /sources/{id}/requests`
pub async fn requests(State(state): State<ApiState>, PathId(id): PathId<SourceId>) -> ApiResult {
    state.store.sources.get(id).await?;
    let requests = state.store.sources.requests(id).await?;
    ok(&RequestsView {
        items: requests.iter().map(SourceRequestView::from).collect(),
    })
}

/// `GET /sources/{id}/alerts`
pub async fn alerts(
    State(state): State<ApiState>,
    PathId(id): PathId<SourceId>,
    QueryOf(query): QueryOf<AlertQuery>,
) -> ApiResult {
    let incident_id = query.incident_id.map(|text| text.parse::<IncidentId>());
    let incident_id = incident_id
        .transpose()
        .map_err(|error| Problem::new(Code::InvalidQuery, format!("incidentId is {error}")))?;
    state.store.sources.get(id).await?;
    let alerts = state.store.sources.alerts(id, incident_id, MAX_ALERTS).await?;
    ok(&AlertsView {
        items: alerts.iter().map(AlertView::from).collect(),
    })
}
