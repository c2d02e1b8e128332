//! The state of the installation over HTTP, with the check that nothing is lost; backups and new master keys.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{ApiResult, created, ok};
use crate::auth::Caller;
use crate::body::{JsonBody, Nothing, OptionalBody};
use crate::problem::{Code, Problem};
use crate::query::QueryOf;
use crate::state::ApiState;
use crate::system_check;
use model::capacity::Capacity;
use model::id::WebhookId;
use model::time::Timestamp;
use store::deliveries::StateCounts;
use store::upkeep::{Audited, Balance, Finding, Loss, StoreInfo, UnwellWebhook};

/// The state of the installation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = System)]
pub struct SystemView {
    #[schema(value_type = String)]
    version: &'static str,
    store: StoreView,
    deliveries: CountsView,
    /// How much may be open at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<CapacityView>,
    /// Accepted deliveries that are nowhere: zero when nothing is lost. Null if there are more than 20,000 deliveries and
    /// `deep` was not asked for.
    #[schema(required)]
    missing: Option<i64>,
    /// The balance of every webhook; empty where `missing` is null.
    balance: Vec<BalanceView>,
    /// What this server's own check came to last; null if another server leads, or before the first.
    #[schema(required)]
    audit: Option<LastBalanceView>,
    /// What is wrong with the store, as far as it is known without the deep check.
    troubles: Vec<FindingView>,
    /// Webhooks that are degraded, disabled by failure or have dead deliveries, at most 1000.
    unwell_webhooks: Vec<UnwellView>,
    /// Requests that wait for what this server lacks.
    sends_waiting: u64,
    /// What it lacked last.
    #[schema(required)]
    lacked: Option<String>,
    /// What was found of the database server with `server=true`, and by the deep check with `deep=true`; absent without either.
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<FindingView>>,
}

/// How closely to look.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SystemQuery {
    /// Also looks for what the schema cannot forbid; this reads the whole store. `/system/check` does so too, and tells how
    /// far it has come.
    #[serde(default)]
    deep: bool,
    /// Also looks at the database server that keeps the data, if there is one.
    #[serde(default)]
    server: bool,
}

/// Something that is not as it should be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Finding)]
pub struct FindingView {
    #[schema(value_type = String)]
    code: &'static str,
    sentence: String,
    /// What to do.
    #[schema(value_type = String)]
    advice: &'static str,
    /// Whether it may stay as it is.
    is_advice: bool,
}

/// A webhook that does not deliver as it should.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UnwellWebhook)]
pub struct UnwellView {
    #[schema(value_type = String)]
    webhook_id: WebhookId,
    name: String,
    degraded: Option<SinceView>,
    /// Not told of one that a person has disabled.
    disabled_by_failure: Option<SinceView>,
    /// Dead deliveries, without those of Send Test; counted up to 10,000, among the latest 20,000 that ended unsent.
    dead: u64,
}

/// Since when something is so, and why.
#[derive(Serialize, ToSchema)]
#[schema(as = Since)]
pub struct SinceView {
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    reason: String,
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
    /// The write-ahead log.
    wal_bytes: u64,
    /// The limit `max_database_size`.
    max_bytes: Option<u64>,
    disk: Option<DiskView>,
    /// The place of the last event in the feed, by the high-water mark beside the database.
    last_event: i64,
}

/// The disk of the data directory.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Disk)]
pub struct DiskView {
    mounted_at: String,
    free_bytes: u64,
    total_bytes: u64,
}

/// What the database lacks of what its high-water mark knows.
#[derive(Serialize, ToSchema)]
#[schema(as = Loss)]
pub struct LossView {
    events: u64,
    deliveries: u64,
}

/// What the balance came to that the leading server draws by itself.
#[derive(Serialize, ToSchema)]
#[schema(as = LastBalance)]
pub struct LastBalanceView {
    /// Deliveries that were missing, or too many: zero when nothing is lost.
    off: i64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// How much may be open at once, worked out from the file descriptors that the process may have.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Capacity)]
pub struct CapacityView {
    /// File descriptors; null if there is no bound.
    #[schema(required)]
    files: Option<u64>,
    client_connections: usize,
    connections_per_client: usize,
    deliveries_in_flight: usize,
    idle_connections: usize,
    event_streams: usize,
    live_pages: usize,
}

/// Open and dead deliveries by state. Each is counted up to 10,000, which means so many or more, and dead ones among each webhook's
/// latest 20,000 that ended unsent; `/metrics` counts them all.
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

/// The balance of one webhook: accepted − pruned = delivered + open + dead + superseded + expired.
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
    superseded: u64,
    expired: u64,
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
            wal_bytes: info.wal_bytes,
            max_bytes: info.max_bytes,
            disk: info.disk.map(|disk| DiskView {
                mounted_at: disk.mounted_at.display().to_string(),
                free_bytes: disk.free_bytes,
                total_bytes: disk.total_bytes,
            }),
            last_event: info.last_event,
        }
    }
}

impl From<UnwellWebhook> for UnwellView {
    fn from(webhook: UnwellWebhook) -> Self {
        let since = |(since, reason): (Timestamp, String)| SinceView { since, reason };
        Self {
            webhook_id: webhook.id,
            name: webhook.name,
            degraded: webhook.degraded.map(since),
            disabled_by_failure: webhook.disabled_by_failure.map(since),
            dead: webhook.dead,
        }
    }
}

impl From<Capacity> for CapacityView {
    fn from(capacity: Capacity) -> Self {
        Self {
            files: capacity.files,
            client_connections: capacity.client_connections,
            connections_per_client: capacity.connections_per_client,
            deliveries_in_flight: capacity.max_in_flight,
            idle_connections: capacity.idle_connections,
            event_streams: capacity.event_streams,
            live_pages: capacity.live_pages,
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
            is_advice: finding.is_advice(),
            code: finding.code,
            sentence: finding.sentence,
            advice: finding.advice,
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
            superseded: balance.superseded,
            expired: balance.expired,
            missing: balance.missing(),
        }
    }
}

/// `GET /system`
pub async fn get(State(state): State<ApiState>, QueryOf(query): QueryOf<SystemQuery>) -> ApiResult {
    let info = state.store.upkeep.info().await?;
    let counts = state.store.deliveries.counts().await?;
    let (balance, findings) = match (query.deep, query.server) {
        (true, _) => {
            let examined = system_check::begin(&state)?.run_awaited().await?;
            (Some(examined.balances), examined.findings)
        }
        (false, true) => {
            let balance = state.store.upkeep.balance_at_once().await?;
            let findings = state.store.upkeep.examine_server(state.source.now()).await?;
            (balance, findings)
        }
        (false, false) => (state.store.upkeep.balance_at_once().await?, Vec::new()),
    };
    let unwell = state.store.upkeep.unwell_webhooks().await?;
    ok(&SystemView {
        version: env!("CARGO_PKG_VERSION"),
        store: info.into(),
        deliveries: counts.into(),
        capacity: state.settings.capacity.map(CapacityView::from),
        missing: balance
            .as_ref()
            .map(|balance| balance.iter().map(Balance::missing).sum()),
        balance: balance.iter().flatten().map(BalanceView::from).collect(),
        audit: state
            .metrics
            .audited()
            .map(|Audited { off, at }| LastBalanceView { off, at }),
        troubles: state
            .store
            .upkeep
            .troubles()
            .into_iter()
            .map(Into::into)
            .collect(),
        unwell_webhooks: unwell.into_iter().map(Into::into).collect(),
        sends_waiting: u64::try_from(state.metrics.sends_waiting.get()).unwrap_or(0),
        lacked: state.metrics.lacked(),
        findings: (query.deep || query.server).then(|| findings.into_iter().map(FindingView::from).collect()),
    })
}

/// `POST /system/backup`
pub async fn back_up(
    State(state): State<ApiState>,
    caller: Caller,
    JsonBody(body): JsonBody<BackupBody>,
) -> ApiResult {
    let Some(directory) = &state.settings.backup_directory else {
        let detail = "this server has no folder of backups; use the database's own tools, such as pg_dump";
        return Err(Problem::new(Code::Conflict, detail));
    };
    state
        .actions
        .back_up(caller.actor(), directory, &body.name)
        .await?;
    created(&body)
}

/// `POST /system/accept-loss`
pub async fn accept_loss(
    State(state): State<ApiState>,
    caller: Caller,
    _: OptionalBody<Nothing>,
) -> ApiResult {
    let Loss { events, deliveries } = state.actions.accept_loss(caller.actor()).await?;
    ok(&LossView { events, deliveries })
}

/// `POST /system/rekey`
pub async fn rekey(State(state): State<ApiState>, caller: Caller, _: OptionalBody<Nothing>) -> ApiResult {
    let count = state.actions.rekey(caller.actor()).await?;
    ok(&RekeyedView { count })
}
