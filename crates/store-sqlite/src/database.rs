//! The SQLite file: opening it, its settings, and the two ways into it: commands for the writer thread (`writer.rs`),
//! queries for the readers (`readers.rs`).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use store::CommitObserver;
use store::DeliverySink;
use store::StoreError;
use store::StoreResult;
use store::seal::{SealError, Sealer};

use super::condition::Condition;
use super::directory::{lock_directory, restrict_access};
use super::migrate::{Moved, migrate};
use super::opening::{LOG_NAME, look_at_log, open_condition};
use super::prune::PruneRound;
use super::readers::Readers;
use super::statements::read_all;
use super::writer::{Boundary, WriteContext, Writer, WriterThread};

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
pub const FILE_NAME: &str = "opsknight.db";
/// After a checkpoint the log is cut to this: one that a foreign reader kept growing does not stay so for ever.
pub const LOG_KEPT_BYTES: u64 = 32 * 1024 * 1024;

/// How to open the store.
pub struct Settings {
    /// The folder for the database and its lock.
    pub directory: PathBuf,
    /// Seals secrets.
    pub sealer: Sealer,
    /// Takes born-claimed deliveries.
    pub delivery_sink: Arc<dyn DeliverySink>,
    /// This run of this node: unlike any before it.
    pub node: i64,
    /// Told about every commit.
    pub observer: Arc<dyn CommitObserver>,
    /// The most pages (4 KiB each) that the file may have, `max_database_size`: beyond it writes fail as on a full disk.
    pub max_pages: Option<u32>,
}

/// An open SQLite file.
pub struct Database {
    // Dropped in this order: the last connection to close is the writer's, which empties the log, and only then is the
    // directory free for another.
    readers: Arc<Readers>,
    writer: WriterThread,
    path: PathBuf,
    condition: Arc<Condition>,
    max_pages: Option<u32>,
    schema_version: u32,
    sealer: Sealer,
    node: i64,
    prune_round: Mutex<PruneRound>,
    _lock: File,
}

impl Database {
    /// Opens (or creates) the store in a folder, brings its schema up to date and starts its writer.
    pub fn open(settings: Settings) -> StoreResult<Self> {
        Self::open_prepared(settings, Moved::Refused, |_, _| Ok(()))
    }

    /// The same to move what is in it to another store.
    pub fn open_for_transfer(settings: Settings) -> StoreResult<Self> {
        Self::open_prepared(settings, Moved::Allowed, |_, _| Ok(()))
    }

    /// The same for a server, the only node there can be on this file: what earlier runs had in hand is no longer
    /// protected by their leases, and a master key that does not fit is refused.
    pub fn open_as_server(settings: Settings) -> StoreResult<Self> {
        Self::open_prepared(settings, Moved::Refused, |connection, sealer| {
            forget_other_nodes(connection)?;
            check_master_key(connection, sealer)
        })
    }

    fn open_prepared(
        settings: Settings,
        moved: Moved,
        prepare: impl FnOnce(&Connection, &Sealer) -> StoreResult<()>,
    ) -> StoreResult<Self> {
        check_library_version()?;
        let lock = lock_directory(&settings.directory)?;
        let path = settings.directory.join(FILE_NAME);
        let log = look_at_log(&settings.directory);
        restrict_access(&path)?;
        let (connection, schema_version) =
            open_writer(&path, settings.max_pages, moved).map_err(|error| at_path(error, &path))?;
        prepare(&connection, &settings.sealer)?;
        let condition = Arc::new(open_condition(&settings.directory, &connection, log)?);
        let readers = Arc::new(Readers::open(&path, &condition)?);
        let sealer = settings.sealer;
        let writer = Writer::new(
            connection,
            sealer.clone(),
            settings.node,
            settings.delivery_sink,
            settings.observer,
            Arc::clone(&condition),
            settings.directory.join(LOG_NAME),
        );
        Ok(Self {
            readers,
            writer: WriterThread::start(writer)?,
            path,
            condition,
            max_pages: settings.max_pages,
            schema_version,
            sealer,
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
        self.writer.run(Boundary::Savepoint, command).await
    }

    /// The same for the commands that run most: without a savepoint, which would copy every page they touch. Such a
    /// command must check everything before it changes anything; should it fail later all the same (a full disk), the
    /// whole batch is undone.
    pub async fn write_checked<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut WriteContext<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        self.writer.run(Boundary::Batch, command).await
    }

    /// Runs a query on one of the readers.
    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        Arc::clone(&self.readers)
            .run(|connection| query(connection))
            .await
    }

    /// Runs a query that may take long: one such at a time.
    pub async fn read_long<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        Arc::clone(&self.readers).run_long(query).await
    }

    /// Runs a query that reads the whole store: one such at a time.
    pub async fn read_whole<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Connection) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        Arc::clone(&self.readers).run_whole(query).await
    }

    /// Whether the webhooks' secrets are sealed under keys that are at hand.
    pub async fn check_master_key(&self) -> StoreResult<()> {
        let sealer = self.sealer.clone();
        self.read(move |connection| check_master_key(connection, &sealer))
            .await
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the store knows of its own trouble.
    pub fn condition(&self) -> &Arc<Condition> {
        &self.condition
    }

    /// The write-ahead log.
    pub fn log_path(&self) -> PathBuf {
        self.path.with_file_name(LOG_NAME)
    }

    /// The most pages that the file may have.
    pub fn max_pages(&self) -> Option<u32> {
        self.max_pages
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
    set(
        "journal_size_limit",
        &i64::try_from(LOG_KEPT_BYTES).unwrap_or(i64::MAX),
    )?;
    set("cache_size", &-cache_kib)
}

fn open_writer(path: &Path, max_pages: Option<u32>, moved: Moved) -> StoreResult<(Connection, u32)> {
    let mut connection = Connection::open(path).map_err(unavailable)?;
    configure(&connection, WRITER_CACHE_KIB)?;
    if let Some(max_pages) = max_pages {
        connection
            .pragma_update(None, "max_page_count", max_pages)
            .map_err(unavailable)?;
    }
    let schema_version = migrate(&mut connection, moved)?;
    Ok((connection, schema_version))
}

/// The lock on the directory proves that no earlier run lives: what it had in hand can be freed at once.
fn forget_other_nodes(connection: &Connection) -> StoreResult<()> {
    connection
        .execute("DELETE FROM nodes", ())
        .map(|_| ())
        .map_err(unavailable)
}

/// A server that cannot open its webhooks' secrets would accept everything and deliver nothing.
fn check_master_key(connection: &Connection, sealer: &Sealer) -> StoreResult<()> {
    let sealed: Vec<Vec<u8>> = read_all(
        connection,
        "SELECT secret FROM webhooks WHERE deleted_at IS NULL GROUP BY substr(secret, 1, 5)",
        (),
        |row| row.get(0),
    )?;
    let unknown = sealed
        .iter()
        .find_map(|secret| match sealer.knows_key_of(secret) {
            Err(error @ SealError::UnknownKey(_)) => Some(error),
            // One damaged value is that webhook's trouble, not the server's.
            Err(SealError::Damaged) | Ok(()) => None,
        });
    if let Some(error) = unknown {
        return Err(StoreError::Unavailable(error.to_string()));
    }
    Ok(())
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
        | StoreError::FilesReplaced(_)
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
