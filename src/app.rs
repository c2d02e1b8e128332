//! The server put together: opens the store, starts the dispatcher and the doors, stops them in order.

mod desk;
mod first_key;
mod pages;
mod server;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

use crate::actions::{Actions, UrlRules};
use crate::api::{ApiParts, ApiSettings, ApiState};
use crate::clock::Source;
use crate::config::Config;
use crate::dispatch::board::BoardLimits;
use crate::dispatch::deliver::Deliverer;
use crate::dispatch::dispatcher::Dispatcher;
use crate::dispatch::inbox::Inbox;
use crate::dispatch::looker::Looker;
use crate::dispatch::pruner::KeepFor;
use crate::dispatch::{auditor, escalator, pruner, rescuer};
use crate::inbound::{self, InboundState};
use crate::limit::Limit;
use crate::master_key;
use crate::outbound::{
    AllowList, Client, LoopbackRule, OutboundSettings, PhaseLimits, Proxy, Resolve, SystemResolver,
    UrlRefusal, check_url,
};
use crate::store::seal::Sealer;
use crate::store::{Store, sqlite};
use crate::telemetry::{Metrics, start_log};
use crate::wakeup::Wakeup;

use crate::model::secret::SecretText;
use desk::{Desk, TestSender};
use pages::{CommitWatch, Shared};

pub use first_key::FirstKey;

/// How long tasks that still use the store may take to notice that the server has stopped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often that is looked at.
const CLOSE_POLL: Duration = Duration::from_millis(2);

/// A running server.
pub struct App {
    address: SocketAddr,
    first_key: FirstKey,
    set_up_token: Option<SecretText>,
    store: Store,
    dispatcher: Dispatcher,
    inbox: Arc<Inbox>,
    looker: Looker,
    timers: JoinSet<()>,
    server: JoinHandle<()>,
    stop: watch::Sender<bool>,
    stop_grace: Duration,
}

/// What a server is given from outside.
pub struct Surroundings {
    /// Time and randomness.
    pub source: Source,
    /// Looks host names up.
    pub resolver: Arc<dyn Resolve>,
}

impl Surroundings {
    /// The machine's own.
    pub fn system() -> anyhow::Result<Self> {
        let resolver = SystemResolver::new().context("the system's name resolution cannot be read")?;
        Ok(Self {
            source: Source::system(),
            resolver: Arc::new(resolver),
        })
    }
}

impl App {
    /// Starts a server; it answers and delivers when this returns.
    pub async fn start(config: &Config, surroundings: Surroundings) -> anyhow::Result<Self> {
        let Surroundings { source, resolver } = surroundings;
        let (metrics, wakeup) = (Arc::new(Metrics::new()), Wakeup::new());
        let inbox = Arc::new(Inbox::new(
            board_limits(config),
            wakeup.clone(),
            Arc::clone(&metrics),
        ));
        let (watch, commits) = CommitWatch::new(&metrics);
        let store = open_store(config, &source, &inbox, watch)?;
        take_back(&store, &source).await?;
        // The address must be known before anything is sent: the server may reach its own inboxes there.
        let listener = listen(config).await?;
        let address = listener.local_addr()?;
        let rules = OutboundRules::new(config, address)?;
        let deliverer = Deliverer {
            client: Client::new(rules.settings(resolver)),
            source: source.clone(),
            public_url: public_url(config, address),
            store: store.clone(),
        };
        let dispatcher =
            Dispatcher::start(Arc::clone(&inbox), store.clone(), deliverer, Arc::clone(&metrics));
        let looker = Looker::new(store.clone(), source.clone(), dispatcher.clone());
        let tester = Arc::new(TestSender(dispatcher.clone()));
        let desk = Arc::new(Desk(dispatcher.clone(), looker.clone()));
        let actions = Actions::new(store.clone(), source.clone(), Arc::new(rules), tester, desk);
        let actions = Arc::new(actions);
        let (first_key, setup_token) = first_key::prepare(config, &store, &source).await?;
        let (stop, stopping) = watch::channel(false);
        let shared = Shared {
            actions: Arc::clone(&actions),
            store: store.clone(),
            source: source.clone(),
            commits,
            own_address: address_from_here(address),
            stopping: stopping.clone(),
        };
        let (pages, set_up_token) = pages::prepare(config, shared).await?;
        let doors = InboundState::new(Arc::clone(&actions), source.clone());
        let pages = pages.merge(inbound::router(doors));
        let state = ApiState::new(ApiParts {
            actions,
            store: store.clone(),
            source: source.clone(),
            wakeup,
            metrics: Arc::clone(&metrics),
            settings: api_settings(config),
            setup: setup_token,
            stopping: stopping.clone(),
        });
        let router = crate::api::router(state, pages);
        let server = tokio::spawn(server::serve(listener, router, stopping));
        let mut timers = start_timers(config, &store, &source, &dispatcher, &metrics);
        timers.spawn(looker.clone().run());
        Ok(Self {
            address,
            first_key,
            set_up_token,
            store,
            dispatcher,
            inbox,
            looker,
            timers,
            server,
            stop,
            stop_grace: config.stop_grace,
        })
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

    /// Its store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Looks for due deliveries and tickets now rather than within a second: for whoever moves the clock by hand.
    pub fn look_now(&self) {
        self.inbox.ring();
        self.looker.ring();
    }

    /// Soft stop: accepts nothing new, finishes what is in flight, up to the grace. Says whether all of it ended. The data
    /// directory is free for another server afterwards.
    pub async fn stop(mut self) -> bool {
        self.stop.send_replace(true);
        let all_ended = self.dispatcher.stop(self.stop_grace).await;
        // The doors close last, so that answers under way still get out.
        let _ = self.server.await;
        self.timers.shutdown().await;
        let last_handle = Arc::clone(&self.store.upkeep);
        drop((self.dispatcher, self.store, self.inbox, self.looker));
        let all_gone = async {
            while Arc::strong_count(&last_handle) > 1 {
                tokio::time::sleep(CLOSE_POLL).await;
            }
        };
        let closed = tokio::time::timeout(CLOSE_TIMEOUT, all_gone).await.is_ok();
        all_ended && closed
    }
}

/// Runs a server until it is told to stop: softly by the first signal, at once by the second.
pub fn serve(config: &Config) -> anyhow::Result<()> {
    start_log(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let app = App::start(config, Surroundings::system()?).await?;
        announce(config, &app);
        signals.next().await;
        tracing::info!("stopping: what is in flight may finish; a second signal stops at once");
        tokio::select! {
            all_ended = app.stop() => {
                if !all_ended {
                    tracing::warn!("some deliveries were still in flight; they are sent again after the next start");
                }
            }
            () = signals.next() => tracing::warn!("stopped at once; what was in flight is sent again after the next start"),
        }
        Ok(())
    })
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

async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(config.listen).await;
    listener.with_context(|| format!("cannot listen on {}; is the port taken?", config.listen))
}

/// Whatever an earlier run had in hand is free again before anything new is claimed.
async fn take_back(store: &Store, source: &Source) -> anyhow::Result<()> {
    store.queue.heartbeat(source.now()).await?;
    let freed = store.queue.rescue(source.now()).await?;
    if freed > 0 {
        tracing::info!(
            freed,
            "deliveries that were in flight when the last run ended will be sent again"
        );
    }
    Ok(())
}

fn board_limits(config: &Config) -> BoardLimits {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    BoardLimits {
        max_in_flight: count(config.limits.max_in_flight),
        max_ready: count(config.limits.max_ready),
        ..BoardLimits::default()
    }
}

fn open_store(
    config: &Config,
    source: &Source,
    inbox: &Arc<Inbox>,
    watch: CommitWatch,
) -> anyhow::Result<Store> {
    let keys = master_key::load(&config.data, |name| std::env::var(name).ok(), source)?;
    let store = sqlite::open(sqlite::Settings {
        directory: config.data.clone(),
        sealer: Sealer::new(&keys.current, keys.previous.as_ref()),
        hand_over: Arc::clone(inbox) as Arc<dyn crate::store::HandOver>,
        node: i64::from(u32::from_le_bytes(source.random())),
        observer: Arc::new(watch),
        max_pages: config.max_database_bytes.map(sqlite::pages_of),
    })?;
    Ok(store)
}

fn api_settings(config: &Config) -> ApiSettings {
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
        backup_directory: Some(config.data.join("backups")),
        public_url: config.public_url.clone(),
        ..ApiSettings::default()
    }
}

fn start_timers(
    config: &Config,
    store: &Store,
    source: &Source,
    dispatcher: &Dispatcher,
    metrics: &Arc<Metrics>,
) -> JoinSet<()> {
    let keep_for = KeepFor {
        delivered: config.retention.delivered,
        dead: config.retention.dead,
    };
    let mut timers = JoinSet::new();
    timers.spawn(dispatcher.clone().run());
    timers.spawn(rescuer::run(store.clone(), source.clone()));
    timers.spawn(escalator::run(store.clone(), source.clone()));
    timers.spawn(pruner::run(store.clone(), source.clone(), keep_for));
    timers.spawn(pruner::bury(store.clone(), source.clone()));
    timers.spawn(auditor::run(store.clone(), Arc::clone(metrics)));
    timers
}

/// Says on standard output what a person or a script reads at the start. Nobody may be reading (any more): a server is
/// not stopped by that.
fn announce(config: &Config, app: &App) {
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(announcement(config, app).as_bytes());
    let _ = output.flush();
}

fn announcement(config: &Config, app: &App) -> String {
    let mut lines = vec![format!("Data: {}", config.data.display())];
    match &app.first_key {
        FirstKey::Dev(key) => {
            let warning =
                "Development mode: receivers on this machine are allowed. Do not use it in production.";
            lines.push(warning.to_owned());
            lines.push(format!("API key: {}", key.reveal()));
        }
        FirstKey::SetUp(token) => {
            let (address, token) = (app.address, token.reveal());
            lines.push("There is no API key yet. Make the first one in the pages, or with:".to_owned());
            lines.push(format!(
                "  opsknight keys setup --url http://{address} --token {token}"
            ));
        }
        FirstKey::Exists => {}
    }
    let version = env!("CARGO_PKG_VERSION");
    lines.push(format!("OpsKnight {version} is ready on http://{}", app.address));
    // Behind the line above, in which scripts look for the address.
    if let Some(token) = &app.set_up_token {
        let pages = base_url(config, app);
        lines.push("Nobody can sign in yet. Open this link once to make the first administrator:".to_owned());
        lines.push(format!("  {pages}setup?token={}", token.reveal()));
    }
    lines.push(String::new());
    lines.join("\n")
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

/// Where people find the pages, with a slash at the end.
fn base_url(config: &Config, app: &App) -> String {
    match &config.public_url {
        Some(url) => url.to_string(),
        // An address that stands for all of the machine's is none that a browser can open.
        None if app.address.ip().is_unspecified() => format!("http://localhost:{}/", app.address.port()),
        None => format!("http://{}/", app.address),
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Which receivers may be reached, for saving a webhook and for sending.
struct OutboundRules {
    allow: AllowList,
    loopback: LoopbackRule,
    proxy: Option<Proxy>,
}

impl OutboundRules {
    fn new(config: &Config, address: SocketAddr) -> anyhow::Result<Self> {
        let allow = AllowList::parse(&config.outbound.allow).context("the setting outbound.allow")?;
        let allow = allow.with_own_inboxes(config.inbox.enabled.then(|| address_from_here(address)));
        let loopback = if config.dev {
            LoopbackRule::Allowed
        } else {
            LoopbackRule::Refused
        };
        let proxy = proxy_of(config, &allow, loopback)?;
        Ok(Self {
            allow,
            loopback,
            proxy,
        })
    }

    fn settings(&self, resolver: Arc<dyn Resolve>) -> OutboundSettings {
        OutboundSettings {
            allow: self.allow.clone(),
            loopback: self.loopback,
            resolver,
            limits: PhaseLimits::default(),
            proxy: self.proxy.clone(),
        }
    }
}

/// The outbound proxy of the settings, if they name one. It is tested like any receiver, now and at each connection.
fn proxy_of(config: &Config, allow: &AllowList, loopback: LoopbackRule) -> anyhow::Result<Option<Proxy>> {
    let text = config.outbound.proxy.reveal();
    if text.is_empty() {
        return Ok(None);
    }
    let proxy = Proxy::parse(text).context("the setting outbound.proxy")?;
    let direct = AllowList::parse(&config.outbound.no_proxy).context("the setting outbound.no_proxy")?;
    let proxy = proxy.but_for(direct);
    let verdict = check_url(proxy.url(), allow, loopback);
    verdict.context(
        "the setting outbound.proxy: allow the proxy's address under outbound.allow, or name another",
    )?;
    Ok(Some(proxy))
}

impl UrlRules for OutboundRules {
    fn check(&self, url: &url::Url) -> Result<(), String> {
        check_url(url, &self.allow, self.loopback).map_err(|refusal| match refusal {
            UrlRefusal::Address(_) => {
                format!("{refusal}; an administrator can allow it in the settings: [outbound] allow")
            }
            UrlRefusal::Scheme | UrlRefusal::Credentials | UrlRefusal::NoHost | UrlRefusal::Port(_) => {
                refusal.to_string()
            }
        })
    }
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
