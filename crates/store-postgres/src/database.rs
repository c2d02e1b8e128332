//! The database: how it is reached, and the three ways into it: one read (`connection`), several reads that see the same
//! state (`snapshot`), and a change (`write`, in `writer.rs`).

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, QueueMode, RecyclingMethod, Runtime, Timeouts,
};

use model::time::Timestamp;
use store::CommitObserver;
use store::DeliverySink;
use store::StoreError;
use store::StoreResult;
use store::commit_health::CommitHealth;
use store::seal::{SealError, Sealer};

use super::address::Address;
use super::connection::Connection;
use super::fleet::Progress;
use super::group_commit::GroupCommit;
use super::migrate::{Migrator, present_version};
use super::prune::PruneRound;
use super::source_arrivals::SourceTurns;
use super::subscriptions::Subscriptions;
use super::terms::Terms;
use super::timelines::{self, Timelines};
use super::tls::Connector;
use super::transfer::check_finished;
use super::unanswered::UnansweredCommits;
use super::webhook_watch::WebhookWatch;

/// The first version that has what the statements here use.
const MIN_SERVER_VERSION: i32 = 14;
/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long somebody waits for a connection that is idle.
const POOL_WAIT: Duration = Duration::from_secs(10);
/// How long a statement of the deep check may take.
const LONG_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a heartbeat may take: one that takes longer is not worth waiting for.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(1);
/// A peer that confirms nothing for so long is gone.
const PEER_TIMEOUT: Duration = Duration::from_secs(15);

/// How to reach the database.
pub struct Settings {
    /// `postgres://user:password@host/database`, or PostgreSQL's `key=value` words; several hosts are tried in turn. Over a
    /// network the server's certificate is verified, with the public authorities or those of `sslrootcert=FILE`, unless
    /// `sslmode=disable`; `password_file=FILE` is read at each new connection. `prepared_statements=off` is for poolers that
    /// do not know them.
    pub url: String,
    /// The most connections that this node opens, beside one for its heartbeats and those whose COMMIT no replica confirms.
    pub pool_size: usize,
    /// How long a statement may take.
    pub statement_timeout: Duration,
    /// This run of this node: unlike any other, of any node.
    pub node: i64,
    /// Where this node keeps its high-water mark; nothing if it lasts no longer than the node.
    pub mark_directory: Option<PathBuf>,
    /// Seals secrets.
    pub sealer: Sealer,
    /// Takes born-claimed deliveries.
    pub delivery_sink: Arc<dyn DeliverySink>,
    /// Told about every commit.
    pub observer: Arc<dyn CommitObserver>,
}

/// One database, as one node uses it.
pub struct Database {
    shared: Arc<Shared>,
    schema_version: u32,
    server_version: String,
    prune_round: Mutex<PruneRound>,
    group_commit: GroupCommit,
    webhook_watch: WebhookWatch,
    source_turns: SourceTurns,
    /// Apart from the others, so that no load keeps a heartbeat waiting.
    lease_pool: Pool,
    /// By how much this node's clock was ahead of the database's at the last heartbeat.
    clock_ahead_ms: AtomicI64,
}

/// What is there before the database's schema is known.
struct Opening {
    pool: Pool,
    lease_pool: Pool,
    terms: Arc<Terms>,
    timelines: Arc<Timelines>,
}

impl Opening {
    fn new(settings: &Settings) -> StoreResult<Self> {
        let timelines = Timelines::open(settings.mark_directory.as_deref())?;
        let address = || Address::parse(&settings.url);
        let terms = Terms {
            prepares: address()?.prepares,
            commits: CommitHealth::default(),
            observer: Arc::clone(&settings.observer),
            knows_timelines: AtomicBool::new(false),
            unanswered_commits: UnansweredCommits::default(),
        };
        Ok(Self {
            pool: new_pool(address()?, settings.pool_size, Some(&timelines))?,
            lease_pool: new_pool(address()?, 1, None)?,
            terms: Arc::new(terms),
            timelines,
        })
    }

    /// The server's version, if it is new enough.
    async fn server_version(&self, settings: &Settings) -> StoreResult<String> {
        let connection = Connection::take(&self.pool, settings.statement_timeout, &self.terms).await?;
        let version: Option<String> = connection
            .read_one("SELECT current_setting('server_version')", &[], |row| {
                super::columns::value(row, 0)
            })
            .await?;
        let version = version.unwrap_or_default();
        let major = version.split(['.', ' ', 'b', 'd', 'r']).next();
        match major.and_then(|major| major.parse::<i32>().ok()) {
            Some(major) if major >= MIN_SERVER_VERSION => Ok(version),
            Some(_) | None => Err(StoreError::Unavailable(format!(
                "PostgreSQL {version} is too old; {MIN_SERVER_VERSION} or later is needed"
            ))),
        }
    }
}

/// What commands that outlive their callers need.
pub struct Shared {
    pool: Pool,
    terms: Arc<Terms>,
    statement_timeout: Duration,
    pub(super) sealer: Sealer,
    pub(super) node: i64,
    pub(super) delivery_sink: Arc<dyn DeliverySink>,
    pub(super) last_claim: AtomicI64,
    pub(super) subscriptions: Subscriptions,
    pub(super) timelines: Arc<Timelines>,
    /// What other nodes hear of this one.
    pub(super) progress: Progress,
}

impl Database {
    /// The same as [`Database::open`] for a server: a master key that does not fit is refused, and data of which a part is
    /// still elsewhere.
    pub async fn open_as_server(settings: Settings) -> StoreResult<Self> {
        let database = Self::open(settings).await?;
        let connection = database.connection().await?;
        check_finished(&connection).await?;
        check_master_key(&connection, database.sealer()).await?;
        drop(connection);
        Ok(database)
    }

    /// Connects, and brings the schema up to date.
    pub async fn open(settings: Settings) -> StoreResult<Self> {
        let opening = Opening::new(&settings)?;
        let server_version = Box::pin(opening.server_version(&settings)).await?;
        let migrator = Migrator {
            pool: &opening.pool,
            terms: &opening.terms,
        };
        let schema_version = Box::pin(migrator.migrate()).await?;
        let database = Self::new(settings, opening, server_version, schema_version);
        let shared = &database.shared;
        let begun = Box::pin(shared.timelines.begin(&*shared.client().await?)).await?;
        shared.terms.knows_timelines.store(begun, Ordering::Relaxed);
        tokio::spawn(timelines::watch(Arc::downgrade(shared)));
        Ok(database)
    }

    /// Connects to look: the schema stays as it is, and need not be there.
    pub async fn open_unchanged(settings: Settings) -> StoreResult<Self> {
        let opening = Opening::new(&settings)?;
        let server_version = Box::pin(opening.server_version(&settings)).await?;
        let connection = Connection::take(&opening.pool, settings.statement_timeout, &opening.terms).await?;
        let schema_version = present_version(&connection).await?.unwrap_or(0);
        drop(connection);
        Ok(Self::new(settings, opening, server_version, schema_version))
    }

    fn new(settings: Settings, opening: Opening, server_version: String, schema_version: u32) -> Self {
        let shared = Arc::new(Shared {
            pool: opening.pool,
            terms: opening.terms,
            statement_timeout: settings.statement_timeout,
            sealer: settings.sealer,
            node: settings.node,
            delivery_sink: settings.delivery_sink,
            last_claim: AtomicI64::new(0),
            subscriptions: Subscriptions::default(),
            timelines: opening.timelines,
            progress: Progress::default(),
        });
        Self {
            group_commit: GroupCommit::start(&shared),
            webhook_watch: WebhookWatch::default(),
            source_turns: SourceTurns::default(),
            lease_pool: opening.lease_pool,
            clock_ahead_ms: AtomicI64::new(0),
            shared,
            schema_version,
            server_version,
            prune_round: Mutex::default(),
        }
    }

    /// A connection for one read.
    pub(crate) async fn connection(&self) -> StoreResult<Connection> {
        self.shared.connection().await
    }

    /// The connection for heartbeats, in a transaction: whatever is in a heartbeat's way, the server ends it in time.
    pub(super) async fn lease_connection(&self) -> StoreResult<Connection> {
        self.shared.terms.unanswered_commits.have_room()?;
        let mut connection =
            Connection::take(&self.lease_pool, HEARTBEAT_TIMEOUT, &self.shared.terms).await?;
        connection.begin();
        Ok(connection)
    }

    /// Notes what both clocks showed at the same time.
    pub(super) fn note_clock(&self, of_database: Timestamp, of_node: Timestamp) {
        let ahead_ms = of_node.as_millis().saturating_sub(of_database.as_millis());
        self.clock_ahead_ms.store(ahead_ms, Ordering::Relaxed);
    }

    /// By how much this node's clock is ahead of the database's, or behind it.
    pub(super) fn clock_ahead_ms(&self) -> i64 {
        self.clock_ahead_ms.load(Ordering::Relaxed)
    }

    /// A connection whose reads all see the same state. End it with [`Connection::commit`], so that it can be used again.
    pub(crate) async fn snapshot(&self) -> StoreResult<Connection> {
        let mut connection = self.shared.connection().await?;
        connection.begin_snapshot();
        Ok(connection)
    }

    /// The same for a read that may take long.
    pub(crate) async fn long_connection(&self) -> StoreResult<Connection> {
        self.shared.take(LONG_TIMEOUT).await
    }

    /// How the latest commits went.
    pub(super) fn commits(&self) -> &CommitHealth {
        &self.shared.terms.commits
    }

    /// How far the pruner has come.
    pub(super) fn prune_round(&self) -> MutexGuard<'_, PruneRound> {
        self.prune_round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where triggers and transitions wait for the next transaction.
    pub(super) fn group_commit(&self) -> &GroupCommit {
        &self.group_commit
    }

    /// What this node knows of the webhooks.
    pub(super) fn webhook_watch(&self) -> &WebhookWatch {
        &self.webhook_watch
    }

    /// Where requests of one alert source wait for each other.
    pub(super) fn source_turns(&self) -> &SourceTurns {
        &self.source_turns
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The most connections that this node opens.
    pub(super) fn pool_size(&self) -> usize {
        self.shared.pool.status().max_size
    }

    /// The number of the last migration.
    pub fn schema_version(&self) -> u32 {
        self.schema_version
    }

    /// The version of the server, as it says it.
    pub fn server_version(&self) -> &str {
        &self.server_version
    }

    /// Seals secrets.
    pub fn sealer(&self) -> &Sealer {
        &self.shared.sealer
    }

    /// This run of this node.
    pub fn node(&self) -> i64 {
        self.shared.node
    }
}

impl Shared {
    /// A connection for what goes past the contracts.
    pub(super) async fn client(&self) -> StoreResult<Object> {
        let client = self.pool.get().await;
        client.map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    pub(super) async fn connection(&self) -> StoreResult<Connection> {
        self.take(self.statement_timeout).await
    }

    async fn take(&self, statement_timeout: Duration) -> StoreResult<Connection> {
        Connection::take(&self.pool, statement_timeout, &self.terms).await
    }

    /// A connection in a transaction that changes something.
    pub(super) async fn begin(&self) -> StoreResult<Connection> {
        self.terms.unanswered_commits.have_room()?;
        let mut connection = self.connection().await?;
        connection.begin();
        Ok(connection)
    }

    /// A command is on disk. One that changed nothing does not prove that the next change gets there.
    pub(super) fn committed(&self, took: Duration, has_changed: bool, shows: bool) {
        self.terms.observer.committed(1, took);
        if has_changed {
            self.terms.commits.committed(Instant::now());
            if shows {
                self.progress.moved();
            }
        }
    }

    /// A change came to nothing. Only what is the database's fault counts.
    pub(super) fn failed(&self, error: &StoreError) {
        if let StoreError::Unavailable(_) = error {
            self.terms.commits.failed(error, Instant::now());
            self.terms.observer.failed();
        }
    }
}

/// New connections are looked at first, but those for heartbeats: these make no events, and must not wait.
fn new_pool(address: Address, size: usize, timelines: Option<&Arc<Timelines>>) -> StoreResult<Pool> {
    let connector = Connector::new(address.root_certificates.as_deref(), address.password_file)?;
    let mut config = address.config;
    if config.get_application_name().is_none() {
        config.application_name("opsknight");
    }
    config
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_user_timeout(PEER_TIMEOUT)
        .keepalives_idle(PEER_TIMEOUT);
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let timeouts = Timeouts {
        wait: Some(POOL_WAIT),
        create: Some(CONNECT_TIMEOUT * 2),
        recycle: Some(CONNECT_TIMEOUT),
    };
    let timelines = timelines.cloned();
    let look = Hook::async_fn(move |client, _| {
        let timelines = timelines.clone();
        Box::pin(async move {
            match timelines {
                Some(timelines) => {
                    match tokio::time::timeout(CONNECT_TIMEOUT, timelines.look(client)).await {
                        Ok(looked) => looked.map_err(HookError::Backend),
                        Err(_) => Err(HookError::message("a new connection does not answer in time")),
                    }
                }
                None => Ok(()),
            }
        })
    });
    Pool::builder(Manager::from_connect(config, connector, recycling))
        .post_create(look)
        .max_size(size)
        // The one that was used last: what its process has prepared and read is still at hand there.
        .queue_mode(QueueMode::Lifo)
        .timeouts(timeouts)
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// A server that cannot open its webhooks' secrets would accept everything and deliver nothing.
async fn check_master_key(connection: &Connection, sealer: &Sealer) -> StoreResult<()> {
    let sql =
        "SELECT DISTINCT ON (substring(secret FROM 1 FOR 5)) secret FROM webhooks WHERE deleted_at IS NULL";
    let sealed: Vec<Vec<u8>> = connection
        .read_all(sql, &[], |row| super::columns::value(row, "secret"))
        .await?;
    let unknown = sealed
        .iter()
        .find_map(|secret| match sealer.knows_key_of(secret) {
            Err(error @ SealError::UnknownKey(_)) => Some(error),
            // One damaged value is that webhook's trouble, not the server's.
            Err(SealError::Damaged) | Ok(()) => None,
        });
    match unknown {
        Some(error) => Err(StoreError::Unavailable(error.to_string())),
        None => Ok(()),
    }
}
