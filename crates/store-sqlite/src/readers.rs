//! The connections that read: a few, each used by one query at a time, off the async threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use store::StoreError;
use store::StoreResult;

use super::condition::Condition;
use super::database::{BUSY_TIMEOUT, STATEMENT_CACHE, unavailable};

/// How many reads run at once.
const READERS: usize = 4;
/// Page cache of each reader, in KiB.
const READER_CACHE_KIB: i64 = 1024;

/// Connections for reading, taken in turn.
pub struct Readers {
    idle: Mutex<Vec<Connection>>,
    condition: Arc<Condition>,
    permits: Arc<Semaphore>,
    /// Room for one query that may take long, so that the others are never all taken up by such.
    long_permit: Arc<Semaphore>,
    /// The same for one that reads the whole store. It may take minutes: nobody who waits for a page or a scrape waits for it.
    whole_permit: Arc<Semaphore>,
}

impl Readers {
    /// Opens them all.
    pub fn open(path: &Path, condition: &Arc<Condition>) -> StoreResult<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = |_| {
            let connection = Connection::open_with_flags(path, flags).map_err(unavailable)?;
            connection.busy_timeout(BUSY_TIMEOUT).map_err(unavailable)?;
            connection
                .pragma_update(None, "cache_size", -READER_CACHE_KIB)
                .map_err(unavailable)?;
            connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
            // The first read opens the write-ahead log. Later, another might lie in its place.
            connection
                .query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))
                .map_err(unavailable)?;
            Ok(connection)
        };
        let idle = (0..READERS).map(open).collect::<StoreResult<Vec<_>>>()?;
        Ok(Self {
            idle: Mutex::new(idle),
            condition: Arc::clone(condition),
            permits: Arc::new(Semaphore::new(READERS)),
            long_permit: Arc::new(Semaphore::new(1)),
            whole_permit: Arc::new(Semaphore::new(1)),
        })
    }

    /// Runs a query on one that is idle; waits if none is.
    pub async fn run<T: Send + 'static>(
        self: Arc<Self>,
        query: impl FnOnce(&mut Connection) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let readers = Arc::clone(&self);
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        let task = tokio::task::spawn_blocking(move || {
            // Kept until the query has ended, even if its caller goes away meanwhile.
            let _permit = permit;
            let connection = readers.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = connection.ok_or_else(closed)?;
            let result = catch_unwind(AssertUnwindSafe(|| query(&mut connection)))
                .unwrap_or_else(|_| Err(StoreError::Corrupt("a query of the store panicked".into())));
            if let Err(error @ StoreError::Unavailable(_)) = &result {
                readers.condition.commits().cannot_read(error, Instant::now());
            }
            readers
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
            result
        });
        task.await.map_err(|_| closed())?
    }

    /// Runs a query that may take long: one at a time.
    pub async fn run_long<T: Send + 'static>(
        self: Arc<Self>,
        query: impl FnOnce(&Connection) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let permit = Arc::clone(&self.long_permit);
        self.run_with(permit, |connection| query(connection)).await
    }

    /// Runs a query that reads the whole store: one at a time, beside those that only may take long.
    pub async fn run_whole<T: Send + 'static>(
        self: Arc<Self>,
        query: impl FnOnce(&mut Connection) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let permit = Arc::clone(&self.whole_permit);
        self.run_with(permit, query).await
    }

    async fn run_with<T: Send + 'static>(
        self: Arc<Self>,
        room: Arc<Semaphore>,
        query: impl FnOnce(&mut Connection) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let permit = room.acquire_owned().await.map_err(|_| closed())?;
        self.run(move |connection| {
            let _permit = permit;
            query(connection)
        })
        .await
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}
