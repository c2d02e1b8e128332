//! The SQLite file and its writer thread.
//!
//! Group commit: the writer takes every command that waits (up to [`MAX_BATCH`]), runs them in one transaction with
//! one fsync, and only then answers each. A command that fails is undone alone, by its savepoint.

use std::collections::HashMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::{mpsc, oneshot};

use crate::model::id::WebhookId;
use crate::model::webhook::Webhook;
use crate::store::seal::Sealer;
use crate::store::{HandOver, StoreError, StoreResult};

use super::directory::{lock_directory, restrict_access};
use super::migrate::migrate;
use super::prune::PruneRound;
use super::readers::Readers;
use super::subscriptions;

/// The most commands in one transaction.
const MAX_BATCH: usize = 512;
/// The most commands that wait for the writer; beyond it, callers wait.
const MAX_WAITING: usize = 8192;
/// Page cache of the writer, in KiB.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// The write-ahead log is folded back when it has this many pages (4 KiB each).
const CHECKPOINT_PAGES: u32 = 4000;
/// Prepared statements kept per connection.
pub const STATEMENT_CACHE: usize = 128;
/// Below this version SQLite can damage a database in WAL mode.
const MIN_SQLITE_VERSION: i32 = 3_051_003;
/// How long a statement waits for a lock that a backup tool may hold.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The database file inside the data directory.
const FILE_NAME: &str = "opsknight.db";

/// How to open the store.
pub struct Settings {
    /// The folder for the database and its lock.
    pub directory: PathBuf,
    /// Seals secrets.
    pub sealer: Sealer,
    /// Takes born-claimed deliveries.
    pub hand_over: Arc<dyn HandOver>,
    /// This run of this node: unlike any before it.
    pub node: i64,
    /// Told about every commit.
    pub observer: Arc<dyn CommitObserver>,
    /// The most pages (4 KiB each) that the file may have, `store.max_size`: beyond it writes fail as on a full disk.
    pub max_pages: Option<u32>,
}

/// Told about every commit: for metrics.
pub trait CommitObserver: Send + Sync {
    /// A transaction of so many commands took so long from its first statement until it was on disk.
    fn committed(&self, commands: usize, took: Duration);
}

/// Watches nothing.
pub struct NoObserver;

impl CommitObserver for NoObserver {
    fn committed(&self, _: usize, _: Duration) {}
}

/// An open SQLite file.
pub struct Database {
    // Dropped in this order: the last connection to close is the writer's, which empties the log, and only then is the
    // directory free for another.
    readers: Arc<Readers>,
    writer: WriterThread,
    path: PathBuf,
    schema_version: u32,
    sealer: Sealer,
    node: i64,
    prune_round: Mutex<PruneRound>,
    _lock: File,
}

/// A command in the writer thread: does its work, and gives back how to answer once the commit's result is known.
type Command = Box<dyn FnOnce(&mut Writer) -> Reply + Send>;
type Reply = Box<dyn FnOnce(&StoreResult<()>, &dyn HandOver) + Send>;
type Effect = Box<dyn FnOnce(&dyn HandOver) + Send>;

/// What a command finds in the writer thread, inside the transaction of its batch.
pub struct WriteContext<'a> {
    /// The connection.
    pub connection: &'a Connection,
    /// Seals secrets.
    pub sealer: &'a Sealer,
    /// This run of this node.
    pub node: i64,
    /// Takes born-claimed deliveries: ask it for room here, hand over after the commit.
    pub hand_over: &'a dyn HandOver,
    effects: Effects,
    writer: &'a mut WriterState,
}

/// What a command leaves behind for when its result is certain.
#[derive(Default)]
struct Effects {
    after_commit: Vec<Effect>,
    after_rollback: Vec<Effect>,
    accepted: HashMap<WebhookId, i64>,
}

impl WriteContext<'_> {
    /// Runs something once the transaction is on disk; it is dropped if it never gets there.
    pub fn after_commit(&mut self, effect: impl FnOnce(&dyn HandOver) + Send + 'static) {
        self.effects.after_commit.push(Box::new(effect));
    }

    /// Runs something if the command or its transaction is undone.
    pub fn after_rollback(&mut self, effect: impl FnOnce(&dyn HandOver) + Send + 'static) {
        self.effects.after_rollback.push(Box::new(effect));
    }

    /// Counts a new delivery into the ledger, which is written once per transaction.
    pub fn count_accepted(&mut self, webhook_id: WebhookId) {
        *self.effects.accepted.entry(webhook_id).or_default() += 1;
    }

    /// A claim unlike any other of this run.
    pub fn new_claim(&mut self) -> i64 {
        self.writer.last_claim += 1;
        self.writer.last_claim
    }

    /// Every webhook that is not deleted, from memory.
    pub fn subscriptions(&mut self) -> StoreResult<Arc<Vec<Webhook>>> {
        if let Some(subscriptions) = &self.writer.subscriptions {
            return Ok(Arc::clone(subscriptions));
        }
        let loaded = Arc::new(subscriptions::load(self.connection)?);
        self.writer.subscriptions = Some(Arc::clone(&loaded));
        Ok(loaded)
    }

    /// Says that the webhooks in memory no longer hold: the next command that wants them reads them anew.
    pub fn forget_subscriptions(&mut self) {
        self.writer.subscriptions = None;
    }

    /// Says that a webhook changed: the subscriptions in memory no longer hold, and the dispatcher must look again.
    pub fn webhook_changed(&mut self, webhook_id: WebhookId) {
        self.forget_subscriptions();
        self.after_commit(move |hand_over| hand_over.webhook_changed(webhook_id));
    }
}

impl Database {
    /// Opens (or creates) the store in a folder, brings its schema up to date and starts its writer.
    pub fn open(settings: Settings) -> StoreResult<Self> {
        check_library_version()?;
        let lock = lock_directory(&settings.directory)?;
        let path = settings.directory.join(FILE_NAME);
        let (connection, schema_version) =
            open_writer(&path, settings.max_pages).map_err(|error| at_path(error, &path))?;
        restrict_access(&path)?;
        let readers = Arc::new(Readers::open(&path)?);
        let writer = Writer {
            connection,
            sealer: settings.sealer.clone(),
            node: settings.node,
            hand_over: settings.hand_over,
            observer: settings.observer,
            state: WriterState::default(),
            batch: Effects::default(),
            undone: None,
        };
        Ok(Self {
            readers,
            writer: WriterThread::start(writer)?,
            path,
            schema_version,
            sealer: settings.sealer,
            node: settings.node,
            prune_round: Mutex::default(),
            _lock: lock,
        })
    }

    /// Runs a command in the writer thread and answers once it is on disk. The command runs even if the caller goes
    /// away.
    pub async fn write<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut WriteContext<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        self.write_within(Boundary::Savepoint, command).await
    }

    /// The same for the commands that run most: without a savepoint, which would copy every page they touch. Such a
    /// command must check everything before it changes anything; should it fail later all the same (a full disk), the
    /// whole batch is undone.
    pub async fn write_checked<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut WriteContext<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        self.write_within(Boundary::Batch, command).await
    }

    async fn write_within<T: Send + 'static>(
        &self,
        boundary: Boundary,
        command: impl FnOnce(&mut WriteContext<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let (sender, receiver) = oneshot::channel();
        let command: Command = Box::new(move |writer| {
            let (result, effects) = writer.run_one(boundary, command);
            Box::new(move |committed, hand_over| {
                let certain = result.and_then(|value| committed.clone().map(|()| value));
                effects.settle(certain.is_ok(), hand_over);
                // The caller may have gone away; what it asked for is done all the same.
                let _ = sender.send(certain);
            })
        });
        let closed = || StoreError::Unavailable("the store is closed".into());
        let commands = self.writer.commands.as_ref().ok_or_else(closed)?;
        commands.send(command).await.map_err(|_| closed())?;
        receiver.await.map_err(|_| closed())?
    }

    /// Runs a query on one of the readers.
    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        Arc::clone(&self.readers).run(query).await
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the last migration.
    pub fn schema_version(&self) -> u32 {
        self.schema_version
    }

    /// Seals secrets.
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// This run of this node.
    pub fn node(&self) -> i64 {
        self.node
    }

    /// How far the pruner has come.
    pub(super) fn prune_round(&self) -> MutexGuard<'_, PruneRound> {
        self.prune_round.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's thread. Dropping it waits until every command that was sent is done and the file is closed.
struct WriterThread {
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl WriterThread {
    fn start(writer: Writer) -> StoreResult<Self> {
        let (sender, commands) = mpsc::channel(MAX_WAITING);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(commands))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            commands: Some(sender),
            thread: Some(thread),
        })
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.commands = None;
        // An effect of the last command may be what drops the store: the thread cannot wait for itself.
        let others = |thread: &JoinHandle<()>| thread.thread().id() != std::thread::current().id();
        if let Some(thread) = self.thread.take().filter(others) {
            let _ = thread.join();
        }
    }
}

/// What is undone when a command fails.
#[derive(Debug, Clone, Copy)]
enum Boundary {
    /// The command alone.
    Savepoint,
    /// Everything in its transaction, if it has changed anything.
    Batch,
}

/// The one thread that writes.
struct Writer {
    connection: Connection,
    sealer: Sealer,
    node: i64,
    hand_over: Arc<dyn HandOver>,
    observer: Arc<dyn CommitObserver>,
    state: WriterState,
    batch: Effects,
    /// Why the present transaction is none any more.
    undone: Option<StoreError>,
}

#[derive(Default)]
struct WriterState {
    subscriptions: Option<Arc<Vec<Webhook>>>,
    last_claim: i64,
}

impl Writer {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut waiting = Vec::with_capacity(MAX_BATCH);
        while commands.blocking_recv_many(&mut waiting, MAX_BATCH) > 0 {
            self.run_batch(waiting.drain(..));
        }
        // The last checkpoint empties the log, so that the next start has nothing to recover.
        let _ = self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE");
    }

    fn run_batch(&mut self, commands: impl ExactSizeIterator<Item = Command>) {
        let started = Instant::now();
        let count = commands.len();
        self.undone = self.execute("BEGIN IMMEDIATE").err();
        let replies: Vec<Reply> = commands.map(|command| command(self)).collect();
        let committed = self
            .check_transaction()
            .and_then(|()| self.flush_ledger())
            .and_then(|()| self.execute("COMMIT"));
        if let Err(error) = &committed {
            tracing::error!(%error, commands = count, "a transaction could not be committed and was undone");
            // There is nothing to undo if SQLite did so by itself.
            let _ = self.execute("ROLLBACK");
            self.state.subscriptions = None;
        }
        self.batch = Effects::default();
        for reply in replies {
            reply(&committed, self.hand_over.as_ref());
        }
        self.observer.committed(count, started.elapsed());
    }

    /// Runs one command. What it changed is undone if it fails: alone, or with the whole batch, as its boundary says.
    fn run_one<T>(
        &mut self,
        boundary: Boundary,
        command: impl FnOnce(&mut WriteContext<'_>) -> StoreResult<T>,
    ) -> (StoreResult<T>, Effects) {
        let begun = self.check_transaction().and_then(|()| match boundary {
            Boundary::Savepoint => self.execute("SAVEPOINT command"),
            Boundary::Batch => Ok(()),
        });
        if let Err(error) = begun {
            return (Err(error), Effects::default());
        }
        let changes_before = self.connection.total_changes();
        let mut context = WriteContext {
            connection: &self.connection,
            sealer: &self.sealer,
            node: self.node,
            hand_over: self.hand_over.as_ref(),
            effects: Effects::default(),
            writer: &mut self.state,
        };
        let result = catch_unwind(AssertUnwindSafe(|| command(&mut context)))
            .unwrap_or_else(|_| Err(StoreError::Corrupt("a command of the store panicked".into())));
        let effects = context.effects;
        if result.is_ok() {
            for (webhook_id, count) in &effects.accepted {
                *self.batch.accepted.entry(*webhook_id).or_default() += count;
            }
        } else {
            self.state.subscriptions = None;
        }
        let has_changed = self.connection.total_changes() != changes_before;
        let result = self.end_command(boundary, result, has_changed);
        (result, effects)
    }

    fn end_command<T>(
        &mut self,
        boundary: Boundary,
        result: StoreResult<T>,
        has_changed: bool,
    ) -> StoreResult<T> {
        let result = match boundary {
            Boundary::Savepoint => {
                if result.is_err() {
                    let _ = self.execute("ROLLBACK TO command");
                }
                let released = self.execute("RELEASE command");
                result.and_then(|value| released.map(|()| value))
            }
            Boundary::Batch => result,
        };
        let is_half_done = matches!(boundary, Boundary::Batch) && has_changed;
        if self.connection.is_autocommit() || is_half_done {
            self.undone = result.as_ref().err().cloned();
        }
        result
    }

    /// A full disk makes SQLite undo the whole transaction at once. Whatever ran after that would be outside of it, and
    /// would stay although its caller is told that it failed.
    fn check_transaction(&self) -> StoreResult<()> {
        match &self.undone {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    fn flush_ledger(&self) -> StoreResult<()> {
        let mut statement = self
            .connection
            .prepare_cached(
                "INSERT INTO ledger (webhook_id, accepted) VALUES (?1, ?2)
                 ON CONFLICT (webhook_id) DO UPDATE SET accepted = accepted + excluded.accepted",
            )
            .map_err(unavailable)?;
        for (webhook_id, count) in &self.batch.accepted {
            statement
                .execute((webhook_id.as_bytes(), count))
                .map_err(unavailable)?;
        }
        Ok(())
    }

    fn execute(&self, statement: &str) -> StoreResult<()> {
        self.connection
            .prepare_cached(statement)
            .and_then(|mut prepared| prepared.execute(()))
            .map(|_| ())
            .map_err(unavailable)
    }
}

impl Effects {
    fn settle(self, is_committed: bool, hand_over: &dyn HandOver) {
        let effects = if is_committed {
            self.after_commit
        } else {
            self.after_rollback
        };
        for effect in effects {
            effect(hand_over);
        }
    }
}

fn check_library_version() -> StoreResult<()> {
    if rusqlite::version_number() < MIN_SQLITE_VERSION {
        let version = rusqlite::version();
        return Err(StoreError::Unavailable(format!(
            "SQLite {version} is too old; 3.51.3 or later is needed"
        )));
    }
    Ok(())
}

fn configure(connection: &Connection, cache_kib: i64) -> StoreResult<()> {
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unavailable)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    // Without this SQLite plans a statement anew for every value it is given, to see whether a partial index fits.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(unavailable)?;
    let set = |name: &str, value: &dyn rusqlite::ToSql| {
        connection.pragma_update(None, name, value).map_err(unavailable)
    };
    set("journal_mode", &"WAL")?;
    set("synchronous", &"FULL")?;
    set("foreign_keys", &true)?;
    set("temp_store", &"MEMORY")?;
    set("wal_autocheckpoint", &CHECKPOINT_PAGES)?;
    set("cache_size", &-cache_kib)
}

fn open_writer(path: &Path, max_pages: Option<u32>) -> StoreResult<(Connection, u32)> {
    let mut connection = Connection::open(path).map_err(unavailable)?;
    configure(&connection, WRITER_CACHE_KIB)?;
    if let Some(max_pages) = max_pages {
        connection
            .pragma_update(None, "max_page_count", max_pages)
            .map_err(unavailable)?;
    }
    let schema_version = migrate(&mut connection)?;
    Ok((connection, schema_version))
}

/// Says which file it is that cannot be used, and what to do.
fn at_path(error: StoreError, path: &Path) -> StoreError {
    let path = path.display();
    match error {
        StoreError::Corrupt(cause) => StoreError::Corrupt(format!(
            "{path} is damaged or no database of OpsKnight ({cause}); restore a backup, or move the file away"
        )),
        StoreError::Unavailable(cause) => StoreError::Unavailable(format!("{path}: {cause}")),
        StoreError::NotFound { .. }
        | StoreError::UnknownReference { .. }
        | StoreError::Taken { .. }
        | StoreError::InUse { .. }
        | StoreError::Conflict(_) => error,
    }
}

/// Turns what SQLite says into what callers tell apart.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub fn unavailable(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt(error.to_string()),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
            StoreError::Corrupt(error.to_string())
        }
        Some(_) => StoreError::Unavailable(error.to_string()),
        None => StoreError::Corrupt(error.to_string()),
    }
}
