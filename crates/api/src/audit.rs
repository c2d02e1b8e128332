//! The audit log over HTTP.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{ApiResult, list as list_answer};
use crate::query::{QueryOf, page};
use crate::services::PageQuery;
use crate::state::ApiState;
use crate::words::ActorKind;
use model::audit::AuditEntry;
use model::id::AuditId;
use model::time::Timestamp;

/// One entry of the audit log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub struct AuditView<'a> {
    #[schema(value_type = String)]
    id: AuditId,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    actor: ActorView<'a>,
    /// What was done, such as `webhook.create`.
    action: &'a str,
    /// To what: an id.
    subject: &'a str,
    /// A sentence.
    detail: &'a str,
}

/// Who did it.
#[derive(Serialize, ToSchema)]
#[schema(as = Actor)]
pub struct ActorView<'a> {
    #[schema(value_type = ActorKind)]
    kind: &'a str,
    name: &'a str,
}

impl<'a> From<&'a AuditEntry> for AuditView<'a> {
    fn from(entry: &'a AuditEntry) -> Self {
        Self {
            id: entry.id,
            at: entry.at,
            actor: ActorView {
                kind: entry.actor.kind(),
                name: entry.actor.name(),
            },
            action: &entry.action,
            subject: &entry.subject,
            detail: &entry.detail,
        }
    }
}

/// `GET /audit`
pub async fn list(State(state): State<ApiState>, QueryOf(query): QueryOf<PageQuery>) -> ApiResult {
    let page = page(query.limit.as_deref(), query.cursor.as_deref())?;
    let rows = state.store.access.list_audit(page).await?;
    list_answer(&rows, page, |row| row.id.as_bytes(), AuditView::from)
}
