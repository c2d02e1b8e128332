//! The one way to change something: a command in a transaction of its own, run again if another node's got in its way, and
//! what it leaves to be done once its result is certain.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use model::id::{EventId, WebhookId};
use model::insight::InsightChange;
use model::webhook::Webhook;
use store::DeliverySink;
use store::StoreError;
use store::StoreResult;
use store::activity_plan::Tally;
use store::insight_plan::InsightTally;
use store::seal::Sealer;

use super::activity;
use super::commit_outcome::{self, UnansweredTransaction};
use super::connection::{Connection, LastStatement};
use super::database::{Database, Shared};
use super::insights;
use super::outbox::Outbox;

/// How often a command is run before its caller hears that others were in its way.
const MAX_TRIES: u32 = 8;
/// How long the second try waits; each further one waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(5);

/// What a command is while it runs.
pub type Running<'a, T> = Pin<Box<dyn Future<Output = StoreResult<T>> + Send + 'a>>;
type Effect = Box<dyn FnOnce(&dyn DeliverySink) + Send + Sync>;

/// What a command finds inside its transaction.
pub struct WriteContext {
    pub connection: Connection,
    shared: Arc<Shared>,
    effects: Effects,
    /// Whether a page may show what it changes.
    shows: bool,
    /// What is counted of webhooks, written last in the transaction.
    activity: Option<Tally>,
    /// New deliveries for the ledger, likewise; sorted, so that two transactions never wait for each other's rows.
    accepted: BTreeMap<WebhookId, i64>,
    /// What is counted of incidents, likewise.
    insights: InsightTally,
    /// By which the transaction is recognised if its COMMIT is not answered.
    event_id: Option<EventId>,
}

/// What a command leaves behind for when its result is certain.
#[derive(Default)]
pub struct Effects {
    answered_claims: Vec<i64>,
    /// Written in the transaction, to be told of.
    announced: Vec<Outbox>,
    /// The same, but written last.
    last: Option<Outbox>,
    after_commit: Vec<Effect>,
    after_rollback: Vec<Effect>,
}

impl WriteContext {
    /// Seals secrets.
    pub fn sealer(&self) -> &Sealer {
        &self.shared.sealer
    }

    /// This run of this node.
    pub fn node(&self) -> i64 {
        self.shared.node
    }

    /// Takes born-claimed deliveries: ask it for room here, hand over after the commit.
    pub fn delivery_sink(&self) -> &dyn DeliverySink {
        self.shared.delivery_sink.as_ref()
    }

    /// Runs something once the transaction is on disk; it is dropped if it never gets there.
    pub fn after_commit(&mut self, effect: impl FnOnce(&dyn DeliverySink) + Send + Sync + 'static) {
        self.effects.after_commit.push(Box::new(effect));
    }

    /// Runs something if the transaction is undone, before the command is run again too.
    pub fn after_rollback(&mut self, effect: impl FnOnce(&dyn DeliverySink) + Send + Sync + 'static) {
        self.effects.after_rollback.push(Box::new(effect));
    }

    /// Tells of events once the transaction is on disk.
    pub fn announce_after_commit(&mut self, outbox: Outbox) {
        self.effects.announced.push(outbox);
    }

    /// The same of events that are written together with the COMMIT: nothing else may follow in the transaction.
    pub fn write_last(&mut self, outbox: Outbox) {
        self.effects.last = Some(outbox);
    }

    /// Names an event that the transaction makes: if it is there, all is.
    pub fn makes_event(&mut self, event_id: EventId) {
        self.event_id = Some(event_id);
    }

    /// Counts a new delivery into the ledger, which is written last in the transaction.
    pub fn count_accepted(&mut self, webhook_id: WebhookId) {
        *self.accepted.entry(webhook_id).or_default() += 1;
    }

    /// Counts what an event, or an entry in the audit log, changes of incidents; it is written last in the transaction.
    pub fn count_insights(&mut self, id: [u8; 16], changes: Vec<InsightChange>) {
        self.insights.count(&id, changes);
    }

    /// A claim unlike any other of this run.
    pub fn new_claim(&self) -> i64 {
        self.shared.last_claim.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The same for deliveries that only the answer names: if the answer is lost, they are given back.
    pub fn new_answered_claim(&mut self) -> i64 {
        let claim = self.new_claim();
        self.effects.answered_claims.push(claim);
        claim
    }

    /// Counts attempts into rows that are locked; they are written last in the transaction.
    pub fn count_activity(&mut self, tally: Tally) {
        self.activity = Some(tally);
    }

    /// Every webhook that is not deleted, sorted by id.
    pub async fn subscriptions(&self) -> StoreResult<Arc<Vec<Webhook>>> {
        self.shared.subscriptions.load(&self.connection).await
    }

    /// Says that no page shows what this changes: no other node is woken for it.
    pub fn shows_nothing(&mut self) {
        self.shows = false;
    }

    /// Says that a webhook changed: the dispatcher must look again.
    pub fn webhook_changed(&mut self, webhook_id: WebhookId) {
        self.after_commit(move |delivery_sink| delivery_sink.webhook_changed(webhook_id));
    }
}

/// New deliveries for the ledger.
fn ledger(accepted: &BTreeMap<WebhookId, i64>) -> Option<LastStatement<'static>> {
    if accepted.is_empty() {
        return None;
    }
    let counts = accepted
        .iter()
        .map(|(id, count)| (id.as_bytes().to_vec(), *count));
    let (ids, counts): (Vec<Vec<u8>>, Vec<i64>) = counts.unzip();
    Some(LastStatement {
        sql: "INSERT INTO ledger AS l (webhook_id, accepted)
              SELECT id, count FROM unnest($1::bytea[], $2::bigint[]) AS new (id, count)
              ON CONFLICT (webhook_id) DO UPDATE SET accepted = l.accepted + excluded.accepted",
        values: vec![Box::new(ids), Box::new(counts)],
    })
}

impl Database {
    /// Runs a command in a transaction and answers once it is on disk. It gets its input anew at each try. It goes on even
    /// if the caller goes away.
    pub(crate) async fn write<I, T>(
        &self,
        input: I,
        command: impl for<'a> Fn(&'a mut WriteContext, &'a I) -> Running<'a, T> + Send + Sync + 'static,
    ) -> StoreResult<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        write(self.shared(), input, command).await
    }
}

/// See [`Database::write`].
pub(super) async fn write<I, T>(
    shared: &Arc<Shared>,
    input: I,
    command: impl for<'a> Fn(&'a mut WriteContext, &'a I) -> Running<'a, T> + Send + Sync + 'static,
) -> StoreResult<T>
where
    I: Send + Sync + 'static,
    T: Send + 'static,
{
    try_write(shared, input, command)
        .await
        .map_err(Undone::into_error)
}

/// The same, and says whether others were in the way to the end.
pub(super) async fn try_write<I, T>(
    shared: &Arc<Shared>,
    input: I,
    command: impl for<'a> Fn(&'a mut WriteContext, &'a I) -> Running<'a, T> + Send + Sync + 'static,
) -> Result<T, Undone>
where
    I: Send + Sync + 'static,
    T: Send + 'static,
{
    let shared = Arc::clone(shared);
    let task = tokio::spawn(async move {
        let mut wait = FIRST_WAIT;
        for _ in 1..MAX_TRIES {
            match attempt(&shared, &input, &command).await {
                Ok(value) => return Ok(value),
                Err(Undone::Finally(error)) => return Err(Undone::Finally(error)),
                Err(Undone::Transient(error)) => tracing::debug!(%error, "a transaction is run again"),
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        attempt(&shared, &input, &command).await
    });
    let ended = |_| Undone::Finally(StoreError::Corrupt("a command of the store panicked".into()));
    task.await.map_err(ended)?
}

/// Why a transaction did not get to disk, as far as that is known.
enum Uncommitted {
    Undone(StoreError),
    /// It may be there.
    Unknown(StoreError, UnansweredTransaction),
}

/// Why a try came to nothing.
pub(super) enum Undone {
    /// Others were in the way, each time.
    Transient(StoreError),
    Finally(StoreError),
}

impl Undone {
    pub(super) fn into_error(self) -> StoreError {
        match self {
            // What PostgreSQL says of it is no damage: others were in the way.
            Self::Transient(error) => StoreError::Unavailable(error.to_string()),
            Self::Finally(error) => error,
        }
    }
}

async fn attempt<I, T>(
    shared: &Arc<Shared>,
    input: &I,
    command: &impl for<'a> Fn(&'a mut WriteContext, &'a I) -> Running<'a, T>,
) -> Result<T, Undone> {
    let started = Instant::now();
    let connection = shared.begin().await.map_err(|error| {
        shared.failed(&error);
        Undone::Finally(error)
    })?;
    let mut context = WriteContext {
        connection,
        shared: Arc::clone(shared),
        effects: Effects::default(),
        activity: None,
        accepted: BTreeMap::new(),
        insights: InsightTally::default(),
        event_id: None,
        shows: true,
    };
    let result = match command(&mut context, input).await {
        Ok(value) => commit(&mut context).await.map(|()| value),
        Err(error) => Err(Uncommitted::Undone(error)),
    };
    let WriteContext {
        connection,
        effects,
        shows,
        ..
    } = context;
    match result {
        Ok(value) => {
            effects.settle(true, shared);
            shared.committed(started.elapsed(), connection.has_changed(), shows);
            Ok(value)
        }
        Err(error) => Err(undo(shared, connection, effects, error).await),
    }
}

/// Commits, with what is written last: rows that other nodes wait for. That the answer is lost does not matter if it is known
/// soon what it would have been.
async fn commit(context: &mut WriteContext) -> Result<(), Uncommitted> {
    let node = context.node();
    let mut last = match &context.effects.last {
        Some(outbox) => outbox.statements(node),
        None => Vec::new(),
    };
    let activity = context.activity.as_ref();
    last.extend(activity.and_then(|tally| activity::write(tally, node)));
    last.extend(ledger(&context.accepted));
    last.extend(insights::insertion(&context.insights));
    let committed = context.connection.commit_with(&last).await;
    drop(last);
    let error = match committed {
        Ok(answers) => {
            let outbox = context.effects.last.as_mut();
            let taken = outbox.map_or(Ok(()), |outbox| outbox.take_answers(&answers));
            return taken.map_err(Uncommitted::Undone);
        }
        Err(error) => error,
    };
    let Some(number) = context.connection.unanswered_commit() else {
        return Err(Uncommitted::Undone(error));
    };
    let transaction = UnansweredTransaction::new(number, context.event_id);
    match commit_outcome::find_out(&context.shared, &transaction).await {
        Some(true) => {
            let looked_up = context.effects.look_up_places(&context.shared).await;
            looked_up.map_err(|error| Uncommitted::Unknown(error, transaction))
        }
        Some(false) => Err(Uncommitted::Undone(error)),
        None => Err(Uncommitted::Unknown(error, transaction)),
    }
}

/// Undoes what may have been done, and what was promised on its strength.
async fn undo(
    shared: &Arc<Shared>,
    connection: Connection,
    effects: Effects,
    uncommitted: Uncommitted,
) -> Undone {
    let is_transient = connection.is_transient() || connection.was_stale();
    let error = match uncommitted {
        Uncommitted::Undone(error) => {
            if connection.unanswered_commit().is_none() {
                connection.rollback().await;
            }
            effects.settle(false, shared);
            if is_transient {
                return Undone::Transient(error);
            }
            error
        }
        Uncommitted::Unknown(error, transaction) => {
            tokio::spawn(commit_outcome::settle_later(
                Arc::clone(shared),
                transaction,
                effects,
            ));
            error
        }
    };
    shared.failed(&error);
    Undone::Finally(error)
}

impl Effects {
    /// Claims of deliveries that only the command's answer names.
    pub fn answered_claims(&self) -> &[i64] {
        &self.answered_claims
    }

    /// Learns where the events are in the feed whose transaction is on disk, although its answer was lost.
    pub async fn look_up_places(&mut self, shared: &Shared) -> StoreResult<()> {
        match &mut self.last {
            Some(outbox) => outbox.look_up_places(&shared.connection().await?).await,
            None => Ok(()),
        }
    }

    /// Does what follows from the result.
    pub fn settle(self, is_committed: bool, shared: &Shared) {
        let delivery_sink = shared.delivery_sink.as_ref();
        if !is_committed {
            return self
                .after_rollback
                .into_iter()
                .for_each(|effect| effect(delivery_sink));
        }
        for outbox in self.announced.into_iter().chain(self.last) {
            outbox.announce(delivery_sink, &shared.timelines);
        }
        self.after_commit
            .into_iter()
            .for_each(|effect| effect(delivery_sink));
    }
}
