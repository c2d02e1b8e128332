//! What every request needs, and the settings of the API.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use url::Url;

use crate::auth::KeyCache;
use crate::exports::Exports;
use crate::health::Pinged;
use crate::metrics::Scrapes;
use actions::Actions;
use actions::access::SetupToken;
use clock::Env;
use limit::shared::SharedLimits;
use limit::shares::Shares;
use limit::{Limit, Limiter};
use model::capacity::Capacity;
use model::client_address::ClientNetwork;
use model::id::KeyId;
use store::Store;
use store::wakeup::Wakeup;
use telemetry::Metrics;

/// How many keys or addresses are counted at a time.
const MAX_COUNTED: usize = 50_000;

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// How many requests one API key may send.
    pub key_limit: Limit,
    /// How many requests without a usable key one address may send.
    pub failure_limit: Limit,
    /// Whether `/metrics` needs no key.
    pub metrics_are_public: bool,
    /// The origins whose pages may read the feed and its stream.
    pub cors_origins: Vec<String>,
    /// How many event streams are open at once.
    pub max_streams: usize,
    /// The folder that backups are written to; without one, there are none over the API.
    pub backup_directory: Option<PathBuf>,
    /// How much may be open at once; nothing if nobody has worked it out.
    pub capacity: Option<Capacity>,
    /// The address under which people reach this server, if it is not the one that they asked.
    pub public_url: Option<Url>,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            key_limit: Limit {
                per_second: 50_000.0,
                burst: 50_000.0,
            },
            failure_limit: Limit {
                per_second: 0.5,
                burst: 30.0,
            },
            metrics_are_public: false,
            cors_origins: Vec::new(),
            max_streams: 256,
            backup_directory: None,
            capacity: None,
            public_url: None,
        }
    }
}

/// What the API is made of.
pub struct ApiParts {
    /// What users may do.
    pub actions: Arc<Actions>,
    /// For reading.
    pub store: Store,
    /// Time and randomness.
    pub source: Env,
    /// Tells of new events.
    pub wakeup: Wakeup,
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// Settings.
    pub settings: ApiSettings,
    /// The limits that hold for all nodes together.
    pub limits: SharedLimits,
    /// Makes the first key; [`SetupToken::none`] if there are keys.
    pub setup: SetupToken,
    /// Becomes true when the server is about to stop: `/readyz` says no.
    pub draining: watch::Receiver<bool>,
    /// Becomes true when the server stops: streams end.
    pub stopping: watch::Receiver<bool>,
}

/// What every request needs.
#[derive(Clone)]
pub struct ApiState(Arc<Inner>);

/// The parts of [`ApiState`] and what it counts.
pub struct Inner {
    parts: ApiParts,
    /// Keys that were good when last looked up.
    pub keys: KeyCache,
    /// Requests by key.
    pub key_limits: Arc<Limiter<KeyId>>,
    /// Requests without a usable key, by address.
    pub failures: Arc<Limiter<ClientNetwork>>,
    /// Room for event streams, of which no key takes all.
    pub streams: Arc<Shares<KeyId>>,
    /// What keys export.
    pub exports: Exports,
    /// When the metrics were last read from the store.
    pub scrapes: Scrapes,
    /// Whether the store answered when it was last asked.
    pub pinged: Pinged,
    /// The document that describes the API, made when it is asked for.
    pub openapi: OnceLock<Vec<u8>>,
}

/// How many streams one key may have of all: half, so that there are some for others.
fn share_of_streams(max_streams: usize) -> usize {
    max_streams.div_ceil(2)
}

impl ApiState {
    /// The state of an API made of these parts.
    pub fn new(parts: ApiParts) -> Self {
        let (settings, limits) = (&parts.settings, &parts.limits);
        Self(Arc::new(Inner {
            keys: KeyCache::default(),
            key_limits: limits.limiter("API requests", settings.key_limit, MAX_COUNTED),
            failures: limits.limiter("API failures", settings.failure_limit, MAX_COUNTED),
            streams: Shares::new(
                settings.max_streams,
                share_of_streams(settings.max_streams),
                Duration::ZERO,
            ),
            exports: Exports::new(parts.store.clone(), parts.stopping.clone()),
            scrapes: Scrapes::default(),
            pinged: Pinged::default(),
            openapi: OnceLock::new(),
            parts,
        }))
    }
}

impl Deref for ApiState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Deref for Inner {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.parts
    }
}
