//! Escalation policies over HTTP.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{ApiResult, created, list as list_answer, no_content, ok};
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::incidents::UserName;
use crate::query::{PathId, QueryOf, page};
use crate::services::PageQuery;
use crate::state::ApiState;
use actions::catalog::PolicyDraft;
use model::escalation::{EscalationPolicy, EscalationStep};
use model::id::PolicyId;
use model::time::Timestamp;

/// An escalation policy.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EscalationPolicy)]
pub struct PolicyView<'a> {
    #[schema(value_type = String)]
    id: PolicyId,
    name: &'a str,
    /// What happens, in order.
    steps: Vec<StepView<'a>>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// One step of an escalation policy.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EscalationStep)]
pub struct StepView<'a> {
    /// Minutes since the step before (or since the trigger).
    wait_minutes: u32,
    /// Who becomes the assignee; nobody new if null.
    #[schema(required)]
    assignee: Option<UserName<'a>>,
}

impl<'a> From<&'a EscalationPolicy> for PolicyView<'a> {
    fn from(policy: &'a EscalationPolicy) -> Self {
        Self {
            id: policy.id,
            name: &policy.name,
            steps: policy.steps.iter().map(StepView::from).collect(),
            created_at: policy.created_at,
        }
    }
}

impl<'a> From<&'a EscalationStep> for StepView<'a> {
    fn from(step: &'a EscalationStep) -> Self {
        Self {
            wait_minutes: step.wait_minutes,
            assignee: step.assignee.as_ref().map(|user| UserName {
                id: user.id,
                name: &user.name,
            }),
        }
    }
}

/// `POST /escalation-policies`
pub async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    JsonBody(draft): JsonBody<PolicyDraft>,
) -> ApiResult {
    let policy = state.actions.create_policy(caller.actor(), draft).await?;
    created(&PolicyView::from(&policy))
}

/// `GET /escalation-policies`
pub async fn list(State(state): State<ApiState>, QueryOf(query): QueryOf<PageQuery>) -> ApiResult {
    let page = page(query.limit.as_deref(), query.cursor.as_deref())?;
    let rows = state.store.policies.list(page).await?;
    list_answer(&rows, page, |row| row.id.as_bytes(), PolicyView::from)
}

/// `GET /escalation-policies/{id}`
pub async fn get(State(state): State<ApiState>, PathId(id): PathId<PolicyId>) -> ApiResult {
    ok(&PolicyView::from(&state.store.policies.get(id).await?))
}

/// `PATCH /escalation-policies/{id}`
pub async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<PolicyId>,
    JsonBody(draft): JsonBody<PolicyDraft>,
) -> ApiResult {
    let policy = state.actions.change_policy(caller.actor(), id, draft).await?;
    ok(&PolicyView::from(&policy))
}

/// `DELETE /escalation-policies/{id}`
pub async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<PolicyId>,
) -> ApiResult {
    state.actions.delete_policy(caller.actor(), id).await?;
    no_content()
}
