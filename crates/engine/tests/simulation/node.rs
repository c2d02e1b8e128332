//! One run of a server's inside: the real store and the real engine with all of its tasks, in a runtime whose time is simulated.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use clock::Env;
use engine::deliver::Deliverer;
use engine::dispatch_handle::DispatchHandle;
use engine::dispatcher::Dispatcher;
use engine::pruner::KeepFor;
use engine::rescuer;
use engine::scheduler::SchedulerLimits;
use engine::ticket_poller::TicketPoller;
use model::delivery::Delivery;
use model::event::Event;
use model::id::WebhookId;
use outbound::RequestSender;
use renderer::Renderer;
use store::deliveries::{DeliveryDetail, DeliveryFilter};
use store::seal::{MasterKey, Sealer};
use store::wakeup::Wakeup;
use store::{NoObserver, Page, Store, StoreResult};
use store_sqlite::{Database, Settings};
use supervisor::Supervisor;
use telemetry::Metrics;

use super::chance::SimulatedClock;
use super::lockstep::Lockstep;
use super::world::PAGE;

/// Small enough that every bound is met.
pub const LIMITS: SchedulerLimits = SchedulerLimits {
    max_in_flight: 12,
    max_ready: 24,
    max_unrecorded: 16,
};
/// How long what has ended is kept.
pub const KEEP_FOR: KeepFor = KeepFor {
    delivered: Duration::from_secs(12 * 3600),
    dead: Duration::from_secs(24 * 3600),
};
/// How long a soft stop may take: longer than any request.
const STOP_GRACE: Duration = Duration::from_secs(300);

/// See the module.
pub struct Node {
    runtime: Runtime,
    store: Store,
    handle: Arc<DispatchHandle>,
    dispatcher: Dispatcher,
    tasks: JoinSet<()>,
    supervisor: Supervisor,
    lockstep: Lockstep,
    clock: Arc<SimulatedClock>,
    /// Every delivery as the run found it, before it did anything.
    pub found: Vec<Delivery>,
}

/// What a run is given from outside.
pub struct Surroundings {
    pub clock: Arc<SimulatedClock>,
    pub source: Env,
    pub sender: Arc<dyn RequestSender>,
}

impl Node {
    /// Begins a run on the store in a folder, as a server does.
    pub fn start(directory: &Path, number: i64, surroundings: Surroundings) -> StoreResult<Self> {
        let Surroundings {
            clock,
            source,
            sender,
        } = surroundings;
        let metrics = Arc::new(Metrics::new());
        let handle = Arc::new(DispatchHandle::new(LIMITS, Wakeup::new(), Arc::clone(&metrics)));
        let database = Arc::new(Database::open_as_server(Settings {
            directory: directory.to_owned(),
            sealer: Sealer::new(&MasterKey::new([7; 32]), None),
            delivery_sink: Arc::clone(&handle) as _,
            node: number,
            observer: Arc::new(NoObserver),
            max_pages: None,
        })?);
        let store = database.to_store();
        let lockstep = Lockstep::default();
        let runtime = lockstep.runtime();
        lockstep.hold(database);
        let supervisor = Supervisor::default();
        let deliverer = Deliverer {
            client: sender,
            source: source.clone(),
            public_url: None,
            store: store.clone(),
            // No webhook here has a template.
            renderer: Renderer::new("/nonexistent".into()),
        };
        let entered = runtime.enter();
        clock.begin();
        let dispatcher = Dispatcher::start(
            Arc::clone(&handle),
            store.clone(),
            deliverer,
            metrics,
            supervisor.clone(),
        );
        drop(entered);
        let mut node = Self {
            runtime,
            store,
            handle,
            dispatcher,
            tasks: JoinSet::new(),
            supervisor,
            lockstep,
            clock,
            found: Vec::new(),
        };
        node.found = node.ask(all_deliveries);
        let (store, taken_by, at) = (node.store.clone(), Arc::clone(&node.handle), source.clone());
        node.run(async move {
            rescuer::renew_lease(&store, &at, &taken_by).await?;
            store.queue.rescue(at.now()).await
        })?;
        node.start_tasks(&source);
        Ok(node)
    }

    fn start_tasks(&mut self, source: &Env) {
        let _entered = self.runtime.enter();
        let poller = TicketPoller::new(self.store.clone(), source.clone(), self.dispatcher.clone());
        self.tasks = self.dispatcher.start_tasks(&poller, KEEP_FOR);
    }

    /// Does something with the store, while everything else goes on.
    pub fn ask<T, F>(&self, work: impl FnOnce(Store) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.run(work(self.store.clone()))
    }

    /// Send Test, while everything else goes on.
    pub fn test(&self, webhook_id: WebhookId, sample: Event) -> StoreResult<DeliveryDetail> {
        let dispatcher = self.dispatcher.clone();
        self.run(async move { dispatcher.send_test(webhook_id, sample).await })
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.run(async move { tokio::time::sleep(time).await });
    }

    /// Runs work, as a task, since of a task alone it is known that another thread woke it.
    fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        use clock::Clock as _;
        let ended = self.runtime.block_on(async {
            self.lockstep.begin();
            let ended = tokio::spawn(work).await;
            self.clock.monotonic_millis();
            ended
        });
        if let Some(end) = self.vital_end() {
            panic!("the engine lives no more: {end}");
        }
        match ended {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    fn vital_end(&self) -> Option<supervisor::VitalEnd> {
        use futures_util::FutureExt as _;
        let supervisor = self.supervisor.clone();
        async move { supervisor.ended().await }.now_or_never()
    }

    /// A soft stop, in the order in which a server does it. Says whether all that was in flight ended.
    pub fn stop(mut self) -> bool {
        self.handle.lease().leave();
        self.handle.scheduler().stop();
        let (store, dispatcher) = (self.store.clone(), self.dispatcher.clone());
        let mut tasks = std::mem::take(&mut self.tasks);
        self.run(async move {
            store.queue.leave().await.unwrap();
            let all_ended = dispatcher.stop(STOP_GRACE).await;
            tasks.shutdown().await;
            all_ended
        })
    }

    /// The process is killed: what it had written is there for the next one, in another folder.
    pub fn kill(self, from: &Path, to: &Path) {
        // The writer waits in an empty transaction: no file changes meanwhile.
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// Every delivery in the store but tests.
pub async fn all_deliveries(store: Store) -> Vec<Delivery> {
    let mut all: Vec<Delivery> = Vec::new();
    loop {
        let page = Page {
            limit: PAGE,
            before: all.last().map(|delivery| *delivery.id.as_bytes()),
        };
        let next = store.deliveries.list(DeliveryFilter::default(), page);
        let next = next.await.unwrap().rows;
        if next.is_empty() {
            return all;
        }
        all.extend(next);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.clock.end();
        // The runtime waits for its queries, and the store for its commands.
        self.lockstep.let_go();
    }
}
