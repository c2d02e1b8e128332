//! Services over HTTP.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{ApiResult, created, list as list_answer, no_content, ok};
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::query::{PathId, QueryOf, page};
use crate::state::ApiState;
use actions::catalog::ServiceDraft;
use model::id::{PolicyId, ServiceId};
use model::service::Service;
use model::time::Timestamp;

/// Which page of a list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PageQuery {
    /// How many at most.
    pub(super) limit: Option<String>,
    /// `nextCursor` of the page before.
    pub(super) cursor: Option<String>,
}

/// A service.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Service)]
pub struct ServiceView<'a> {
    #[schema(value_type = String)]
    id: ServiceId,
    name: &'a str,
    #[schema(required)]
    description: Option<&'a str>,
    /// Who is called when nobody acknowledges.
    #[schema(required)]
    escalation_policy: Option<PolicyRef>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// An escalation policy by id.
#[derive(Serialize, ToSchema)]
pub struct PolicyRef {
    #[schema(value_type = String)]
    id: PolicyId,
}

impl<'a> From<&'a Service> for ServiceView<'a> {
    fn from(service: &'a Service) -> Self {
        Self {
            id: service.id,
            name: &service.name,
            description: service.description.as_deref(),
            escalation_policy: service.policy_id.map(|id| PolicyRef { id }),
            created_at: service.created_at,
        }
    }
}

/// `POST /services`
pub async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    JsonBody(draft): JsonBody<ServiceDraft>,
) -> ApiResult {
    let service = state.actions.create_service(caller.actor(), draft).await?;
    created(&ServiceView::from(&service))
}

/// `GET /services`
pub async fn list(State(state): State<ApiState>, QueryOf(query): QueryOf<PageQuery>) -> ApiResult {
    let page = page(query.limit.as_deref(), query.cursor.as_deref())?;
    let rows = state.store.services.list(page).await?;
    list_answer(&rows, page, |row| row.id.as_bytes(), ServiceView::from)
}

/// `GET /services/{id}`
pub async fn get(State(state): State<ApiState>, PathId(id): PathId<ServiceId>) -> ApiResult {
    ok(&ServiceView::from(&state.store.services.get(id).await?))
}

/// `PATCH /services/{id}`
pub async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<ServiceId>,
    JsonBody(draft): JsonBody<ServiceDraft>,
) -> ApiResult {
    let service = state.actions.change_service(caller.actor(), id, draft).await?;
    ok(&ServiceView::from(&service))
}

/// `DELETE /services/{id}`
pub async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<ServiceId>,
) -> ApiResult {
    state.actions.delete_service(caller.actor(), id).await?;
    no_content()
}
