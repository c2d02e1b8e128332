//! The dispatcher: does what the scheduler decides.

mod in_flight;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};

use crate::breaker::HealthSignal;
use crate::deliver::Deliverer;
use crate::delivery_context::DeliveryContext;
use crate::dispatch_handle::DispatchHandle;
use crate::finish_attempt::AttemptResult;
use crate::notices::{Kind, WebhookLog};
use crate::prepared::Prepared;
use crate::recorder;
use crate::scheduler::{Effects, Pausing, Reason};
use crate::ticket_query;
use clock::Env;
use destination::task::Pause;
use destination::ticketing::{QueryResult, TicketQuery};
use model::attempt::Failure;
use model::delivery::{Claim, ClaimedDelivery, NextStep};
use model::event::Event;
use model::id::{DeliveryId, WebhookId};
use model::patch::Patch;
use model::time::Timestamp;
use model::webhook::{Degraded, Endpoint};
use outbound::ShortageCounts;
use store::Store;
use store::StoreError;
use store::StoreResult;
use store::deliveries::DeliveryDetail;
use store::log_store_failure;
use store::queue::{AttemptRecord, ClaimRequest};
use store::webhooks::MessageRef;
use supervisor::Supervisor;
use telemetry::Metrics;

use in_flight::InFlight;

/// The longest time between two looks at the scheduler.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often the store is asked what is due, whatever the scheduler believes.
const SURVEY_INTERVAL: Duration = Duration::from_secs(5);
/// Send Tests under way at once.
const MAX_TESTS: usize = 32;
/// The wait before something that the store did not do is tried again.
const RETRY_WAIT: Duration = Duration::from_millis(500);

/// Sends deliveries. Clones share everything.
#[derive(Clone)]
pub struct Dispatcher(Arc<Parts>);

struct Parts {
    handle: Arc<DispatchHandle>,
    store: Store,
    deliverer: Deliverer,
    source: Env,
    metrics: Arc<Metrics>,
    prepared: RwLock<HashMap<WebhookId, Arc<Prepared>>>,
    attempts: mpsc::UnboundedSender<AttemptRecord>,
    health: mpsc::UnboundedSender<HealthNote>,
    log: WebhookLog,
    tests: Semaphore,
    supervisor: Supervisor,
    is_surveying: AtomicBool,
    in_hand: InHand,
}

/// What is being done that the scheduler does not count: each holds a receiver of this until it is done.
type InHand = watch::Sender<()>;

impl Parts {
    fn prepare(&self, endpoint: Endpoint) -> Prepared {
        Prepared::new(
            endpoint,
            self.deliverer.public_url.as_ref(),
            &self.metrics.webhooks,
        )
    }
}

/// A breaker opened or closed.
type HealthChange = (WebhookId, Option<Degraded>);
/// The same, in hand until it is noted.
type HealthNote = (HealthChange, watch::Receiver<()>);

impl Dispatcher {
    /// Starts recording; [`Dispatcher::run`] starts sending.
    pub fn start(
        handle: Arc<DispatchHandle>,
        store: Store,
        deliverer: Deliverer,
        metrics: Arc<Metrics>,
        supervisor: Supervisor,
    ) -> Self {
        let (attempts, receiver) = mpsc::unbounded_channel();
        let source = deliverer.source.clone();
        let log = WebhookLog::new(source.clone());
        let recording = recorder::run(receiver, store.clone(), Arc::clone(&handle), source.clone());
        tokio::spawn(supervisor.clone().watch_work("recorder of attempts", recording));
        let (health, changes) = mpsc::unbounded_channel();
        let noting = note_health(changes, store.clone());
        tokio::spawn(supervisor.clone().watch_work("recorder of breakers", noting));
        let prepared = RwLock::default();
        Self(Arc::new(Parts {
            handle,
            store,
            deliverer,
            source,
            metrics,
            prepared,
            attempts,
            health,
            log,
            tests: Semaphore::new(MAX_TESTS),
            supervisor,
            is_surveying: AtomicBool::new(false),
            in_hand: InHand::new(()),
        }))
    }

    /// Sends what is due until the task is dropped.
    pub async fn run(self) {
        let mut next_survey_at = Timestamp::EPOCH;
        loop {
            let now = self.0.source.now();
            if now >= next_survey_at || next_survey_at.since(now) > SURVEY_INTERVAL {
                self.start_survey();
                next_survey_at = now.plus(SURVEY_INTERVAL);
            }
            let next_tick_at = self.tick();
            let wait = next_tick_at.map_or(LOOK_INTERVAL, |at| at.since(self.0.source.now()));
            // Something happened, or a time came: the scheduler is looked at either way.
            let _ = tokio::time::timeout(wait.min(LOOK_INTERVAL), self.0.handle.notified()).await;
        }
    }

    /// Starts nothing new, gives back what waits, and waits for what is in flight. Says whether all of it ended in time.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.0.handle.scheduler().stop();
        let all_ended = async {
            loop {
                self.tick();
                if self.0.handle.scheduler().is_idle() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(grace, all_ended).await.is_ok()
    }

    /// How many attempts were started so far, if nothing is in hand and the store, asked now, holds nothing that is due.
    pub async fn quiet_after(&self) -> Option<u64> {
        self.clone().survey().await;
        self.tick();
        let attempts = self.0.handle.scheduler().quiet_after(self.0.source.now());
        attempts.filter(|_| self.0.in_hand.receiver_count() == 0)
    }

    /// Makes one real attempt with a sample event, past the queue: Send Test. It goes on when the caller goes away.
    pub async fn send_test(&self, webhook_id: WebhookId, sample: Event) -> StoreResult<DeliveryDetail> {
        let test = tokio::spawn(self.clone().run_test(webhook_id, sample));
        test.await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("the server is stopping".into())))
    }

    async fn run_test(self, webhook_id: WebhookId, sample: Event) -> StoreResult<DeliveryDetail> {
        let parts = &self.0;
        let closed = || StoreError::Unavailable("the server is stopping".into());
        let _permit = parts.tests.acquire().await.map_err(|_| closed())?;
        let endpoint = parts.store.endpoints.load(webhook_id).await?;
        let endpoint = endpoint.ok_or(StoreError::NotFound { what: "webhook" })?;
        let prepared = parts.prepare(endpoint);
        let delivery = parts.store.queue.begin_test(webhook_id, sample).await?;
        let records = self.attempt_test(prepared, delivery.clone()).await;
        recorder::record_within(&records, &parts.store, &parts.source).await;
        parts.store.deliveries.get(delivery.id).await
    }

    /// What a test says about its receiver counts: one that succeeds closes the breaker.
    fn note_test(&self, record: &AttemptRecord, pause: Option<&Pause>) {
        let now = self.0.source.now();
        let mut scheduler = self.0.handle.scheduler();
        if let Some(pause) = pause {
            scheduler.pause(&Pausing::asked_by(pause, &record.attempt), now);
        }
        if HealthSignal::from(&record.attempt.outcome) == HealthSignal::Succeeded {
            scheduler.reached(record.webhook_id, now);
        }
        drop(scheduler);
        self.0.handle.notify();
    }

    /// The attempts of a test: one, and the follow-ups that its answers ask for. The last comes first: it ends the claim,
    /// and those before it are recorded as history.
    async fn attempt_test(
        &self,
        mut prepared: Prepared,
        mut delivery: ClaimedDelivery,
    ) -> Vec<AttemptRecord> {
        let mut records: Vec<AttemptRecord> = Vec::new();
        let mut known = DeliveryContext::default();
        loop {
            let attempted = self.0.deliverer.attempt(&prepared, &delivery, &known);
            let AttemptResult { record, pause, .. } = attempted.await;
            self.note_test(&record, pause.as_ref());
            let goes_on = matches!(record.next_step, NextStep::Retry { .. });
            if goes_on {
                delivery.attempts_made += 1;
                delivery.spent = record.spent;
                let text = known.message_ref.take().map(|memory| memory.text);
                known.message_ref = left(&record.state_updates.message_ref, text).map(|text| MessageRef {
                    text,
                    event_sequence: record.event_sequence,
                });
                if let Some(update) = &record.state_updates.ticket {
                    known.learn_in_test(&delivery, update, self.0.source.now());
                }
                delivery.continuation =
                    left(&record.state_updates.continuation, delivery.continuation.take());
                if record.state_updates.discovered_settings.is_some() {
                    prepared
                        .target
                        .discovered_settings
                        .clone_from(&record.state_updates.discovered_settings);
                }
            }
            records.push(record);
            if !goes_on {
                break;
            }
        }
        let learned = records
            .iter()
            .rev()
            .find_map(|record| record.state_updates.discovered_settings.clone());
        records.reverse();
        if let Some(last) = records.first_mut() {
            last.state_updates.discovered_settings = learned;
        }
        records
    }

    /// Asks a webhook's ticket system something.
    pub async fn ask(
        &self,
        webhook_id: WebhookId,
        question: &TicketQuery,
    ) -> StoreResult<Result<QueryResult, Failure>> {
        let parts = &self.0;
        let prepared = match self.prepared(webhook_id) {
            Some(prepared) => prepared,
            None => {
                let endpoint = parts.store.endpoints.load(webhook_id).await?;
                let endpoint = endpoint.ok_or(StoreError::NotFound { what: "webhook" })?;
                Arc::new(parts.prepare(endpoint))
            }
        };
        let asked_at = parts.source.now();
        let asked = ticket_query::run(&parts.deliverer, &prepared, question).await;
        if let Some(pause) = asked.pause {
            let pausing = Pausing {
                bucket: &pause.bucket,
                wait: pause.wait,
                reason: Reason::Refused { asked_at },
            };
            parts.handle.scheduler().pause(&pausing, parts.source.now());
        }
        Ok(asked.answer)
    }

    /// Asks the store what is due: what makes polling the guarantee and every other signal a hint. One at a time, beside
    /// the sending, so that a slow store holds nothing up.
    fn start_survey(&self) {
        let ShortageCounts { total, waiting, what } = self.0.deliverer.client.shortages();
        self.0.metrics.count_shortages(total, waiting, what);
        if !self.0.is_surveying.swap(true, Ordering::AcqRel) {
            self.spawn_vital("survey of what is due", self.clone().survey());
        }
    }

    /// Starts work that leaves the scheduler waiting for ever if it panics.
    fn spawn_vital(&self, task: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.0.supervisor.clone().watch_work(task, work));
    }

    async fn survey(self) {
        self.0.log.write_due();
        match self.0.store.queue.next_due().await {
            Ok(due) => {
                let mut scheduler = self.0.handle.scheduler();
                for (webhook_id, due_at) in due {
                    scheduler.wake(webhook_id, due_at);
                }
                let (closed, open) = scheduler.breaker_counts();
                self.0.metrics.count_breakers(closed, open);
            }
            Err(error) => log_store_failure!(error, "the store does not say what is due; asking again"),
        }
        self.0.is_surveying.store(false, Ordering::Release);
        self.0.handle.notify();
    }

    fn tick(&self) -> Option<Timestamp> {
        let _in_hand = self.0.in_hand.subscribe();
        let effects = self.0.handle.scheduler().tick(self.0.source.now());
        let next_tick_at = effects.next_tick_at;
        self.run_effects(effects);
        next_tick_at
    }

    fn run_effects(&self, effects: Effects) {
        for delivery in effects.start {
            self.start_attempt(delivery);
        }
        for webhook_id in effects.load {
            tokio::spawn(self.clone().load(webhook_id));
        }
        if !effects.claim.is_empty() {
            self.spawn_vital("claiming of deliveries", self.clone().claim(effects.claim));
        }
        if !effects.release.is_empty() {
            let (store, in_hand) = (self.0.store.clone(), self.0.in_hand.subscribe());
            tokio::spawn(async move {
                give_back(&store, effects.release).await;
                drop(in_hand);
            });
        }
        for change in effects.health {
            let (webhook_id, degraded) = &change;
            let prepared = self.prepared(*webhook_id);
            let name = prepared.as_ref().map_or("", |prepared| prepared.name());
            let kind = degraded.as_ref().map_or(Kind::Recovered, |_| Kind::Degraded);
            let code = degraded.as_ref().map(|degraded| degraded.code);
            self.0.log.note(*webhook_id, name, kind, code);
            // The noting task lives as long as this sender.
            let _ = self.0.health.send((change, self.0.in_hand.subscribe()));
        }
    }

    fn start_attempt(&self, delivery: ClaimedDelivery) {
        let prepared = self.prepared(delivery.webhook_id);
        let in_flight = InFlight {
            dispatcher: self.clone(),
            delivery: Some(delivery),
        };
        match prepared {
            Some(prepared) => drop(tokio::spawn(in_flight.run(prepared))),
            // The webhook went away in this moment: dropping the guard gives the claim back.
            None => drop(in_flight),
        }
    }

    /// Until when a webhook's platform wants no requests; nothing if it takes some.
    pub fn paused_until(&self, webhook_id: WebhookId) -> Option<Timestamp> {
        let prepared = self.prepared(webhook_id)?;
        let buckets = prepared.adapter.buckets(&prepared.target);
        let now = self.0.source.now();
        self.0.handle.scheduler().paused_until(&buckets, now)
    }

    /// A webhook made ready for sending, if it is known.
    fn prepared(&self, webhook_id: WebhookId) -> Option<Arc<Prepared>> {
        let known = self.0.prepared.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&webhook_id).map(Arc::clone)
    }

    async fn load(self, webhook_id: WebhookId) {
        let parts = &self.0;
        let endpoint = loop {
            match parts.store.endpoints.load(webhook_id).await {
                Ok(endpoint) => break endpoint,
                Err(error) => {
                    log_store_failure!(error, %webhook_id, "a webhook could not be loaded; trying again");
                    tokio::time::sleep(RETRY_WAIT).await;
                }
            }
        };
        let mut known = parts.prepared.write().unwrap_or_else(PoisonError::into_inner);
        match endpoint.map(|endpoint| parts.prepare(endpoint)) {
            Some(mut prepared) => {
                if let Some(before) = known.get(&webhook_id) {
                    prepared.learn_from(before);
                }
                let limits = prepared.limits();
                known.insert(webhook_id, Arc::new(prepared));
                parts
                    .handle
                    .scheduler()
                    .set_limits(webhook_id, limits, parts.source.now());
            }
            None => {
                known.remove(&webhook_id);
                parts.handle.scheduler().forget(webhook_id);
            }
        }
        drop(known);
        parts.handle.notify();
    }

    async fn claim(self, requests: Vec<ClaimRequest>) {
        let parts = &self.0;
        let claimed = parts
            .store
            .queue
            .claim_due(requests.clone(), parts.source.now())
            .await;
        let mut scheduler = parts.handle.scheduler();
        match claimed {
            Ok(claimed) => {
                for webhook in claimed {
                    scheduler.claimed(webhook.webhook_id, webhook.deliveries, webhook.next_due_at);
                }
            }
            Err(error) => {
                log_store_failure!(error, "due deliveries could not be claimed; trying again");
                let retry_at = parts.source.now().plus(RETRY_WAIT);
                for request in requests {
                    scheduler.claim_failed(request.webhook_id, retry_at);
                }
            }
        }
        drop(scheduler);
        parts.handle.notify();
    }
}

/// What is known of a delivery's incident at its webhook.
async fn recall(parts: &Parts, prepared: &Prepared, delivery: &ClaimedDelivery) -> DeliveryContext {
    loop {
        match DeliveryContext::load(&parts.store, prepared, delivery).await {
            Ok(known) => return known,
            Err(error) => {
                let webhook_id = delivery.webhook_id;
                log_store_failure!(error, %webhook_id, "an incident's message could not be looked up; trying again");
                tokio::time::sleep(RETRY_WAIT).await;
            }
        }
    }
}

/// What an attempt leaves of a text that was kept.
fn left(patch: &Patch<String>, before: Option<String>) -> Option<String> {
    match patch {
        Patch::Keep => before,
        Patch::Set(text) => Some(text.clone()),
        Patch::Clear => None,
    }
}

/// Gives claims back, however long that takes: nobody else frees those of a node that lives.
async fn give_back(store: &Store, claims: Vec<(DeliveryId, Claim)>) {
    while let Err(error) = store.queue.release(claims.clone()).await {
        log_store_failure!(error, "claims could not be given back; trying again");
        tokio::time::sleep(RETRY_WAIT).await;
    }
}

/// Notes breakers in the order in which they opened and closed.
async fn note_health(mut changes: mpsc::UnboundedReceiver<HealthNote>, store: Store) {
    while let Some(((webhook_id, degraded), _in_hand)) = changes.recv().await {
        while let Err(error) = store.endpoints.set_degraded(webhook_id, degraded.clone()).await {
            log_store_failure!(error, %webhook_id, "the state of a breaker could not be noted; trying again");
            tokio::time::sleep(RETRY_WAIT).await;
        }
    }
}
