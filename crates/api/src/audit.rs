//! The audit log over HTTP.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{ApiResult, listed as listed_answer};
use crate::query::{QueryOf, page, parse_parameter};
use crate::state::ApiState;
use crate::words::ActorKind;
use model::audit::AuditEntry;
use model::id::AuditId;
use model::time::Timestamp;
use store::access::AuditFilter;

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
    /// How often it happened within the hour: more than once only of refused sign-ins, which are one entry each hour.
    times: u32,
}

/// Which entries a list shows.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// By or about this: the id of a user or a key, or `system`.
    who: Option<String>,
    /// What was done begins with this word, such as `webhook` or `sign_in`.
    kind: Option<String>,
    /// Not before this time.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Before this time.
    #[param(format = DateTime)]
    until: Option<String>,
    /// How many entries at most: 1 to 200, 50 if absent.
    limit: Option<String>,
    /// Where to go on: `nextCursor` of the page before.
    cursor: Option<String>,
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
            times: entry.times,
        }
    }
}

/// `GET /audit`
pub async fn list(State(state): State<ApiState>, QueryOf(query): QueryOf<AuditQuery>) -> ApiResult {
    let page = page(query.limit.as_deref(), query.cursor.as_deref())?;
    let time = |name, text: Option<&str>| parse_parameter(name, text, |text| text.parse().ok());
    let filter = AuditFilter {
        since: time("since", query.since.as_deref())?,
        until: time("until", query.until.as_deref())?,
        who: query.who,
        kind: query.kind,
    };
    let listed = state.store.access.list_audit(filter, page).await?;
    listed_answer(&listed, AuditView::from)
}
