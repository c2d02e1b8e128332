//! The simulated world: a node, receivers, time. It does what the dispatcher and the timers around it do, one step at a
//! time, so that anything can happen between two steps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Runtime;

use clock::{Clock, Env};
use destination::task::{Links, Step};
use engine::breaker::HealthSignal;
use engine::deliver::{build_request, task};
use engine::escalator;
use engine::finish_attempt::{RawAttempt, finish_attempt};
use engine::prepared::Prepared;
use model::delivery::ClaimedDelivery;
use model::exchange::FailureCode;
use model::id::WebhookId;
use store::Store;
use store::queue::Recorded;
use telemetry::webhooks::WebhookMetrics;

use super::chance::{HandClock, Rng, SeededEntropy};
use super::expectation::{Expectation, State};
use super::node::{Errand, Flight, Node};
use super::receiver::{Behaviour, react};

const HEARTBEAT_MILLIS: i64 = 15_000;
/// For how long after a crash the next run must look for what the one before had in hand.
const RESCUE_MILLIS: i64 = 90_000;

pub struct World {
    pub rng: Rng,
    pub clock: Arc<HandClock>,
    pub source: Env,
    pub node: Node,
    pub behaviours: BTreeMap<WebhookId, Behaviour>,
    pub expectation: Expectation,
    pub crashes: u64,
    node_number: i64,
    runtime: Runtime,
    directory: TempDir,
    rescue_until: i64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let shared_memory = std::path::Path::new("/dev/shm");
        let directory = if shared_memory.is_dir() {
            TempDir::new_in(shared_memory)
        } else {
            TempDir::new()
        };
        let directory = directory.unwrap();
        let clock = Arc::new(HandClock::new());
        let source = Env::new(Arc::clone(&clock) as _, Arc::new(SeededEntropy::new(seed)));
        let node = Node::open(directory.path(), 1, source.now(), source.monotonic_millis());
        let mut world = Self {
            rng: Rng::new(seed),
            clock,
            source,
            node,
            behaviours: BTreeMap::new(),
            expectation: Expectation::default(),
            crashes: 0,
            node_number: 1,
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            directory,
            rescue_until: 0,
        };
        world.beat();
        world
    }

    /// Waits for the store.
    pub fn run<T>(&self, work: impl AsyncFnOnce(Store) -> T) -> T {
        let store = self.node.store().clone();
        self.runtime.block_on(work(store))
    }

    pub fn monotonic(&self) -> i64 {
        self.clock.monotonic_millis()
    }

    /// Does what the scheduler wants done.
    pub fn look(&mut self) {
        let effects = self.node.inbox.scheduler().tick(self.clock.now());
        for (webhook_id, degraded) in &effects.health {
            let subscriber = self.expectation.subscribers.get_mut(webhook_id).unwrap();
            subscriber.has_open_breaker = degraded.is_some();
            subscriber.disturbed_at = self.clock.monotonic_millis();
        }
        for delivery in self.node.take_errands(effects) {
            self.start(delivery);
        }
    }

    fn start(&mut self, delivery: ClaimedDelivery) {
        let webhook_id = delivery.webhook_id;
        let Some(prepared) = self.node.prepared.get(&webhook_id).map(Arc::clone) else {
            let mut scheduler = self.node.inbox.scheduler();
            let verdict = HealthSignal::Failed(FailureCode::RequestInvalid);
            scheduler.finished(webhook_id, verdict, self.clock.now());
            scheduler.recorded(1);
            drop(scheduler);
            self.node
                .effects
                .push(Errand::Release(vec![(delivery.id, delivery.claim)]));
            return;
        };
        let now = self.clock.now();
        let links = Links::default();
        let task = task(&prepared, &delivery, &links, now);
        let Step::Send(rendered, classify) = prepared.adapter.step(&task) else {
            panic!("a request");
        };
        let request = build_request(&prepared, &delivery, *rendered, now);
        assert_eq!(
            request.headers["x-opsknight-delivery"],
            delivery.id.to_string().as_str()
        );
        let behaviour = self.behaviours[&webhook_id];
        let reaction = react(behaviour, &mut self.rng, now, request.timeout);
        let monotonic = self.monotonic();
        let is_taken = reaction.is_success();
        self.expectation.started(
            &delivery,
            &request.body,
            reaction.is_received,
            is_taken,
            monotonic,
        );
        let takes = i64::try_from(reaction.takes.as_millis()).unwrap();
        self.node.flights.push(Flight {
            delivery,
            prepared,
            started_at: now,
            ends_at: monotonic + takes,
            exchange: reaction.exchange,
            classify,
        });
        self.note_crowding(webhook_id);
    }

    /// Deliveries that wait for others of their webhook or node may be late.
    fn note_crowding(&mut self, webhook_id: WebhookId) {
        let now = self.monotonic();
        let flights = &self.node.flights;
        let own = flights
            .iter()
            .filter(|flight| flight.delivery.webhook_id == webhook_id)
            .count();
        let is_node_full = flights.len() >= 12;
        for (id, subscriber) in &mut self.expectation.subscribers {
            let concurrency = usize::from(subscriber.webhook.settings.concurrency);
            if is_node_full || (*id == webhook_id && own >= concurrency) {
                subscriber.disturbed_at = now;
            }
        }
    }

    /// Lets time pass: at most so long, and no further than the next thing that happens by itself.
    pub fn pass_time(&mut self, longest: Duration) {
        let now = self.monotonic();
        let next_look = self.node.next_look_at;
        let until_look = next_look.map(|at| at.since(self.clock.now()));
        let until_landing = self
            .node
            .flights
            .iter()
            .map(|flight| Duration::from_millis(u64::try_from(flight.ends_at - now).unwrap_or(0)));
        let is_rescuing = now < self.rescue_until;
        let until_beat = is_rescuing.then_some(Duration::from_millis(HEARTBEAT_MILLIS.unsigned_abs()));
        let candidates = until_landing.chain(until_look).chain(until_beat);
        self.clock.advance(candidates.fold(longest, Duration::min));
        self.land();
        if self.monotonic() >= self.node.beat_at + HEARTBEAT_MILLIS {
            self.beat();
        }
        self.fire_escalations();
    }

    fn land(&mut self) {
        let now = self.monotonic();
        let (landed, flying) = self
            .node
            .flights
            .drain(..)
            .partition::<Vec<_>, _>(|flight| flight.ends_at <= now);
        self.node.flights = flying;
        for flight in landed {
            let links = Links::default();
            let task = task(&flight.prepared, &flight.delivery, &links, flight.started_at);
            let classification = (flight.classify)(&task, &flight.exchange, self.clock.now());
            let verdict = HealthSignal::from(&classification.outcome);
            let mut made = RawAttempt::without_request(flight.started_at, classification);
            made.sent.exchange = Some(flight.exchange);
            let attempted = finish_attempt(&self.source, &flight.prepared, &flight.delivery, made);
            let record = attempted.record;
            let webhook_id = record.webhook_id;
            self.node.effects.push(Errand::Record(Box::new(record), now));
            self.node
                .inbox
                .scheduler()
                .finished(webhook_id, verdict, self.clock.now());
        }
    }

    /// What the rescuer, the surveyor and the burier do every few seconds.
    pub fn beat(&mut self) {
        let now = self.clock.now();
        self.node.beat_at = self.monotonic();
        let (due, buried) = self.run(async |store| {
            store.queue.heartbeat(now).await.unwrap();
            store.queue.rescue(now).await.unwrap();
            let mut buried = 0;
            loop {
                let count = store.upkeep.bury_deleted(now).await.unwrap();
                buried += count;
                if count == 0 {
                    return (store.queue.next_due().await.unwrap(), buried);
                }
            }
        });
        for (webhook_id, due_at) in due {
            self.node.inbox.scheduler().wake(webhook_id, due_at);
        }
        if buried > 0 {
            self.note_buried();
        }
    }

    fn note_buried(&mut self) {
        let subscribers = &self.expectation.subscribers;
        let open: Vec<_> = self
            .expectation
            .deliveries
            .iter()
            .filter(|((id, _), expected)| subscribers[id].is_deleted && expected.state == State::Open)
            .map(|(key, expected)| (*key, expected.id))
            .collect();
        for (key, id) in open {
            let detail = self.run(async |store| store.deliveries.get(id).await.unwrap());
            if !detail.delivery.state.is_open() {
                assert_eq!(detail.delivery.last_failure, Some(FailureCode::WebhookDeleted));
                self.expectation.deliveries.get_mut(&key).unwrap().state = State::Dead;
            }
        }
    }

    fn fire_escalations(&mut self) {
        let fired = self
            .runtime
            .block_on(escalator::fire_due(self.node.store(), &self.source));
        for _ in 0..fired {
            self.note_new_events();
        }
    }

    /// Ends one errand, chosen at random; sometimes the node dies right after.
    pub fn run_errand(&mut self) {
        let index = self.rng.below(self.node.effects.len());
        let now = self.clock.now();
        match self.node.take_errand(index) {
            Errand::Load(id) => {
                let endpoint = self.run(async |store| store.endpoints.load(id).await.unwrap());
                self.node.effects.push(Errand::Loaded(id, endpoint.map(Box::new)));
            }
            Errand::Loaded(id, None) => {
                self.node.prepared.remove(&id);
                self.node.inbox.scheduler().forget(id);
            }
            Errand::Loaded(id, Some(endpoint)) => {
                let prepared = Arc::new(Prepared::new(*endpoint, None, &WebhookMetrics::default()));
                let limits = prepared.limits();
                let subscriber = self.expectation.subscribers.get_mut(&id).unwrap();
                // A breaker that an earlier run left open is open again; a later load only repeats what is known.
                subscriber.has_open_breaker |= limits.degraded.is_some();
                self.node.prepared.insert(id, prepared);
                self.node.inbox.scheduler().set_limits(id, limits, now);
            }
            Errand::Claim(requests) => {
                let claimed = self.run(async |store| store.queue.claim_due(requests, now).await.unwrap());
                self.node.effects.push(Errand::Claimed(claimed));
            }
            Errand::Claimed(claimed) => {
                let mut scheduler = self.node.inbox.scheduler();
                for webhook in claimed {
                    scheduler.claimed(webhook.webhook_id, webhook.deliveries, webhook.next_due_at);
                }
            }
            Errand::Release(claims) => self.run(async |store| store.queue.release(claims).await.unwrap()),
            Errand::Health(id, degraded) => {
                self.run(async |store| store.endpoints.set_degraded(id, degraded, now).await.unwrap());
            }
            Errand::Record(record, failed_at) => {
                let copy = record.clone();
                let results = self.run(async |store| store.queue.record([*copy].into(), now).await.unwrap());
                assert_eq!(results, [Recorded::Applied]);
                self.expectation.recorded(&record, failed_at);
                if record.disable_webhook.is_some() {
                    self.refresh(record.webhook_id);
                }
                if !self.rng.one_in(200) {
                    self.node.inbox.scheduler().recorded(1);
                } else {
                    self.crash();
                }
            }
        }
    }

    /// Reads a webhook anew after it changed.
    pub fn refresh(&mut self, id: WebhookId) {
        let now = self.monotonic();
        let found = self.run(async |store| store.webhooks.get(id).await.ok());
        let subscriber = self.expectation.subscribers.get_mut(&id).unwrap();
        subscriber.disturbed_at = now;
        if let Some(webhook) = found {
            subscriber.webhook = webhook;
        }
    }

    /// The node dies, and another run begins: sometimes at once, sometimes later.
    pub fn crash(&mut self) {
        self.crashes += 1;
        self.expectation.crashed(self.monotonic());
        let pause = self.rng.pick(&[0, 1, 59, 61, 1000]);
        self.clock.advance(Duration::from_secs(pause));
        self.expectation.crashed(self.monotonic());
        self.start_node();
    }

    /// A soft stop: nothing is started, what is in flight ends, everything is given back.
    pub fn restart(&mut self) {
        self.node.inbox.scheduler().stop();
        self.look();
        let runs = self.node_number;
        while !self.node.is_at_rest() && self.node_number == runs {
            if self.node.effects.is_empty() {
                self.pass_time(Duration::from_secs(60));
            } else {
                self.run_errand();
            }
            self.look();
        }
        if self.node_number == runs {
            if self.node.beat_at > self.rescue_until {
                let counts = self.run(async |store| store.deliveries.counts().await.unwrap());
                assert_eq!(counts.claimed, 0, "a soft stop kept claims");
            }
            self.expectation.crashed(self.monotonic());
            self.start_node();
        }
    }

    fn start_node(&mut self) {
        self.node_number += 1;
        // The old run goes first: the store is for one at a time. Nobody looks at the node in between.
        let (now, monotonic) = (self.clock.now(), self.monotonic());
        self.node.close();
        self.node = Node::open(self.directory.path(), self.node_number, now, monotonic);
        self.rescue_until = self.monotonic() + RESCUE_MILLIS;
        self.beat();
        self.look();
    }
}
