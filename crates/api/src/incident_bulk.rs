//! The same for many incidents at once over HTTP.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{ApiResult, ok};
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::state::ApiState;
use actions::bulk::{BulkChange, BulkOutcome, BulkResult};
use model::id::IncidentId;
use model::incident::IncidentStatus;
use model::incident_number::IncidentNumber;

/// What became of each incident.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkResults)]
pub struct BulkView<'a> {
    /// In the order in which they were named.
    results: Vec<BulkResultView<'a>>,
}

/// What became of one incident.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkResult)]
pub struct BulkResultView<'a> {
    /// As it was named.
    incident: &'a str,
    #[schema(value_type = BulkOutcome)]
    outcome: &'static str,
    #[schema(required, value_type = Option<String>)]
    id: Option<IncidentId>,
    #[schema(required, value_type = Option<u64>)]
    number: Option<IncidentNumber>,
    /// Where it stands now.
    #[schema(required, value_type = Option<IncidentStatus>)]
    status: Option<&'static str>,
}

impl<'a> From<&'a BulkResult> for BulkResultView<'a> {
    fn from(result: &'a BulkResult) -> Self {
        let incident = result.incident.as_ref();
        Self {
            incident: &result.named,
            outcome: result.outcome.as_str(),
            id: incident.map(|incident| incident.id),
            number: incident.and_then(|incident| incident.number),
            status: incident.map(|incident| incident.status.as_str()),
        }
    }
}

/// `POST /incidents/bulk`
pub async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    JsonBody(change): JsonBody<BulkChange>,
) -> ApiResult {
    let results = state.actions.change_incidents(&caller.actor(), change).await?;
    ok(&BulkView {
        results: results.iter().map(BulkResultView::from).collect(),
    })
}
