//! The writer thread: the one place in which the file changes.
//!
//! Group commit: it takes every command that waits (up to [`MAX_BATCH`]), runs them in one transaction with one fsync,
//! and only then answers each.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::{mpsc, oneshot};

use model::id::WebhookId;
use model::insight::InsightChange;
use model::webhook::Webhook;
use store::CommitObserver;
use store::DeliverySink;
use store::StoreError;
use store::StoreResult;
use store::insight_plan::InsightTally;
use store::seal::Sealer;

use super::condition::Condition;
use super::database::{BUSY_TIMEOUT, LOG_KEPT_BYTES, unavailable};
use super::insights;
use super::subscriptions;

/// The most commands in one transaction.
const MAX_BATCH: usize = 512;
/// The most commands that wait for the writer; beyond it, callers wait.
const MAX_WAITING: usize = 8192;
/// How often the size of the write-ahead log is looked at.
const LOG_LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// A command in the writer thread: does its work, and gives back how to answer once the commit's result is known.
type Command = Box<dyn FnOnce(&mut Writer) -> Reply + Send>;
type Reply = Box<dyn FnOnce(&StoreResult<()>, &dyn DeliverySink) + Send>;
type Effect = Box<dyn FnOnce(&dyn DeliverySink) + Send>;

/// What a command finds in the writer thread, inside the transaction of its batch.
pub struct WriteContext<'a> {
    pub connection: &'a Connection,
    /// Seals secrets.
    pub sealer: &'a Sealer,
    /// This run of this node.
    pub node: i64,
    /// Takes born-claimed deliveries: ask it for room here, hand over after the commit.
    pub delivery_sink: &'a dyn DeliverySink,
    effects: Effects,
    writer: &'a mut WriterState,
}

/// What a command leaves behind for when its result is certain.
#[derive(Default)]
struct Effects {
    after_commit: Vec<Effect>,
    after_rollback: Vec<Effect>,
    accepted: HashMap<WebhookId, i64>,
    insights: InsightTally,
    /// The place of the last event.
    last_event: Option<i64>,
}

impl WriteContext<'_> {
    /// Runs something once the transaction is on disk; it is dropped if it never gets there.
    pub fn after_commit(&mut self, effect: impl FnOnce(&dyn DeliverySink) + Send + 'static) {
        self.effects.after_commit.push(Box::new(effect));
    }

    /// Runs something if the command or its transaction is undone.
    pub fn after_rollback(&mut self, effect: impl FnOnce(&dyn DeliverySink) + Send + 'static) {
        self.effects.after_rollback.push(Box::new(effect));
    }

    /// Counts a new delivery into the ledger, which is written once per transaction.
    pub fn count_accepted(&mut self, webhook_id: WebhookId) {
        *self.effects.accepted.entry(webhook_id).or_default() += 1;
    }

    /// Counts what an event, or an entry in the audit log, changes of incidents; it is written once per transaction.
    pub fn count_insights(&mut self, id: &[u8; 16], changes: Vec<InsightChange>) {
        self.effects.insights.count(id, changes);
    }

    /// Notes the place of a new event, for the high-water mark.
    pub fn note_event(&mut self, sequence: i64) {
        self.effects.last_event = Some(sequence);
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

    /// Says that a webhook was made: it joins those in memory, so that making one costs the same however many there are.
    pub fn webhook_created(&mut self, webhook: &Webhook) {
        if let Some(subscriptions) = &mut self.writer.subscriptions {
            let later = subscriptions.partition_point(|known| known.id < webhook.id);
            Arc::make_mut(subscriptions).insert(later, webhook.clone());
        }
        let webhook_id = webhook.id;
        self.after_commit(move |delivery_sink| delivery_sink.webhook_changed(webhook_id));
    }

    /// Says that a webhook changed: the subscriptions in memory no longer hold, and the dispatcher must look again.
    pub fn webhook_changed(&mut self, webhook_id: WebhookId) {
        self.forget_subscriptions();
        self.after_commit(move |delivery_sink| delivery_sink.webhook_changed(webhook_id));
    }
}

/// The writer's thread. Dropping it waits until every command that was sent is done and the file is closed.
pub struct WriterThread {
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl WriterThread {
    /// Starts the thread.
    pub fn start(writer: Writer) -> StoreResult<Self> {
        let (sender, commands) = mpsc::channel(MAX_WAITING);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run_watched(commands))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            commands: Some(sender),
            thread: Some(thread),
        })
    }

    /// Sends a command to the thread, and answers once it is on disk.
    pub async fn run<T: Send + 'static>(
        &self,
        boundary: Boundary,
        command: impl FnOnce(&mut WriteContext<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let (sender, receiver) = oneshot::channel();
        let command: Command = Box::new(move |writer| {
            let (result, effects) = writer.run_one(boundary, command);
            Box::new(move |committed, delivery_sink| {
                let certain = result.and_then(|value| committed.clone().map(|()| value));
                effects.settle(certain.is_ok(), delivery_sink);
                // The caller may have gone away; what it asked for is done all the same.
                let _ = sender.send(certain);
            })
        });
        let closed = || StoreError::Unavailable("the store is closed".into());
        let commands = self.commands.as_ref().ok_or_else(closed)?;
        commands.send(command).await.map_err(|_| closed())?;
        receiver.await.map_err(|_| closed())?
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
pub enum Boundary {
    /// The command alone.
    Savepoint,
    /// Everything in its transaction, if it has changed anything.
    Batch,
}

/// The one thread that writes.
pub struct Writer {
    connection: Connection,
    sealer: Sealer,
    node: i64,
    delivery_sink: Arc<dyn DeliverySink>,
    observer: Arc<dyn CommitObserver>,
    condition: Arc<Condition>,
    log_path: PathBuf,
    log_looked_at: Instant,
    state: WriterState,
    batch: Effects,
    /// Why the present transaction is none any more.
    undone: Option<StoreError>,
    /// Commands of the present transaction that the disk refused, and the last reason.
    refused: (usize, Option<StoreError>),
}

#[derive(Default)]
struct WriterState {
    subscriptions: Option<Arc<Vec<Webhook>>>,
    last_claim: i64,
}

impl Writer {
    /// A writer on this connection.
    pub fn new(
        connection: Connection,
        sealer: Sealer,
        node: i64,
        delivery_sink: Arc<dyn DeliverySink>,
        observer: Arc<dyn CommitObserver>,
        condition: Arc<Condition>,
        log_path: PathBuf,
    ) -> Self {
        Self {
            connection,
            sealer,
            node,
            delivery_sink,
            observer,
            condition,
            log_path,
            log_looked_at: Instant::now(),
            state: WriterState::default(),
            batch: Effects::default(),
            undone: None,
            refused: (0, None),
        }
    }

    fn run_watched(self, commands: mpsc::Receiver<Command>) {
        let (observer, condition) = (Arc::clone(&self.observer), Arc::clone(&self.condition));
        if catch_unwind(AssertUnwindSafe(|| self.run(commands))).is_err() {
            let ended = StoreError::Unavailable("its writer has ended: a bug".into());
            condition.commits().failed(&ended, Instant::now());
            observer.writer_died();
        }
    }

    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut waiting = Vec::with_capacity(MAX_BATCH);
        while commands.blocking_recv_many(&mut waiting, MAX_BATCH) > 0 {
            self.run_batch(waiting.drain(..));
            self.shrink_log();
        }
        self.close();
    }

    /// The last checkpoint empties the log, so that the next start has nothing to recover. If the files under these names
    /// are not ours any more, closing must not touch them: SQLite would delete another's log.
    fn close(self) {
        let connection = &self.connection;
        let _ = match self.condition.check_files() {
            Ok(()) => connection.pragma_update(None, "wal_checkpoint", "TRUNCATE"),
            Err(_) => connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
                .map(|_| ()),
        };
    }

    /// A reader that stays long (a backup, another program) lets the log grow; it is cut when that one is gone. Without
    /// waiting: what is still read makes it try again later.
    fn shrink_log(&mut self) {
        let now = Instant::now();
        if now.saturating_duration_since(self.log_looked_at) < LOG_LOOK_INTERVAL {
            return;
        }
        self.log_looked_at = now;
        let bytes = std::fs::metadata(&self.log_path).map_or(0, |log| log.len());
        if bytes > LOG_KEPT_BYTES {
            let _ = self.connection.busy_timeout(Duration::ZERO);
            let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
            let _ = self.connection.busy_timeout(BUSY_TIMEOUT);
        }
    }

    fn run_batch(&mut self, commands: impl ExactSizeIterator<Item = Command>) {
        let started = Instant::now();
        let count = commands.len();
        self.undone = self.execute("BEGIN IMMEDIATE").err();
        let replies: Vec<Reply> = commands.map(|command| command(self)).collect();
        let committed = self
            .check_transaction()
            .and_then(|()| self.flush_ledger())
            .and_then(|()| insights::write(&self.connection, &self.batch.insights))
            .and_then(|()| self.condition.check_files())
            .and_then(|()| self.execute("COMMIT"));
        let took = started.elapsed();
        if committed.is_err() {
            // There is nothing to undo if SQLite did so by itself.
            let _ = self.execute("ROLLBACK");
            self.state.subscriptions = None;
        }
        let count = self.note_result(&committed, count);
        self.batch = Effects::default();
        for reply in replies {
            let settled = catch_unwind(AssertUnwindSafe(|| {
                reply(&committed, self.delivery_sink.as_ref())
            }));
            if settled.is_err() {
                tracing::error!("what follows a commit panicked: a bug");
            }
        }
        if count > 0 {
            self.observer.committed(count, took);
        }
    }

    /// Moves the mark before anybody is answered; says how many commands are on disk.
    fn note_result(&mut self, committed: &StoreResult<()>, count: usize) -> usize {
        let now = Instant::now();
        let (refused, reason) = std::mem::take(&mut self.refused);
        if committed.is_ok() {
            let accepted: i64 = self.batch.accepted.values().sum();
            self.condition.committed(self.batch.last_event, accepted, now);
        }
        let failure = committed.as_ref().err().or(reason.as_ref());
        if let Some(error) = failure {
            self.condition.commits().failed(error, now);
            self.observer.failed();
        }
        match committed {
            Ok(()) => count.saturating_sub(refused),
            Err(_) => 0,
        }
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
            delivery_sink: self.delivery_sink.as_ref(),
            effects: Effects::default(),
            writer: &mut self.state,
        };
        let result = catch_unwind(AssertUnwindSafe(|| command(&mut context)))
            .unwrap_or_else(|_| Err(StoreError::Corrupt("a command of the store panicked".into())));
        let mut effects = context.effects;
        if result.is_ok() {
            self.batch.insights.merge(std::mem::take(&mut effects.insights));
            for (webhook_id, count) in &effects.accepted {
                *self.batch.accepted.entry(*webhook_id).or_default() += count;
            }
            self.batch.last_event = effects.last_event.or(self.batch.last_event);
        } else {
            self.state.subscriptions = None;
        }
        let has_changed = self.connection.total_changes() != changes_before;
        let result = self.end_command(boundary, result, has_changed);
        if let Err(error @ StoreError::Unavailable(_)) = &result {
            self.refused = (self.refused.0 + 1, Some(error.clone()));
        }
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
    fn settle(self, is_committed: bool, delivery_sink: &dyn DeliverySink) {
        let effects = if is_committed {
            self.after_commit
        } else {
            self.after_rollback
        };
        for effect in effects {
            effect(delivery_sink);
        }
    }
}
