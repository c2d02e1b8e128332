//! The server put together: opens the store, starts the dispatcher and the doors, stops them in order.

mod base_path;
mod clients;
mod file_limit;
mod first_key;
mod fleet_watch;
mod gateway;
mod mail;
mod open_store;
mod outbound_rules;
mod pages;
mod passkeys;
mod run;
mod schema_watch;
mod server;
mod set_up_token;
mod shared_secret;
mod single_sign_on;
mod unread_body;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

use api::{ApiParts, ApiSettings, ApiState, Person};
use clock::Env;
use config::{self, Config};
use engine::deliver::Deliverer;
use engine::dispatch_handle::DispatchHandle;
use engine::dispatcher::Dispatcher;
use engine::pruner::KeepFor;
use engine::scheduler::SchedulerLimits;
use engine::ticket_poller::TicketPoller;
use limit::Limit;
use limit::shared::SharedLimits;
use model::capacity::Capacity;
use model::client_address::TrustedProxies;
use outbound::{Client, Resolve, SystemResolver};
use renderer::Renderer;
use store::wakeup::Wakeup;
use store::{Store, log_store_failure};
use supervisor::Supervisor;
use telemetry::Metrics;
use web::ApiReads;

use clients::{Bounds, Clients};
use fleet_watch::FleetWatch;
use gateway::PeopleRules;
use model::secret::SecretText;
use open_store::{backup_directory, open_store};
use outbound_rules::OutboundRules;
use pages::{CommitWatch, Shared};
use schema_watch::SchemaWatch;
use server::Site;

pub use file_limit::raise as raise_file_limit;
pub use first_key::FirstKey;
pub use run::{ServeError, serve};

/// How long tasks that still use the store may take to notice that the server has stopped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often that is looked at.
const CLOSE_POLL: Duration = Duration::from_millis(2);
/// How long telling the other nodes of a stop may take: they notice it otherwise too.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// A running server.
pub struct App {
    address: SocketAddr,
    first_key: FirstKey,
    set_up_token: Option<SecretText>,
    store: Store,
    dispatcher: Dispatcher,
    inbox: Arc<DispatchHandle>,
    ticket_poller: TicketPoller,
    timers: JoinSet<()>,
    server: JoinHandle<()>,
    supervisor: Supervisor,
    schema: SchemaWatch,
    stop: Stop,
}

/// How everything hears that the server stops, and how long it takes.
struct Stop {
    /// It is about to.
    drain: watch::Sender<bool>,
    /// It does.
    begin: watch::Sender<bool>,
    delay: Duration,
    grace: Duration,
}

impl Stop {
    fn new(config: &Config) -> Self {
        Self {
            drain: watch::Sender::new(false),
            begin: watch::Sender::new(false),
            delay: config.stop_delay,
            grace: config.stop_grace,
        }
    }
}

/// A server that is complete, but answers nobody yet.
pub struct PreparedApp {
    app: App,
    open: oneshot::Sender<()>,
}

impl PreparedApp {
    /// Begins to answer.
    pub fn open(self) -> App {
        // The server waits for it; should it have died already, its supervisor says so.
        let _ = self.open.send(());
        self.app
    }

    /// The server, to be announced.
    pub fn app(&self) -> &App {
        &self.app
    }
}

/// What a server is given from outside.
pub struct Surroundings {
    pub source: Env,
    /// Looks host names up.
    pub resolver: Arc<dyn Resolve>,
    /// Renders users' templates.
    pub renderer: Renderer,
}

impl Surroundings {
    /// The machine's own.
    pub fn system() -> anyhow::Result<Self> {
        let resolver = SystemResolver::new().context("the system's name resolution cannot be read")?;
        Ok(Self {
            source: Env::system(),
            resolver: Arc::new(resolver),
            renderer: Renderer::new(own_program()?),
        })
    }
}

impl App {
    /// Starts a server; it answers and delivers when this returns.
    pub async fn start(config: &Config, surroundings: Surroundings) -> anyhow::Result<Self> {
        Ok(Self::prepare(config, surroundings).await?.open())
    }

    /// The same up to its last step: it delivers, and clients may connect, but nobody is answered before [`PreparedApp::open`].
    pub async fn prepare(config: &Config, surroundings: Surroundings) -> anyhow::Result<PreparedApp> {
        let (source, renderer) = (surroundings.source, surroundings.renderer);
        let (metrics, wakeup, supervisor) = (Arc::new(Metrics::new()), Wakeup::new(), Supervisor::default());
        let capacity = capacity(config, &metrics);
        let inbox = dispatch_handle(config, &capacity, &wakeup, &metrics);
        let (watch, commits) = CommitWatch::new(&metrics, &supervisor);
        let store = open_store(config, &source, &inbox, watch).await?;
        let (limits, stop) = (SharedLimits::default(), Stop::new(config));
        let fleet = FleetWatch::new(&store, &source, &limits, &wakeup, &commits);
        let (listener, address) = listen(config).await?;
        let rules = Arc::new(OutboundRules::new(config, address)?);
        let client = Client::new(rules.settings(surroundings.resolver, capacity.idle_connections));
        let public = public_url(config, address);
        let deliverer = deliverer(&client, &source, &store, &renderer, public.clone());
        let (queue, counts) = (Arc::clone(&inbox), Arc::clone(&metrics));
        let dispatcher = Dispatcher::start(queue, store.clone(), deliverer, counts, supervisor.clone());
        let ticket_poller = TicketPoller::new(store.clone(), source.clone(), dispatcher.clone());
        let people = PeopleRules::prepare(config, public.as_ref(), &client, &source)?;
        let engine = (&dispatcher, &ticket_poller);
        let actions = gateway::actions(&store, &source, rules, renderer, engine, people);
        let (first_key, setup_token) = first_key::prepare(config, &store, &source).await?;
        let shared = Shared {
            actions: Arc::clone(&actions),
            store: store.clone(),
            source: source.clone(),
            commits,
            own_address: address_from_here(address),
            limits: limits.clone(),
            capacity,
            metrics: Arc::clone(&metrics),
            single_sign_on: single_sign_on::prepare(config, public.as_ref(), &client, &source)?,
            stopping: stop.begin.subscribe(),
        };
        let (pages, set_up_token) = pages::prepare(config, shared).await?;
        let parts = ApiParts {
            actions,
            store: store.clone(),
            source: source.clone(),
            wakeup,
            metrics: Arc::clone(&metrics),
            settings: api_settings(config, capacity),
            limits,
            setup: setup_token,
            draining: stop.drain.subscribe(),
            stopping: stop.begin.subscribe(),
        };
        let clients = Clients::new(Bounds::new(&capacity), proxies(config), Arc::clone(&metrics));
        let pages = (pages.0.merge(gateway::callers(&parts, client)), pages.1);
        let site = site(config, parts, pages, stop.drain.subscribe());
        let (open, server) = start_server(listener, site, clients, stop.begin.subscribe(), &supervisor);
        let mut timers = dispatcher.start_tasks(&ticket_poller, keep_for(config));
        fleet.start(&mut timers, config, &supervisor);
        let app = Self {
            schema: SchemaWatch::start(&mut timers, config, &store, &supervisor),
            address,
            first_key,
            set_up_token,
            store,
            dispatcher,
            inbox,
            ticket_poller,
            timers,
            server,
            supervisor,
            stop,
        };
        Ok(PreparedApp { app, open })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How to get the first key.
    pub fn first_key(&self) -> &FirstKey {
        &self.first_key
    }

    /// The one-time token of the link that makes the first administrator, if nobody could sign in at the start.
    pub fn set_up_token(&self) -> Option<&SecretText> {
        self.set_up_token.as_ref()
    }

    /// Reports when a task ends without which it is no server.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// A sentence as soon as this program must stop, because newer ones have changed the database's schema.
    pub fn outdated(&self) -> impl Future<Output = String> + use<> {
        self.schema.clone().outdated()
    }

    /// Its store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Looks for due deliveries and tickets now rather than within a second: for whoever moves the clock by hand.
    pub fn look_now(&self) {
        self.inbox.notify();
        self.ticket_poller.notify();
    }

    /// Whether nothing is being sent, recorded or read, and nothing is due at this time of the clock: for whoever moves it
    /// by hand. The escalator and the daily chores look by themselves.
    pub async fn is_quiet(&self) -> bool {
        let before = self.dispatcher.quiet_after().await;
        // What was read may have had something sent meanwhile: there must be no attempt in between.
        before.is_some()
            && self.ticket_poller.is_quiet().await
            && self.dispatcher.quiet_after().await == before
    }

    /// What this node does for all, and serves for all, goes to the others at once.
    async fn leave(&self) {
        self.inbox.lease().leave();
        self.inbox.scheduler().stop();
        match tokio::time::timeout(LEAVE_TIMEOUT, self.store.queue.leave()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log_store_failure!(error, "the other servers do not hear of the stop"),
            Err(_) => tracing::debug!("the other servers do not hear of the stop in time"),
        }
    }

    /// Goes on as before for `stop_delay`, but says that it is not ready and keeps no connection open: time for load balancers
    /// to send to others.
    pub async fn drain(&self) {
        self.stop.drain.send_replace(true);
        tokio::time::sleep(self.stop.delay).await;
    }

    /// Soft stop: accepts nothing new, finishes what is in flight, up to the grace. Says whether all of it ended. The data
    /// directory is free for another server afterwards.
    pub async fn stop(mut self) -> bool {
        self.stop.drain.send_replace(true);
        self.stop.begin.send_replace(true);
        self.leave().await;
        let all_ended = self.dispatcher.stop(self.stop.grace).await;
        // The doors close last, so that answers under way still get out.
        let _ = self.server.await;
        self.timers.shutdown().await;
        let last_handle = Arc::clone(&self.store.upkeep);
        drop((self.dispatcher, self.store, self.inbox, self.ticket_poller));
        let all_gone = async {
            while Arc::strong_count(&last_handle) > 1 {
                tokio::time::sleep(CLOSE_POLL).await;
            }
        };
        let closed = tokio::time::timeout(CLOSE_TIMEOUT, all_gone).await.is_ok();
        all_ended && closed
    }
}

/// What sends deliveries.
fn deliverer(
    client: &Client,
    source: &Env,
    store: &Store,
    renderer: &Renderer,
    public_url: Option<Url>,
) -> Deliverer {
    Deliverer {
        client: Arc::new(client.clone()),
        source: source.clone(),
        public_url,
        store: store.clone(),
        renderer: renderer.clone(),
    }
}

/// How much may be open at once. What the settings want beyond that is not had by wishing.
fn capacity(config: &Config, metrics: &Metrics) -> Capacity {
    let wanted = usize::try_from(config.limits.max_in_flight).unwrap_or(usize::MAX);
    let capacity = Capacity::share_out(file_limit::present(), wanted);
    if capacity.max_in_flight < wanted {
        tracing::warn!(
            wanted,
            max_in_flight = capacity.max_in_flight,
            files = capacity.files,
            "fewer deliveries than limits.max_in_flight may be in flight: the process may open too few files; raise its \
             limit (LimitNOFILE, ulimit -n)"
        );
    }
    metrics.note_capacity(&capacity);
    capacity
}

/// This very program, even if its file was replaced meanwhile: the system keeps it for whoever runs it.
fn own_program() -> anyhow::Result<PathBuf> {
    match cfg!(target_os = "linux") {
        true => Ok(PathBuf::from("/proc/self/exe")),
        false => std::env::current_exe().context("this program does not know where it lies"),
    }
}

/// Where links in messages lead. A server for development is reached from this machine; otherwise nobody but the settings
/// knows.
fn public_url(config: &Config, address: SocketAddr) -> Option<Url> {
    let own = || Url::parse(&format!("http://{}/", address_from_here(address))).ok();
    config
        .public_url
        .clone()
        .or_else(|| config.dev.then(own).flatten())
}

/// The address must be known before anything is sent: the server may reach its own inboxes there.
async fn listen(config: &Config) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(config.listen).await;
    let listener =
        listener.with_context(|| format!("cannot listen on {}; is the port taken?", config.listen))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn dispatch_handle(
    config: &Config,
    capacity: &Capacity,
    wakeup: &Wakeup,
    metrics: &Arc<Metrics>,
) -> Arc<DispatchHandle> {
    let limits = scheduler_limits(config, capacity);
    Arc::new(DispatchHandle::new(limits, wakeup.clone(), Arc::clone(metrics)))
}

fn scheduler_limits(config: &Config, capacity: &Capacity) -> SchedulerLimits {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    SchedulerLimits {
        max_in_flight: capacity.max_in_flight,
        max_ready: count(config.limits.max_ready),
        ..SchedulerLimits::default()
    }
}

fn api_settings(config: &Config, capacity: Capacity) -> ApiSettings {
    let per_second = f64::from(config.api.requests_per_second);
    let failures_per_minute = f64::from(config.api.failed_sign_ins_per_minute);
    ApiSettings {
        key_limit: Limit {
            per_second,
            burst: per_second,
        },
        failure_limit: Limit {
            per_second: failures_per_minute / 60.0,
            burst: failures_per_minute,
        },
        metrics_are_public: config.metrics_public,
        backup_directory: backup_directory(config),
        public_url: config.public_url.clone(),
        cors_origins: config.api.cors_origins.clone(),
        max_streams: capacity.event_streams,
        capacity: Some(capacity),
    }
}

/// Who may say for whom a request is.
fn proxies(config: &Config) -> TrustedProxies {
    TrustedProxies::new(&config.trusted_proxies)
}

/// Everything that is served: the API, the doors of those who call us, the pages.
fn site(
    config: &Config,
    parts: ApiParts,
    (pages, api_reads): (Router, ApiReads),
    draining: watch::Receiver<bool>,
) -> Site {
    let state = ApiState::new(parts);
    let reading = state.clone();
    api_reads.set(Arc::new(move |id, actor, scopes, uri| {
        let person = Person { id, actor, scopes };
        Box::pin(api::read_as(reading.clone(), person, uri))
    }));
    let router = api::router(state, pages);
    Site::new(router, config.public_url.as_ref(), proxies(config), draining)
}

/// Starts to serve once it is told to.
fn start_server(
    listener: TcpListener,
    site: Site,
    clients: Arc<Clients>,
    stopping: watch::Receiver<bool>,
    supervisor: &Supervisor,
) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (open, opened) = oneshot::channel();
    let serving = async move {
        let _ = opened.await;
        server::serve(listener, site, clients, stopping).await;
    };
    let server = tokio::spawn(supervisor.clone().watch("HTTP server", serving));
    (open, server)
}

fn keep_for(config: &Config) -> KeepFor {
    KeepFor {
        delivered: config.retention.delivered,
        dead: config.retention.dead,
    }
}

/// Where this server reaches itself: an address that stands for all of the machine's holds its loopback one.
fn address_from_here(address: SocketAddr) -> SocketAddr {
    let loopback = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(loopback, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_reaches_itself_on_loopback() {
        let from_here = |text: &str| address_from_here(text.parse().unwrap()).to_string();
        assert_eq!(from_here("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(from_here("[::]:8080"), "[::1]:8080");
        assert_eq!(from_here("10.0.0.5:80"), "10.0.0.5:80");
    }
}
