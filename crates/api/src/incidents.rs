//! Incidents over HTTP.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{ApiResult, answer_to_response, created, created_bytes, listed_to, ok, repeated};
use crate::auth::Caller;
use crate::body::{JsonBody, Nothing, OptionalBody};
use crate::cursor::{parse_place_cursor, place_cursor};
use crate::guard::RequestKey;
use crate::problem::{Code, Problem};
use crate::query::{PathIncident, QueryOf, parse_limit, parse_parameter};
use crate::state::ApiState;
use crate::tickets::LinkView;
use actions::incident_lists::{IncidentOrder, Part};
use actions::incidents::{IncidentChange, IncidentDraft, NoteDraft};
use model::event::EventName;
use model::id::{IncidentId, ServiceId, UserId};
use model::incident::{Incident, IncidentAction, IncidentStatus, Severity};
use model::incident_number::IncidentNumber;
use model::restriction::Restriction;
use model::time::Timestamp;
use store::StoreError;
use store::incidents::{Committed, IncidentFilter, TimelineEntry, TimelineKind};
use store::receipts::Answer;

/// The longest text to search titles for, in bytes.
const MAX_SEARCH_BYTES: usize = 500;

/// An incident as it stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Incident)]
pub struct IncidentView<'a> {
    #[schema(value_type = String)]
    id: IncidentId,
    /// What people call it: `#1042`. May stand for the id in paths.
    #[schema(required, value_type = Option<u64>)]
    number: Option<IncidentNumber>,
    title: &'a str,
    #[schema(required)]
    description: Option<&'a str>,
    #[schema(value_type = IncidentStatus)]
    status: &'a str,
    #[schema(value_type = Severity)]
    severity: &'a str,
    service: ServiceName<'a>,
    #[schema(required)]
    assignee: Option<UserName<'a>>,
    #[schema(required)]
    dedup_key: Option<&'a str>,
    /// How many steps of the escalation policy have fired since it was last triggered.
    escalation_steps_fired: u32,
    /// When the next step fires by itself.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    escalate_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    acknowledged_at: Option<Timestamp>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    resolved_at: Option<Timestamp>,
}

/// A service by id and name.
#[derive(Serialize, ToSchema)]
pub struct ServiceName<'a> {
    #[schema(value_type = String)]
    pub id: ServiceId,
    pub name: &'a str,
}

/// A user by id and name.
#[derive(Serialize, ToSchema)]
pub struct UserName<'a> {
    #[schema(value_type = String)]
    pub(super) id: UserId,
    pub(super) name: &'a str,
}

/// An incident with its timeline.
#[derive(Serialize, ToSchema)]
#[schema(as = IncidentWithTimeline)]
pub struct IncidentDetail<'a> {
    #[serde(flatten)]
    incident: IncidentView<'a>,
    /// What happened, oldest first; at most the latest 500 lines.
    timeline: Vec<TimelineView<'a>>,
    /// Its tickets in other systems.
    links: Vec<LinkView<'a>>,
}

/// One line of a timeline: `event` or `note`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TimelineEntry)]
pub struct TimelineView<'a> {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who did it.
    actor: &'a str,
    /// The event's name, if this line is a transition.
    #[schema(required, value_type = Option<EventName>)]
    event: Option<&'a str>,
    /// A sentence or what somebody wrote, if it is something else.
    #[schema(required)]
    note: Option<&'a str>,
}

/// Which incidents to list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IncidentQuery {
    /// Only these statuses, separated by commas.
    #[param(value_type = Option<Vec<IncidentStatus>>, style = Form, explode = false)]
    pub(super) status: Option<String>,
    /// Only this severity.
    #[param(value_type = Option<Severity>)]
    pub(super) severity: Option<String>,
    /// Only this service, by id.
    pub(super) service: Option<String>,
    /// Only this assignee's, by id.
    pub(super) assignee: Option<String>,
    /// Only what this finds: a number, the beginning of an id, or a part of title, service's name or dedup key.
    #[param(max_length = 500)]
    pub(super) q: Option<String>,
    /// Only triggered at or after this time.
    #[param(format = DateTime)]
    pub(super) since: Option<String>,
    /// Only triggered before this time.
    #[param(format = DateTime)]
    pub(super) until: Option<String>,
    /// In which order.
    #[param(value_type = Option<IncidentOrder>)]
    pub(super) sort: Option<String>,
    /// How many at most.
    pub(super) limit: Option<String>,
    /// `nextCursor` of the page before.
    pub(super) cursor: Option<String>,
}

impl IncidentQuery {
    /// What it asks for, for a reader with this restriction.
    pub fn filter(&self, restriction: Restriction) -> Result<IncidentFilter, Problem> {
        let parse_statuses = |text: &str| text.split(',').map(IncidentStatus::parse).collect();
        let parse_text = |text: &str| (text.len() <= MAX_SEARCH_BYTES).then(|| text.to_owned());
        let statuses: Option<Vec<_>> = parse_parameter("status", self.status.as_deref(), parse_statuses)?;
        let text = parse_parameter("q", self.q.as_deref(), parse_text)?;
        let filter = IncidentFilter {
            statuses: statuses.unwrap_or_default(),
            severity: parse_parameter("severity", self.severity.as_deref(), Severity::parse)?,
            service_id: parse_parameter("service", self.service.as_deref(), |text| text.parse().ok())?,
            assignee: parse_parameter("assignee", self.assignee.as_deref(), |text| text.parse().ok())?,
            since: parse_parameter("since", self.since.as_deref(), |text| text.parse().ok())?,
            until: parse_parameter("until", self.until.as_deref(), |text| text.parse().ok())?,
            restriction,
            ..IncidentFilter::default()
        };
        Ok(filter.searched(text.as_deref()))
    }
}

impl<'a> From<&'a Incident> for IncidentView<'a> {
    fn from(incident: &'a Incident) -> Self {
        Self {
            id: incident.id,
            number: incident.number,
            title: &incident.title,
            description: incident.description.as_deref(),
            status: incident.status.as_str(),
            severity: incident.severity.as_str(),
            service: ServiceName {
                id: incident.service.id,
                name: &incident.service.name,
            },
            assignee: incident.assignee.as_ref().map(|user| UserName {
                id: user.id,
                name: &user.name,
            }),
            dedup_key: incident.dedup_key.as_deref(),
            escalation_steps_fired: incident.escalation_steps_fired,
            escalate_at: incident.escalate_at,
            created_at: incident.created_at,
            updated_at: incident.updated_at,
            acknowledged_at: incident.acknowledged_at,
            resolved_at: incident.resolved_at,
        }
    }
}

impl<'a> From<&'a TimelineEntry> for TimelineView<'a> {
    fn from(entry: &'a TimelineEntry) -> Self {
        let (event, note) = match &entry.kind {
            TimelineKind::Event { name, .. } => (Some(name.as_str()), None),
            TimelineKind::Note(sentence) => (None, Some(sentence.as_str())),
        };
        Self {
            at: entry.at,
            actor: entry.actor.name(),
            event,
            note,
        }
    }
}

/// `POST /incidents`
pub async fn trigger(
    State(state): State<ApiState>,
    caller: Caller,
    key: RequestKey,
    JsonBody(draft): JsonBody<IncidentDraft>,
) -> ApiResult {
    let receipt = key.into_receipt(render);
    let committed = state.actions.trigger(caller.actor(), draft, receipt).await?;
    Ok(answer(committed))
}

/// `POST /incidents/{id}/acknowledge`
pub async fn acknowledge(
    state: State<ApiState>,
    caller: Caller,
    key: RequestKey,
    id: PathIncident,
    _: OptionalBody<Nothing>,
) -> ApiResult {
    transition(state.0, caller, key, id.0, IncidentAction::Acknowledge).await
}

/// `POST /incidents/{id}/resolve`
pub async fn resolve(
    state: State<ApiState>,
    caller: Caller,
    key: RequestKey,
    id: PathIncident,
    _: OptionalBody<Nothing>,
) -> ApiResult {
    transition(state.0, caller, key, id.0, IncidentAction::Resolve).await
}

/// `POST /incidents/{id}/escalate`
pub async fn escalate(
    state: State<ApiState>,
    caller: Caller,
    key: RequestKey,
    id: PathIncident,
    _: OptionalBody<Nothing>,
) -> ApiResult {
    transition(state.0, caller, key, id.0, IncidentAction::Escalate).await
}

/// `POST /incidents/{id}/reopen`
pub async fn reopen(
    state: State<ApiState>,
    caller: Caller,
    key: RequestKey,
    id: PathIncident,
    _: OptionalBody<Nothing>,
) -> ApiResult {
    transition(state.0, caller, key, id.0, IncidentAction::Reopen).await
}

async fn transition(
    state: ApiState,
    caller: Caller,
    key: RequestKey,
    id: IncidentId,
    action: IncidentAction,
) -> ApiResult {
    let receipt = key.into_receipt(render);
    let committed = state
        .actions
        .transition(caller.actor(), id, action, receipt)
        .await?;
    Ok(answer(committed))
}

/// `GET /incidents`
pub async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    QueryOf(query): QueryOf<IncidentQuery>,
) -> ApiResult {
    let limit = parse_limit(query.limit.as_deref())?;
    let order = parse_parameter("sort", query.sort.as_deref(), IncidentOrder::parse)?.unwrap_or_default();
    let place = query
        .cursor
        .as_deref()
        .map(|cursor| parse_place_cursor(order, cursor));
    let part = place.transpose()?.map_or(Part::First, Part::After);
    let filter = query.filter(caller.restriction())?;
    let page = state.actions.list_incidents(filter, order, part, limit).await?;
    let next_cursor = page.next.map(|place| place_cursor(order, place));
    listed_to(&page.rows, next_cursor, IncidentView::from)
}

/// `GET /incidents/{id}`
pub async fn get(State(state): State<ApiState>, caller: Caller, PathIncident(id): PathIncident) -> ApiResult {
    let incident = state.store.incidents.get(id).await?;
    if !caller.0.restriction.admits_service(incident.service.id) {
        return Err(StoreError::NotFound { what: "incident" }.into());
    }
    let timeline = state.store.incidents.timeline(id).await?;
    let links = state.store.tickets.of_incident(id).await?;
    ok(&IncidentDetail {
        incident: IncidentView::from(&incident),
        timeline: timeline.iter().map(TimelineView::from).collect(),
        links: links.iter().map(LinkView::from).collect(),
    })
}

/// `PATCH /incidents/{id}`
pub async fn edit(
    State(state): State<ApiState>,
    caller: Caller,
    PathIncident(id): PathIncident,
    JsonBody(change): JsonBody<IncidentChange>,
) -> ApiResult {
    let incident = state.actions.edit_incident(caller.actor(), id, change).await?;
    ok(&IncidentView::from(&incident))
}

/// `POST /incidents/{id}/notes`
pub async fn add_note(
    State(state): State<ApiState>,
    caller: Caller,
    PathIncident(id): PathIncident,
    JsonBody(draft): JsonBody<NoteDraft>,
) -> ApiResult {
    let entry = state.actions.add_note(caller.actor(), id, draft).await?;
    created(&TimelineView::from(&entry))
}

fn answer(committed: Committed) -> Response {
    match committed {
        Committed::Repeated(answer) => repeated(answer),
        Committed::KeyMisused => Problem::plain(Code::IdempotencyKeyReused).into_response(),
        Committed::Created(incident) => created_bytes(incident.id.to_string(), to_json(&incident)),
        Committed::Changed(_) | Committed::Unchanged(_) | Committed::Refused(_) => {
            answer_to_response(render(&committed))
        }
    }
}

/// The answer as it is sent and kept; the store calls it inside the transaction.
fn render(committed: &Committed) -> Answer {
    let (status, body) = match committed {
        Committed::Created(incident) => (StatusCode::CREATED, to_json(incident)),
        Committed::Changed(incident) | Committed::Unchanged(incident) => (StatusCode::OK, to_json(incident)),
        Committed::Refused(incident) => {
            let status = incident.status.as_str();
            let problem = Problem::new(Code::WrongStatus, format!("the incident is {status}"));
            let problem = problem.with_incident_status(status);
            (problem.code().status(), problem.to_body())
        }
        Committed::Repeated(answer) => return answer.clone(),
        Committed::KeyMisused => {
            let problem = Problem::plain(Code::IdempotencyKeyReused);
            (problem.code().status(), problem.to_body())
        }
    };
    Answer {
        status: status.as_u16(),
        body,
    }
}

fn to_json(incident: &Incident) -> Vec<u8> {
    // Serialising texts and numbers into memory has no way to fail.
    serde_json::to_vec(&IncidentView::from(incident)).unwrap_or_default()
}
