//! The dispatcher: does what the scheduler decides.

mod canary;
mod in_flight;
mod refresh;
mod send_test;
mod tasks;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};

use crate::deliver::Deliverer;
use crate::delivery_context::DeliveryContext;
use crate::dispatch_handle::DispatchHandle;
use crate::notices::{Kind, WebhookLog};
use crate::prepared::Prepared;
use crate::recorder;
use crate::scheduler::{Effects, Pausing, Reason};
use crate::ticket_query;
use clock::Env;
use destination::ticketing::{QueryResult, TicketQuery};
use model::attempt::Failure;
use model::delivery::{Claim, ClaimedDelivery};
use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use model::webhook::{Degraded, Endpoint};
use outbound::ShortageCounts;
use store::Store;
use store::StoreError;
use store::StoreResult;
use store::log_store_failure;
use store::queue::{AttemptRecord, ClaimRequest};
use supervisor::Supervisor;
use telemetry::Metrics;

use in_flight::InFlight;

/// The longest time between two looks at the scheduler.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often the store is asked what is due, whatever the scheduler believes.
const SURVEY_INTERVAL: Duration = Duration::from_secs(5);
/// The same while there are other nodes: what they accept for a webhook whose home this is, is heard of in no other way.
const SHARED_SURVEY_INTERVAL: Duration = Duration::from_millis(100);
/// But no more than so small a part of the time goes into asking, when there are so many webhooks that it takes long.
const SURVEY_REST: u32 = 20;
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
    /// How long the last survey took.
    survey_ms: AtomicU32,
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
        let noting = note_health(changes, store.clone(), source.clone());
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
            survey_ms: AtomicU32::new(0),
            in_hand: InHand::new(()),
        }))
    }

    /// Sends what is due until the task is dropped.
    pub async fn run(self) {
        let mut next_survey_at = Timestamp::EPOCH;
        loop {
            let now = self.0.source.now();
            let interval = self.survey_interval();
            if now >= next_survey_at || next_survey_at.since(now) > interval {
                self.start_survey();
                next_survey_at = now.plus(interval);
            }
            let next_tick_at = self.tick().map_or(next_survey_at, |at| at.min(next_survey_at));
            let wait = next_tick_at.since(self.0.source.now());
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

    fn survey_interval(&self) -> Duration {
        if !self.0.handle.scheduler().has_company() {
            return SURVEY_INTERVAL;
        }
        let took = Duration::from_millis(self.0.survey_ms.load(Ordering::Relaxed).into());
        (took * SURVEY_REST).clamp(SHARED_SURVEY_INTERVAL, SURVEY_INTERVAL)
    }

    async fn survey(self) {
        self.0.log.write_due();
        let started_ms = self.0.source.monotonic_millis();
        let due = self.0.store.queue.next_due().await;
        let took_ms = self.0.source.monotonic_millis() - started_ms;
        self.0
            .survey_ms
            .store(u32::try_from(took_ms).unwrap_or(0), Ordering::Relaxed);
        match due {
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
        let lease = self.lease_number();
        let mut scheduler = self.0.handle.scheduler();
        scheduler.follow_lease(lease);
        let mut effects = scheduler.tick(self.0.source.now());
        drop(scheduler);
        let next_tick_at = effects.next_tick_at;
        for delivery in std::mem::take(&mut effects.start) {
            self.start_attempt(delivery.webhook_id, vec![delivery], lease);
        }
        for deliveries in std::mem::take(&mut effects.start_together) {
            if let Some(webhook_id) = deliveries.first().map(|first| first.webhook_id) {
                self.start_attempt(webhook_id, deliveries, lease);
            }
        }
        self.run_effects(effects);
        next_tick_at
    }

    /// The lease that holds, if one does.
    fn lease_number(&self) -> Option<u64> {
        self.0.handle.lease().number(self.0.source.monotonic_millis())
    }

    fn run_effects(&self, effects: Effects) {
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

    fn start_attempt(&self, webhook_id: WebhookId, deliveries: Vec<ClaimedDelivery>, lease: Option<u64>) {
        let prepared = self.prepared(webhook_id);
        let in_flight = InFlight {
            dispatcher: self.clone(),
            deliveries,
            lease,
        };
        match prepared {
            // In its own place in memory: what waits for an answer is large, and a task moves what it is given three times.
            Some(prepared) => drop(tokio::spawn(Box::pin(in_flight.run(prepared)))),
            // The webhook went away in this moment: dropping the guard gives the claim back.
            None => drop(in_flight),
        }
    }

    /// Whether this node does what is done once for all nodes.
    pub fn leads(&self) -> bool {
        self.0.handle.lease().leads(self.0.source.monotonic_millis())
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

/// Gives claims back, however long that takes: nobody else frees those of a node that lives.
async fn give_back(store: &Store, claims: Vec<(DeliveryId, Claim)>) {
    while let Err(error) = store.queue.release(claims.clone()).await {
        log_store_failure!(error, "claims could not be given back; trying again");
        tokio::time::sleep(RETRY_WAIT).await;
    }
}

/// Notes breakers in the order in which they opened and closed.
async fn note_health(mut changes: mpsc::UnboundedReceiver<HealthNote>, store: Store, source: Env) {
    while let Some(((webhook_id, degraded), _in_hand)) = changes.recv().await {
        let at = source.now();
        while let Err(error) = store
            .endpoints
            .set_degraded(webhook_id, degraded.clone(), at)
            .await
        {
            log_store_failure!(error, %webhook_id, "the state of a breaker could not be noted; trying again");
            tokio::time::sleep(RETRY_WAIT).await;
        }
    }
}
