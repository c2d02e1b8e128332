//! Wires the pages: their settings, the link that makes the first administrator, and who tells them of commits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::watch;

use super::set_up_token;
use actions::Actions;
use actions::access::SetupToken;
use api::exports::Exports;
use clock::Env;
use config::Config;
use limit::Limit;
use limit::shared::SharedLimits;
use model::capacity::Capacity;
use model::secret::SecretText;
use store::CommitObserver;
use store::Store;
use store::wakeup::Commits;
use supervisor::{HowEnded, Supervisor, VitalEnd};
use telemetry::Metrics;
use web::{ApiReads, PageExports, SingleSignOn, WebParts, WebSettings, WebState};

/// How many accounts' failures to sign in one address may have: it may be that of a whole office.
const ACCOUNTS_PER_ADDRESS: f64 = 10.0;

/// What the pages share with the rest of the server.
pub struct Shared {
    /// What users may do.
    pub actions: Arc<Actions>,
    /// For reading.
    pub store: Store,
    /// Time and randomness.
    pub source: Env,
    /// Changes with every commit.
    pub commits: Commits,
    /// Where the server reaches itself.
    pub own_address: SocketAddr,
    /// The limits that hold for all nodes together.
    pub limits: SharedLimits,
    /// How many pages may be live at once.
    pub capacity: Capacity,
    pub metrics: Arc<Metrics>,
    /// The provider that people may sign in by.
    pub single_sign_on: Option<SingleSignOn>,
    /// Becomes true when the server stops.
    pub stopping: watch::Receiver<bool>,
}

/// The pages, where the API puts its reads once it is there, and the one-time token of the set-up link if nobody can sign in yet.
pub async fn prepare(
    config: &Config,
    shared: Shared,
) -> anyhow::Result<((Router, ApiReads), Option<SecretText>)> {
    let api_reads = ApiReads::default();
    let (setup, token) = first_admin(config, &shared.store, &shared.source).await?;
    let failures_per_minute = ACCOUNTS_PER_ADDRESS * f64::from(config.api.failed_sign_ins_per_minute);
    let settings = WebSettings {
        public_url: config.public_url.clone(),
        is_dev: config.dev,
        has_inboxes: config.inbox.enabled,
        badges: config.badges.clone(),
        own_address: shared.own_address,
        failure_limit: Limit {
            per_second: failures_per_minute / 60.0,
            burst: failures_per_minute,
        },
        backup_directory: super::open_store::backup_directory(config),
        max_streams: shared.capacity.live_pages,
    };
    let exports = page_exports(&shared);
    let passkeys = super::passkeys::prepare(config, shared.own_address, &shared.source)?;
    let state = WebState::new(WebParts {
        actions: shared.actions,
        store: shared.store,
        source: shared.source,
        commits: shared.commits.subscribe(),
        settings,
        limits: shared.limits,
        setup,
        single_sign_on: shared.single_sign_on,
        passkeys,
        openapi: api::openapi_document,
        exports,
        api_reads: api_reads.clone(),
        audited: Box::new(move || shared.metrics.audited()),
        stopping: shared.stopping,
    });
    Ok(((web::router(state), api_reads), token))
}

/// The API's exports, with room of their own: no key's exports are in the way of people's.
fn page_exports(shared: &Shared) -> PageExports {
    let exports = Arc::new(Exports::new(shared.store.clone(), shared.stopping.clone()));
    let of_deliveries = Arc::clone(&exports);
    PageExports {
        incidents: Arc::new(move |uri, may_read| {
            let exports = Arc::clone(&exports);
            Box::pin(async move { exports.incidents_for_page(&uri, may_read).await })
        }),
        deliveries: Arc::new(move |uri, may_read| {
            let exports = Arc::clone(&of_deliveries);
            Box::pin(async move { exports.deliveries_for_page(&uri, may_read).await })
        }),
    }
}

async fn first_admin(
    config: &Config,
    store: &Store,
    source: &Env,
) -> anyhow::Result<(SetupToken, Option<SecretText>)> {
    if store.sign_in.has_passwords().await? {
        return Ok((SetupToken::none(), None));
    }
    let token = set_up_token::make(config, source, "administrator")?;
    Ok((SetupToken::new(&token), Some(SecretText::new(token))))
}

/// Told about every commit of the store: counts it, and tells live pages.
pub struct CommitWatch {
    /// Counts.
    metrics: Arc<Metrics>,
    /// Tells.
    commits: Commits,
    /// Hears of the writer's end.
    supervisor: Supervisor,
}

impl CommitWatch {
    /// A watch, and where to hear of commits.
    pub fn new(metrics: &Arc<Metrics>, supervisor: &Supervisor) -> (Self, Commits) {
        let commits = Commits::new();
        let watch = Self {
            metrics: Arc::clone(metrics),
            commits: commits.clone(),
            supervisor: supervisor.clone(),
        };
        (watch, commits)
    }
}

impl CommitObserver for CommitWatch {
    fn committed(&self, commands: usize, took: Duration) {
        self.metrics.committed(commands, took);
        self.commits.one_more();
    }

    fn failed(&self) {
        self.metrics.failed();
    }

    fn round_trip(&self) {
        self.metrics.round_trip();
    }

    fn writer_died(&self) {
        self.supervisor.report(VitalEnd {
            task: "writer of the store",
            how: HowEnded::Panicked,
        });
    }
}
