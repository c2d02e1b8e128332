//! The settings of a server: what they are, their defaults and their bounds.
//!
//! [`load`] puts them together: flags win over the environment, that over the file, that over the defaults. The
//! master key is not among them: see `master_key.rs`. Must never read a setting anywhere else than through [`load`].

mod base_url;
mod layers;
mod mail;
mod oidc;
pub mod secret_file;
mod values;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use model::network::Network;
use model::secret::SecretText;

pub use base_url::{base_path, base_url, without_base_path};
pub use layers::{ConfigError, Flag, environment, environment_name, load, names, unknown_names};
pub use mail::MailConfig;
pub use oidc::OidcConfig;
pub use values::Database;

/// What each environment name begins with.
pub const ENVIRONMENT_PREFIX: &str = "OPSKNIGHT_";

/// The longest time a soft stop may wait.
const MAX_STOP_GRACE: Duration = Duration::from_secs(600);
/// The longest time a server may go on serving after it was told to stop.
const MAX_STOP_DELAY: Duration = Duration::from_secs(600);
/// The most deliveries in flight that may be asked for.
const MAX_IN_FLIGHT: u32 = 65_536;
/// The most deliveries ready in memory that may be asked for.
const MAX_READY: u32 = 100_000;
/// The shortest time that finished deliveries are kept.
const MIN_RETENTION: Duration = Duration::from_secs(3600);
/// The fewest connections to PostgreSQL that a server can do with: one that waits for a row must not keep others from it.
const MIN_CONNECTIONS: u32 = 4;
/// The most connections to PostgreSQL that may be asked for.
const MAX_CONNECTIONS: u32 = 1_000;
/// The shortest bound on a statement.
const MIN_STATEMENT_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest bound on a statement.
const MAX_STATEMENT_TIMEOUT: Duration = Duration::from_secs(600);
/// The smallest bound on the database.
const MIN_DATABASE_BYTES: u64 = 16 * 1024 * 1024;

/// Every setting of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address and port to listen on.
    #[serde(with = "values::address")]
    pub listen: SocketAddr,
    /// The folder for the database, the master key and backups.
    pub data: PathBuf,
    /// Where the data is kept.
    pub database: Database,
    /// The address under which people and receivers reach this server, if it is not the one it listens on.
    #[serde(with = "values::optional_url")]
    pub public_url: Option<Url>,
    /// The networks of the proxies in front of this server, whose word on the client's address is believed.
    #[serde(with = "values::networks")]
    pub trusted_proxies: Vec<Network>,
    /// For development: loopback receivers are allowed, and a key is printed at start.
    pub dev: bool,
    /// What is logged, in the form of `RUST_LOG`.
    #[serde(with = "values::log_filter")]
    pub log: String,
    /// Whether `/metrics` answers without a key.
    pub metrics_public: bool,
    /// The services, by name, whose badges everybody may see.
    pub badges: Vec<String>,
    /// Beyond this many bytes the server accepts no new incidents; no bound if absent.
    #[serde(rename = "max_database_size", with = "values::optional_size")]
    pub max_database_bytes: Option<u64>,
    /// For how long the server goes on as before after it was told to stop, while `/readyz` says no.
    #[serde(with = "values::duration")]
    pub stop_delay: Duration,
    /// How long a soft stop waits for what is in flight.
    #[serde(with = "values::duration")]
    pub stop_grace: Duration,
    /// Connecting to PostgreSQL.
    pub postgres: PostgresConfig,
    /// Connecting to receivers.
    pub outbound: OutboundConfig,
    /// Bounds on work in progress.
    pub limits: LimitsConfig,
    /// How long finished deliveries are kept.
    pub retention: RetentionConfig,
    /// Bounds on callers of the API.
    pub api: ApiConfig,
    /// Addresses on this server that keep what is sent to them.
    pub inbox: InboxConfig,
    /// Signing in by an OpenID provider.
    pub oidc: OidcConfig,
    /// Sending mail to people of this server.
    pub mail: MailConfig,
}

/// Connecting to PostgreSQL, if the data is kept there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresConfig {
    /// The most connections that this server opens.
    pub connections: u32,
    /// How long one statement may take.
    #[serde(with = "values::duration")]
    pub statement_timeout: Duration,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            connections: 16,
            statement_timeout: Duration::from_secs(20),
        }
    }
}

/// Connecting to receivers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutboundConfig {
    /// Internal networks and hosts that receivers may have: `10.0.0.0/8`, `host.example`.
    pub allow: Vec<String>,
    /// The proxy through which every receiver is reached: `http://user:password@host:port`; none if empty.
    #[serde(with = "values::secret")]
    pub proxy: SecretText,
    /// Networks and hosts that are reached without the proxy.
    pub no_proxy: Vec<String>,
}

impl Default for OutboundConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            proxy: SecretText::new(""),
            no_proxy: Vec::new(),
        }
    }
}

/// Bounds on work in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Deliveries in flight at once, over all webhooks.
    pub max_in_flight: u32,
    /// Deliveries that wait in memory; what is beyond stays in the store.
    pub max_ready: u32,
}

/// How long finished deliveries are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Delivered ones.
    #[serde(with = "values::duration")]
    pub delivered: Duration,
    /// Dead ones.
    #[serde(with = "values::duration")]
    pub dead: Duration,
}

/// Bounds on callers of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Requests per second and API key.
    pub requests_per_second: u32,
    /// Requests without a valid key, per minute and address; ten times as many failed sign-ins.
    pub failed_sign_ins_per_minute: u32,
    /// The origins whose pages may read the event feed and its stream: `https://status.example`.
    #[serde(with = "values::origins")]
    pub cors_origins: Vec<String>,
}

/// Addresses on this server that keep what is sent to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InboxConfig {
    /// Whether there are any.
    pub enabled: bool,
}

impl Default for InboxConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            data: PathBuf::from("./opsknight-data"),
            database: Database::Sqlite,
            public_url: None,
            trusted_proxies: Vec::new(),
            dev: false,
            log: "info".into(),
            metrics_public: false,
            badges: Vec::new(),
            max_database_bytes: None,
            stop_delay: Duration::ZERO,
            stop_grace: Duration::from_secs(20),
            postgres: PostgresConfig::default(),
            outbound: OutboundConfig::default(),
            limits: LimitsConfig::default(),
            retention: RetentionConfig::default(),
            api: ApiConfig::default(),
            inbox: InboxConfig::default(),
            oidc: OidcConfig::default(),
            mail: MailConfig::default(),
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_in_flight: 512,
            max_ready: 4096,
        }
    }
}

impl Default for RetentionConfig {
    fn default() -> Self {
        const DAY_SECONDS: u64 = 24 * 3600;
        Self {
            delivered: Duration::from_secs(30 * DAY_SECONDS),
            dead: Duration::from_secs(90 * DAY_SECONDS),
        }
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            requests_per_second: 50_000,
            failed_sign_ins_per_minute: 30,
            cors_origins: Vec::new(),
        }
    }
}

impl Config {
    /// Says what is out of bounds, in a sentence.
    fn check(&self) -> Result<(), String> {
        let limits = &self.limits;
        let too_short = self.retention.delivered.min(self.retention.dead) < MIN_RETENTION;
        let rules = [
            (self.data.as_os_str().is_empty(), "must name a folder".to_owned()),
            (self.stop_delay > MAX_STOP_DELAY, "must be at most 10m".to_owned()),
            (self.stop_grace > MAX_STOP_GRACE, "must be at most 10m".to_owned()),
            (
                !(1..=MAX_IN_FLIGHT).contains(&limits.max_in_flight),
                format!("must be from 1 to {MAX_IN_FLIGHT}"),
            ),
            (
                !(1..=MAX_READY).contains(&limits.max_ready),
                format!("must be from 1 to {MAX_READY}"),
            ),
            (too_short, "must be at least 1h".to_owned()),
            (
                self.max_database_bytes
                    .is_some_and(|bytes| bytes < MIN_DATABASE_BYTES),
                "must be at least 16MiB, or empty for no bound".to_owned(),
            ),
            (
                !(MIN_CONNECTIONS..=MAX_CONNECTIONS).contains(&self.postgres.connections),
                format!("must be from {MIN_CONNECTIONS} to {MAX_CONNECTIONS}"),
            ),
            (
                !(MIN_STATEMENT_TIMEOUT..=MAX_STATEMENT_TIMEOUT).contains(&self.postgres.statement_timeout),
                "must be from 1s to 10m".to_owned(),
            ),
            (!self.oidc.has_open_id(), "must hold openid".to_owned()),
            (
                self.api.requests_per_second == 0 || self.api.failed_sign_ins_per_minute == 0,
                "must be at least 1".to_owned(),
            ),
        ];
        rules
            .into_iter()
            .find(|(is_broken, _)| *is_broken)
            .map_or(Ok(()), |(_, sentence)| Err(sentence))
    }
}
