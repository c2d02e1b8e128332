//! Metrics in the Prometheus text format, and the program's log.

pub mod incidents;
pub mod log;
pub mod webhooks;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::incidents::IncidentMetrics;
use crate::webhooks::WebhookMetrics;
use model::attempt::Outcome;
use model::capacity::Capacity;
use model::time::Timestamp;
use store::CommitObserver;
use store::upkeep::{Audited, Balance};

/// The outcome of an attempt, as a label: `delivered` or a failure code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// The value.
    pub outcome: &'static str,
}

/// A state, as a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabel {
    /// The value.
    pub state: &'static str,
}

/// What there is a bound of, as a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BoundLabel {
    /// The value.
    pub of: &'static str,
}

/// Every metric. Those named in `refresh` functions are read from the store when `/metrics` is asked for.
pub struct Metrics {
    registry: Registry,
    /// Events committed.
    pub events_accepted: Counter,
    /// Attempts, by outcome.
    pub attempts: Family<OutcomeLabel, Counter>,
    /// From the event's commit until its first successful attempt ended, in seconds.
    pub delivery_seconds: Histogram,
    /// Open and dead deliveries, by state.
    pub deliveries: Family<StateLabel, Gauge>,
    /// For how long the oldest due delivery has been due, in seconds.
    pub oldest_due_seconds: Gauge<f64, AtomicU64>,
    /// Webhooks by state of their breaker.
    pub breakers: Family<StateLabel, Gauge>,
    /// Commands in one transaction of the store.
    pub store_batch_commands: Histogram,
    /// How long a transaction of the store took, in seconds.
    pub store_commit_seconds: Histogram,
    /// How often a database that is reached over a connection was waited for.
    pub store_round_trips: Counter,
    /// Deliveries that the balance misses: zero when nothing is lost.
    pub balance_missing: Gauge,
    /// Transactions of the store that did not reach the disk, whole or in part.
    pub store_failed_commits: Counter,
    /// What is wrong with the store, by code: 1 while it is so.
    pub store_troubles: Family<StateLabel, Gauge>,
    /// Events that the high-water mark knows and the database does not.
    pub store_lost_events: Gauge,
    /// Requests to the API, by class of status.
    pub api_requests: Family<StateLabel, Counter>,
    /// Requests to receivers that had to wait because this server lacked something.
    pub send_shortages: Counter,
    /// Those that wait now.
    pub sends_waiting: Gauge,
    /// What was lacking last.
    lacked: Mutex<Option<String>>,
    /// What this server's own check that nothing is lost came to.
    audited: Mutex<Option<Audited>>,
    /// How many of what may be open at once.
    bounds: Family<BoundLabel, Gauge>,
    pub client_connections: Gauge,
    /// Connections that were closed at once, by whose share was used up.
    pub clients_refused: Family<StateLabel, Counter>,
    log_lines_dropped: Counter,
    pub incidents: IncidentMetrics,
    /// Webhook by webhook.
    pub webhooks: WebhookMetrics,
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.000_5, 2.0, 22));
        let mut metrics = Self {
            registry: Registry::with_prefix("opsknight"),
            events_accepted: Counter::default(),
            attempts: Family::default(),
            delivery_seconds: seconds(),
            deliveries: Family::default(),
            oldest_due_seconds: Gauge::default(),
            breakers: Family::default(),
            store_batch_commands: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            store_commit_seconds: Histogram::new(exponential_buckets(0.000_05, 2.0, 18)),
            store_round_trips: Counter::default(),
            balance_missing: Gauge::default(),
            store_failed_commits: Counter::default(),
            store_troubles: Family::default(),
            store_lost_events: Gauge::default(),
            api_requests: Family::default(),
            send_shortages: Counter::default(),
            sends_waiting: Gauge::default(),
            lacked: Mutex::default(),
            audited: Mutex::default(),
            bounds: Family::default(),
            client_connections: Gauge::default(),
            clients_refused: Family::default(),
            log_lines_dropped: Counter::default(),
            incidents: IncidentMetrics::default(),
            webhooks: WebhookMetrics::default(),
        };
        metrics.register();
        metrics.register_troubles();
        metrics.register_process();
        metrics
    }

    fn register(&mut self) {
        self.register_shortages();
        let registry = &mut self.registry;
        registry.register(
            "events_accepted",
            "Events committed",
            self.events_accepted.clone(),
        );
        registry.register("attempts", "Attempts by outcome", self.attempts.clone());
        registry.register(
            "delivery_seconds",
            "From the event until its delivery, in seconds",
            self.delivery_seconds.clone(),
        );
        registry.register(
            "deliveries",
            "Open and dead deliveries by state",
            self.deliveries.clone(),
        );
        registry.register(
            "oldest_due_seconds",
            "For how long the oldest due delivery has been due",
            self.oldest_due_seconds.clone(),
        );
        registry.register(
            "breakers",
            "Webhooks by state of their breaker",
            self.breakers.clone(),
        );
        registry.register(
            "store_batch_commands",
            "Commands in one transaction of the store",
            self.store_batch_commands.clone(),
        );
        registry.register(
            "store_commit_seconds",
            "How long a transaction of the store took",
            self.store_commit_seconds.clone(),
        );
        registry.register(
            "balance_missing",
            "Accepted deliveries that are nowhere: zero when nothing is lost",
            self.balance_missing.clone(),
        );
        registry.register(
            "api_requests",
            "Requests to the API by class of status",
            self.api_requests.clone(),
        );
        self.incidents.register(registry);
        self.webhooks.register(registry);
    }

    fn register_troubles(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "store_round_trips",
            "How often a database that is reached over a connection was waited for",
            self.store_round_trips.clone(),
        );
        registry.register(
            "store_failed_commits",
            "Transactions of the store that did not reach the disk, whole or in part",
            self.store_failed_commits.clone(),
        );
        registry.register(
            "store_troubles",
            "What is wrong with the store, by code: 1 while it is so",
            self.store_troubles.clone(),
        );
        registry.register(
            "store_lost_events",
            "Events that the high-water mark knows and the database does not",
            self.store_lost_events.clone(),
        );
    }

    fn register_shortages(&mut self) {
        self.registry.register(
            "send_shortages",
            "Requests to receivers that had to wait because this server lacked descriptors, ports or memory",
            self.send_shortages.clone(),
        );
        self.registry.register(
            "sends_waiting",
            "Requests to receivers that wait now because this server lacks something",
            self.sends_waiting.clone(),
        );
    }

    /// Notes how often this server itself lacked something to send, and what.
    pub fn count_shortages(&self, total: u64, waiting: u64, lacked: Option<String>) {
        self.send_shortages.inner().store(total, Ordering::Relaxed);
        self.sends_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        *self.lacked.lock().unwrap_or_else(PoisonError::into_inner) = lacked;
    }

    /// What this server lacked last, if it ever lacked anything.
    pub fn lacked(&self) -> Option<String> {
        self.lacked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn register_process(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "bounds",
            "How many files, client connections and deliveries in flight there may be at once",
            self.bounds.clone(),
        );
        registry.register(
            "client_connections",
            "Connections of clients",
            self.client_connections.clone(),
        );
        registry.register(
            "clients_refused",
            "Connections that found no room, by whose share was used up",
            self.clients_refused.clone(),
        );
        registry.register(
            "log_lines_dropped",
            "Lines of the log that could not be written",
            self.log_lines_dropped.clone(),
        );
    }

    /// Notes what there is room for.
    pub fn note_capacity(&self, capacity: &Capacity) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let files = capacity
            .files
            .map(|files| i64::try_from(files).unwrap_or(i64::MAX));
        let bounds = [
            ("files", files),
            ("client_connections", Some(count(capacity.client_connections))),
            ("deliveries_in_flight", Some(count(capacity.max_in_flight))),
        ];
        for (of, bound) in bounds {
            if let Some(bound) = bound {
                self.bounds.get_or_create(&BoundLabel { of }).set(bound);
            }
        }
    }

    /// Counts an attempt.
    pub fn attempted(&self, outcome: &Outcome) {
        let label = outcome
            .failure()
            .map_or("delivered", |failure| failure.code.as_str());
        self.attempts
            .get_or_create(&OutcomeLabel { outcome: label })
            .inc();
    }

    /// Notes how many webhooks have a closed and an open breaker.
    pub fn count_breakers(&self, closed: usize, open: usize) {
        for (state, count) in [("closed", closed), ("open", open)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.breakers.get_or_create(&StateLabel { state }).set(count);
        }
    }

    /// Everything in the Prometheus text format.
    pub fn render(&self) -> String {
        self.log_lines_dropped
            .inner()
            .store(log::dropped_lines(), Ordering::Relaxed);
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            text.clear();
            let _ = writeln!(text, "# EOF");
        }
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Shows what a balance came to. What ended because it waited through an outage is counted with it: there is no index of it.
    pub fn show_balance(&self, balances: &[Balance]) {
        let missing = balances.iter().map(|balance| balance.missing().abs()).sum();
        self.balance_missing.set(missing);
        let sum = |count: fn(&Balance) -> u64| balances.iter().map(count).sum::<u64>();
        let superseded = sum(|balance| balance.superseded);
        let expired = sum(|balance| balance.expired);
        self.show_unsent(superseded, expired);
    }

    /// The same of a balance that this server drew by itself, as its leader; says how many are missing, or too many.
    pub fn show_audit(&self, balances: &[Balance], at: Timestamp) -> i64 {
        self.show_balance(balances);
        let off = self.balance_missing.get();
        *self.audited.lock().unwrap_or_else(PoisonError::into_inner) = Some(Audited { off, at });
        off
    }

    /// Another server leads now: what this one came to holds no more.
    pub fn forget_audit(&self) {
        self.balance_missing.set(0);
        self.show_unsent(0, 0);
        *self.audited.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What this server's own balance came to last; nothing unless it leads and has drawn one.
    pub fn audited(&self) -> Option<Audited> {
        *self.audited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show_unsent(&self, superseded: u64, expired: u64) {
        for (state, count) in [("superseded", superseded), ("expired", expired)] {
            let gauge = self.deliveries.get_or_create(&StateLabel { state });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

impl CommitObserver for Metrics {
    fn committed(&self, commands: usize, took: Duration) {
        self.store_batch_commands
            .observe(f64::from(u32::try_from(commands).unwrap_or(u32::MAX)));
        self.store_commit_seconds.observe(took.as_secs_f64());
    }

    fn failed(&self) {
        self.store_failed_commits.inc();
    }

    fn round_trip(&self) {
        self.store_round_trips.inc();
    }
}
