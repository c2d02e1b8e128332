//! The state of the installation over HTTP, with the check that nothing is lost; backups and new master keys.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::answer::{ApiResult, created, ok};
use crate::api::auth::Caller;
use crate::api::body::{JsonBody, Nothing, OptionalBody};
use crate::api::problem::{Code, Problem};
use crate::api::query::QueryOf;
use crate::api::state::ApiState;
use crate::model::id::WebhookId;
use crate::model::time::Timestamp;
use crate::store::deliveries::StateCounts;
use crate::store::upkeep::{Balance, Finding, StoreInfo};

/// The state of the installation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = System)]
pub struct SystemView {
    #[schema(value_type = String)]
    version: &'static str,
    store: StoreView,
    deliveries: CountsView,
    /// Accepted deliveries that are nowhere: zero when nothing is lost.
    missing: i64,
    /// The balance of every webhook.
    balance: Vec<BalanceView>,
    /// What the deep check found; only with `deep=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<FindingView>>,
}

/// How closely to look.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SystemQuery {
    /// Also looks for what the schema cannot forbid; this reads the whole store.
    #[serde(default)]
    deep: bool,
}

/// One finding of the deep check.
#[derive(Serialize, ToSchema)]
#[schema(as = Finding)]
pub struct FindingView {
    #[schema(value_type = String)]
    code: &'static str,
    sentence: String,
}

/// What the store says about itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StoreInfo)]
pub struct StoreView {
    backend: String,
    schema_version: u32,
    size_bytes: u64,
    free_bytes: u64,
}

/// Open and dead deliveries by state.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeliveryCounts)]
pub struct CountsView {
    scheduled: u64,
    queued: u64,
    claimed: u64,
    held: u64,
    dead: u64,
    /// Since when the longest due delivery of an enabled webhook is due.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    oldest_due_at: Option<Timestamp>,
}

/// The balance of one webhook: accepted − pruned = delivered + open + dead.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Balance)]
pub struct BalanceView {
    #[schema(value_type = String)]
    webhook_id: WebhookId,
    accepted: u64,
    pruned: u64,
    delivered: u64,
    open: u64,
    dead: u64,
    missing: i64,
}

/// A backup.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Backup)]
pub struct BackupBody {
    /// The name of the new file in the server's folder of backups: letters, digits, `-`, `_` and `.`.
    name: String,
}

/// How many secrets were sealed anew.
#[derive(Serialize, ToSchema)]
#[schema(as = Rekeyed)]
pub struct RekeyedView {
    count: u64,
}

impl From<StoreInfo> for StoreView {
    fn from(info: StoreInfo) -> Self {
        Self {
            backend: info.backend,
            schema_version: info.schema_version,
            size_bytes: info.size_bytes,
            free_bytes: info.free_bytes,
        }
    }
}

impl From<StateCounts> for CountsView {
    fn from(counts: StateCounts) -> Self {
        Self {
            scheduled: counts.scheduled,
            queued: counts.queued,
            claimed: counts.claimed,
            held: counts.held,
            dead: counts.dead,
            oldest_due_at: counts.oldest_due_at,
        }
    }
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        Self {
            code: finding.code,
            sentence: finding.sentence,
        }
    }
}

impl From<&Balance> for BalanceView {
    fn from(balance: &Balance) -> Self {
        Self {
            webhook_id: balance.webhook_id,
            accepted: balance.accepted,
            pruned: balance.pruned,
            delivered: balance.delivered,
            open: balance.open,
            dead: balance.dead,
            missing: balance.missing(),
        }
    }
}

/// `GET /system`
pub async fn get(State(state): State<ApiState>, QueryOf(query): QueryOf<SystemQuery>) -> ApiResult {
    let info = state.store.upkeep.info().await?;
    let counts = state.store.deliveries.counts().await?;
    let balance = state.store.upkeep.balance().await?;
    let findings = if query.deep {
        let found = state.store.upkeep.examine(state.source.now()).await?;
        Some(found.into_iter().map(FindingView::from).collect())
    } else {
        None
    };
    ok(&SystemView {
        version: env!("CARGO_PKG_VERSION"),
        store: info.into(),
        deliveries: counts.into(),
        missing: balance.iter().map(Balance::missing).sum(),
        balance: balance.iter().map(BalanceView::from).collect(),
        findings,
    })
}

/// `POST /system/backup`
pub async fn back_up(
    State(state): State<ApiState>,
    caller: Caller,
    JsonBody(body): JsonBody<BackupBody>,
) -> ApiResult {
    let Some(directory) = &state.settings.backup_directory else {
        let detail = "this server has no folder of backups; use the database's own tools";
        return Err(Problem::new(Code::Conflict, detail));
    };
    state
        .actions
        .back_up(caller.actor(), directory, &body.name)
        .await?;
    created(&body)
}

/// `POST /system/rekey`
pub async fn rekey(State(state): State<ApiState>, caller: Caller, _: OptionalBody<Nothing>) -> ApiResult {
    let count = state.actions.rekey(caller.actor()).await?;
    ok(&RekeyedView { count })
}
