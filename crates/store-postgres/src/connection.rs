//! One connection in somebody's hand: statements are prepared once and kept, each with a limit of time, and a connection
//! whose state is unknown does not go back to the others.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Pool};
use futures_util::future::join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, SimpleQueryMessage};

use store::StoreError;
use store::StoreResult;

use super::commit_outcome;
use super::errors::{Failure, is_stale, pool_sentence, unavailable};
use super::parameter_types::with_types;
use super::terms::{Prepares, Terms};
use super::unanswered::UnansweredStatement;

/// The values of a statement.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// How much longer than PostgreSQL we wait for its answer, which says more than our own giving up.
const GRACE: Duration = Duration::from_secs(2);
/// A value of a statement, kept until that is sent.
pub type Value<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// A statement with which a transaction ends: it is sent together with the COMMIT. What it expects it must check itself.
pub struct LastStatement<'a> {
    pub sql: &'static str,
    pub values: Vec<Value<'a>>,
}

/// How long a transaction may wait for its node: much shorter than a lease, so that others can take over.
const MAX_IDLE: Duration = Duration::from_secs(4);
/// A commit that waits for a replica must not be ended by the limit of a statement's time: PostgreSQL would call that a
/// success, although a failover would lose it.
const UNLIMITED: &str = "SET LOCAL statement_timeout = 0";

/// What a refused statement means.
pub struct ConstraintRefusal {
    /// A unique field exists already.
    pub taken: StoreError,
    /// A reference leads nowhere.
    pub unknown: StoreError,
}

/// A connection that nobody else uses meanwhile.
pub struct Connection {
    client: Option<Object>,
    terms: Arc<Terms>,
    statement_timeout: Duration,
    /// Statements that were sent and not answered yet.
    unanswered: AtomicU32,
    /// Somebody else tells of what goes wrong.
    is_for_writing: bool,
    /// The present transaction has changed something.
    has_changed: AtomicBool,
    /// Inside of a transaction that has not ended.
    is_in_transaction: bool,
    /// What begins the transaction, until it is sent with the first statement.
    beginning: Mutex<Option<String>>,
    /// The number of a transaction that changes something.
    transaction_id: OnceLock<String>,
    is_commit_unanswered: bool,
    /// A statement did not answer in time: what comes next would be its answer.
    is_out_of_step: AtomicBool,
    /// A statement of the present transaction failed: PostgreSQL commits nothing of it.
    has_failed: AtomicBool,
    /// It failed so that running the transaction again may help.
    is_transient: AtomicBool,
    /// The present snapshot has been read: another would not be the same.
    has_read: AtomicBool,
}

/// How a transaction whose reads all see the same state begins.
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

impl Connection {
    /// Takes a connection out of the pool; waits if none is idle.
    pub async fn take(pool: &Pool, statement_timeout: Duration, terms: &Arc<Terms>) -> StoreResult<Self> {
        let client = pool.get().await.map_err(|error| {
            let error = StoreError::Unavailable(pool_sentence(&error));
            terms.commits.cannot_read(&error, Instant::now());
            error
        })?;
        Ok(Self {
            client: Some(client),
            terms: Arc::clone(terms),
            statement_timeout,
            unanswered: AtomicU32::new(0),
            is_for_writing: false,
            has_changed: AtomicBool::new(false),
            is_in_transaction: false,
            beginning: Mutex::default(),
            transaction_id: OnceLock::new(),
            is_commit_unanswered: false,
            is_out_of_step: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            is_transient: AtomicBool::new(false),
            has_read: AtomicBool::new(false),
        })
    }

    /// All rows of a query.
    pub async fn read_all<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        read: impl Fn(&Row) -> StoreResult<T>,
    ) -> StoreResult<Vec<T>> {
        let rows = self.query(sql, params).await.map_err(|error| self.told(error))?;
        rows.iter().map(read).collect()
    }

    /// The first row of a query, if there is one.
    pub async fn read_one<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        read: impl Fn(&Row) -> StoreResult<T>,
    ) -> StoreResult<Option<T>> {
        let rows = self.query(sql, params).await.map_err(|error| self.told(error))?;
        rows.first().map(read).transpose()
    }

    /// Whether a query finds anything.
    pub async fn finds(&self, sql: &str, params: Params<'_>) -> StoreResult<bool> {
        self.read_one(sql, params, |_| Ok(()))
            .await
            .map(|found| found.is_some())
    }

    /// Runs a statement that changes rows; says how many.
    pub async fn execute(&self, sql: &str, params: Params<'_>) -> StoreResult<u64> {
        self.change(sql, params).await.map_err(unavailable_or_late)
    }

    /// Runs a statement that must change so many rows: those that this transaction has locked.
    pub async fn execute_all(&self, expected: usize, sql: &str, params: Params<'_>) -> StoreResult<()> {
        let changed = self.execute(sql, params).await?;
        match usize::try_from(changed) == Ok(expected) {
            true => Ok(()),
            false => Err(StoreError::Corrupt(
                "rows changed within a transaction that had locked them".into(),
            )),
        }
    }

    /// The same for a statement that the schema may refuse because of what a caller asked for: a name that is taken, a
    /// reference that leads nowhere. After a refusal the transaction can only be undone.
    pub async fn execute_or_refuse(
        &self,
        sql: &str,
        params: Params<'_>,
        refusal: ConstraintRefusal,
    ) -> StoreResult<()> {
        self.count_or_refuse(sql, params, refusal).await.map(|_| ())
    }

    /// The same, and says how many rows it changed.
    pub async fn count_or_refuse(
        &self,
        sql: &str,
        params: Params<'_>,
        refusal: ConstraintRefusal,
    ) -> StoreResult<u64> {
        match self.change(sql, params).await {
            Ok(changed) => Ok(changed),
            Err(Some(error)) => Err(match Failure::new(&error) {
                Failure::Taken => refusal.taken,
                Failure::Reference => refusal.unknown,
                Failure::Transient | Failure::Locked | Failure::Lasting => unavailable(error),
            }),
            Err(None) => Err(too_late()),
        }
    }

    /// Runs statements without values, as a migration has them.
    pub async fn execute_batch(&self, sql: &str) -> StoreResult<()> {
        let done = self.in_time(self.client()?.batch_execute(sql)).await;
        done.map_err(unavailable_or_late)
    }

    /// Takes locks within a time, or none: a conflict if they are not free. After that the transaction can only be undone.
    pub async fn lock_within(&self, limit: Duration, sql: &str) -> StoreResult<()> {
        let sql = format!("SET LOCAL lock_timeout = {}; {sql}", limit.as_millis());
        match self.in_time(self.client()?.batch_execute(&sql)).await {
            Err(Some(error)) if Failure::new(&error) == Failure::Locked => {
                self.is_transient.store(false, Ordering::Relaxed);
                Err(StoreError::Conflict("somebody else holds the lock".into()))
            }
            done => done.map_err(unavailable_or_late),
        }
    }

    /// Begins a transaction that changes something: each statement sees what was committed before it, and waits for rows
    /// that others have locked.
    pub fn begin(&mut self) {
        self.is_for_writing = true;
        // Plans are made once for each connection, some while a table is nearly empty: then, too, they shall be those that
        // suit a full one. What has no index to use looks dear that way, which is no reason to compile it.
        let number = commit_outcome::read_number(self.terms.knows_timelines.load(Ordering::Relaxed));
        let begin = "SET LOCAL enable_seqscan = off; SET LOCAL jit = off";
        self.begin_as(
            "BEGIN ISOLATION LEVEL READ COMMITTED",
            &format!("{begin}; {number}"),
        );
    }

    /// Begins a transaction whose reads all see the same state.
    pub fn begin_snapshot(&mut self) {
        self.begin_as(BEGIN_SNAPSHOT, "");
    }

    /// It is sent together with the first statement.
    fn begin_as(&mut self, begin: &str, number: &str) {
        self.is_in_transaction = true;
        self.has_changed = AtomicBool::new(false);
        self.has_failed = AtomicBool::new(false);
        self.is_transient = AtomicBool::new(false);
        self.has_read = AtomicBool::new(false);
        self.transaction_id = OnceLock::new();
        let sql = format!("{begin}; {}; {number}", self.limits());
        self.beginning = Mutex::new(Some(sql));
    }

    /// Ends the transaction.
    pub async fn commit(&mut self) -> StoreResult<()> {
        self.commit_with(&[]).await.map(|_| ())
    }

    /// Runs statements, and ends the transaction, without waiting in between. Answers with the rows of each.
    pub async fn commit_with(&mut self, last: &[LastStatement<'_>]) -> StoreResult<Vec<Vec<Row>>> {
        if *self.has_failed.get_mut() {
            // PostgreSQL would answer this COMMIT with success, and undo everything.
            return Err(StoreError::Corrupt(
                "a transaction went on after a statement that failed: a bug".into(),
            ));
        }
        if last.is_empty() && self.is_unsent() {
            self.is_in_transaction = false;
            return Ok(Vec::new());
        }
        let (first, last) = match self.is_unsent() {
            // Its number must be known before it can be on disk.
            true => (self.run_all(last).await?, &[][..]),
            false => (Vec::new(), last),
        };
        self.prepare(last).await?;
        self.is_commit_unanswered = true;
        let (rows, _, ended) = tokio::join!(
            biased;
            self.run_all(last),
            // Refused where a statement before it was. The COMMIT is not: it ends the transaction, and undoes everything.
            self.execute_batch(UNLIMITED),
            self.execute_batch("COMMIT"),
        );
        self.is_commit_unanswered = ended.is_err();
        ended?;
        self.is_in_transaction = false;
        rows.map(|rows| first.into_iter().chain(rows).collect())
    }

    /// What is not known to the server yet would be run behind what is sent after it.
    async fn prepare(&self, statements: &[LastStatement<'_>]) -> StoreResult<()> {
        if self.terms.prepares == Prepares::Nothing {
            return Ok(());
        }
        let client = self.client()?;
        for statement in statements {
            let prepared = self.answered(client.prepare_cached(statement.sql)).await;
            prepared.map_err(unavailable_or_late)?;
        }
        Ok(())
    }

    /// One statement follows the other on the way, and so do the answers.
    async fn run_all(&self, statements: &[LastStatement<'_>]) -> StoreResult<Vec<Vec<Row>>> {
        if !statements.is_empty() {
            self.has_changed.store(true, Ordering::Relaxed);
        }
        let rows = join_all(statements.iter().map(|statement| self.run(statement))).await;
        rows.into_iter().collect()
    }

    async fn run(&self, statement: &LastStatement<'_>) -> StoreResult<Vec<Row>> {
        let values: Vec<&(dyn ToSql + Sync)> =
            statement.values.iter().map(|value| value.as_ref() as _).collect();
        self.query(statement.sql, &values)
            .await
            .map_err(|error| self.told(error))
    }

    /// The number of a transaction that may be on disk although [`Connection::commit`] failed.
    pub fn unanswered_commit(&self) -> Option<&str> {
        let number = self.transaction_id.get().map(String::as_str);
        number.filter(|_| self.is_commit_unanswered)
    }

    /// Whether the other side closed it before it began the transaction: nothing has happened yet.
    pub fn was_stale(&self) -> bool {
        self.client.as_ref().is_none_or(|client| client.is_closed()) && self.transaction_id.get().is_none()
    }

    /// Undoes the transaction. A connection that cannot even do this is closed, which undoes it too.
    pub async fn rollback(mut self) {
        if self.is_unsent() || self.execute_batch("ROLLBACK").await.is_ok() {
            self.is_in_transaction = false;
        }
    }

    /// Whether the transaction has changed something, as far as the counts of its statements tell.
    pub fn has_changed(&self) -> bool {
        self.has_changed.load(Ordering::Relaxed)
    }

    /// Whether the transaction failed so that running it again may help.
    pub fn is_transient(&self) -> bool {
        self.is_transient.load(Ordering::Relaxed)
    }

    /// What bounds a transaction, set for it alone: a pooler between us and the database keeps no sessions apart. A node that
    /// is stopped in the middle of one must not keep its locks.
    fn limits(&self) -> String {
        let limit = self.statement_timeout.as_millis();
        let idle_limit = MAX_IDLE.as_millis();
        format!(
            "SET LOCAL statement_timeout = {limit}; SET LOCAL idle_in_transaction_session_timeout = {idle_limit}"
        )
    }

    async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Option<Error>> {
        let rows = match self.query_once(sql, params).await {
            Err(Some(error)) if is_stale(&error) && self.can_repeat().await => {
                self.query_once(sql, params).await
            }
            result => result,
        };
        self.has_read.store(true, Ordering::Relaxed);
        rows
    }

    async fn query_once(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Option<Error>> {
        let Ok(client) = self.client() else {
            return Err(None);
        };
        self.in_time(async {
            if self.terms.prepares == Prepares::Nothing {
                return client.query_typed(sql, &with_types(params)).await;
            }
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, params).await
        })
        .await
    }

    async fn change(&self, sql: &str, params: Params<'_>) -> Result<u64, Option<Error>> {
        let changed = match self.change_once(sql, params).await {
            Err(Some(error)) if is_stale(&error) && self.can_repeat().await => {
                self.change_once(sql, params).await
            }
            result => result,
        };
        if changed.as_ref().is_ok_and(|count| *count > 0) {
            self.has_changed.store(true, Ordering::Relaxed);
        }
        changed
    }

    async fn change_once(&self, sql: &str, params: Params<'_>) -> Result<u64, Option<Error>> {
        let Ok(client) = self.client() else {
            return Err(None);
        };
        self.in_time(async {
            if self.terms.prepares == Prepares::Nothing {
                return client.execute_typed(sql, &with_types(params)).await;
            }
            let statement = client.prepare_cached(sql).await?;
            let changed = client.execute(&statement, params).await?;
            self.has_changed.fetch_or(changed > 0, Ordering::Relaxed);
            Ok(changed)
        })
        .await
        .inspect(|changed| {
            self.has_changed.fetch_or(*changed > 0, Ordering::Relaxed);
        })
    }

    /// Runs what asks for an answer, after what begins the transaction if that is still to be sent; both are on their way
    /// before either is answered.
    async fn after_beginning<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let beginning = self.unsent().take();
        let (Some(sql), Some(client)) = (beginning, &self.client) else {
            return answer.await;
        };
        let (begun, answer) = tokio::join!(biased; client.simple_query(&sql), answer);
        let number = begun?.into_iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        if let Some(number) = number {
            // There is none before the beginning is sent, which happens once.
            let _ = self.transaction_id.set(number);
        }
        answer
    }

    /// Whether nothing of the present transaction was sent yet.
    fn is_unsent(&self) -> bool {
        self.unsent().is_some()
    }

    fn unsent(&self) -> MutexGuard<'_, Option<String>> {
        self.beginning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a statement that has to be prepared anew: forgets what was prepared, and says whether the statement alone can be
    /// run again. A transaction that changes something is run again as a whole.
    async fn can_repeat(&self) -> bool {
        let Ok(client) = self.client() else {
            return false;
        };
        client.statement_cache.clear();
        if self.is_in_transaction {
            if self.is_for_writing || self.has_read.load(Ordering::Relaxed) {
                return false;
            }
            let sql = format!("ROLLBACK; {BEGIN_SNAPSHOT}; {}", self.limits());
            if self.in_time(client.batch_execute(&sql)).await.is_err() {
                return false;
            }
        }
        self.has_failed.store(false, Ordering::Relaxed);
        self.is_transient.store(false, Ordering::Relaxed);
        true
    }

    /// The answer of a round trip, or what went wrong; nothing if there was none in time.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Option<Error>> {
        let _unanswered = UnansweredStatement::new(&self.unanswered, self.terms.observer.as_ref());
        self.answered(answer).await
    }

    /// The same for what mostly needs none.
    async fn answered<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Option<Error>> {
        // The connection is out of step too if the caller goes away while it waits.
        self.is_out_of_step.store(true, Ordering::Relaxed);
        let answered =
            tokio::time::timeout(self.statement_timeout + GRACE, self.after_beginning(answer)).await;
        let Ok(answer) = answered else { return Err(None) };
        self.is_out_of_step.store(false, Ordering::Relaxed);
        answer.map_err(|error| {
            self.has_failed.store(true, Ordering::Relaxed);
            let is_transient = matches!(Failure::new(&error), Failure::Transient | Failure::Locked);
            self.is_transient.fetch_or(is_transient, Ordering::Relaxed);
            Some(error)
        })
    }

    /// Says trouble with a read in the log; of writes their transaction does.
    fn told(&self, error: Option<Error>) -> StoreError {
        let error = unavailable_or_late(error);
        if !self.is_for_writing && matches!(error, StoreError::Unavailable(_)) {
            self.terms.commits.cannot_read(&error, Instant::now());
        }
        error
    }

    fn client(&self) -> StoreResult<&Object> {
        let closed = || StoreError::Unavailable("the connection is closed".into());
        self.client.as_ref().ok_or_else(closed)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let is_between = !self.is_in_transaction || self.is_unsent();
        let is_clean = is_between && !*self.is_out_of_step.get_mut();
        if let Some(client) = self.client.take().filter(|_| !is_clean) {
            if self.is_commit_unanswered {
                return self.terms.unanswered_commits.keep(client);
            }
            // Closed instead of handed on, with whatever it was about.
            drop(Object::take(client));
        }
    }
}

fn unavailable_or_late(error: Option<Error>) -> StoreError {
    error.map_or_else(too_late, unavailable)
}

fn too_late() -> StoreError {
    StoreError::Unavailable("PostgreSQL does not answer in time".into())
}
