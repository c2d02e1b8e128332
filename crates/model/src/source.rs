//! Alert sources: where alerts come from, what is kept of the requests that brought them, and how each alert stands.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::digest::sha256;
use crate::id::{IncidentId, SourceId, SourceRequestId};
use crate::incident::Severity;
use crate::secret::SecretText;
use crate::service::ServiceRef;
use crate::source_kind::{SourceKind, SourceOptions};
use crate::time::Timestamp;

/// The most sources of one installation.
pub const MAX_SOURCES: u32 = 500;
/// The most requests of one source that are kept: the latest.
pub const MAX_SOURCE_REQUESTS: u32 = 50;
/// The largest body that is kept, in bytes; what is longer is cut.
pub const MAX_KEPT_BODY_BYTES: usize = 16 * 1024;
/// The most alerts of one request whose outcomes are kept one by one; the rest is counted.
pub const MAX_KEPT_OUTCOMES: usize = 50;
/// The most alerts that are listed in the description of a storm; the rest is counted.
pub const MAX_STORM_TITLES: usize = 50;
/// The longest name of a source, in characters.
pub const MAX_SOURCE_NAME_LENGTH: usize = 100;
/// How long an alert that does not fire any more is remembered.
pub const ALERT_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// The letters of a source's key: PagerDuty's routing keys have as many.
pub const SOURCE_KEY_LENGTH: usize = 32;

/// Where alerts come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub id: SourceId,
    /// Whose incidents its alerts open.
    pub service: ServiceRef,
    /// What the sender speaks.
    pub kind: SourceKind,
    pub settings: SourceSettings,
    /// Whoever knows it may send.
    pub key: SecretText,
    /// What signatures of its requests are checked against.
    pub secret: Option<SecretText>,
    pub created_at: Timestamp,
    /// When a request last came.
    pub last_request_at: Option<Timestamp>,
}

impl Source {
    /// What its key is found by.
    pub fn key_hash(key: &str) -> [u8; 32] {
        sha256([b"source key", key.as_bytes()])
    }

    /// Since when it says nothing, if that is longer than it may.
    pub fn silent_since(&self, now: Timestamp) -> Option<Timestamp> {
        let silent_after = self.settings.silent_after.filter(|_| self.settings.is_enabled)?;
        let since = self.last_request_at.unwrap_or(self.created_at);
        (since.plus(silent_after) <= now).then_some(since)
    }
}

/// What people set of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSettings {
    pub name: String,
    /// How its requests are read.
    pub options: SourceOptions,
    pub storm: StormControl,
    pub flapping: FlapDamping,
    /// How long no request may come before the source counts as silent.
    pub silent_after: Option<Duration>,
    /// A disabled source refuses what comes.
    pub is_enabled: bool,
}

/// How many new alerts open incidents of their own within a window; the others are counted into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StormControl {
    pub max_alerts: u32,
    pub window: Duration,
}

impl Default for StormControl {
    fn default() -> Self {
        Self {
            max_alerts: 30,
            window: Duration::from_secs(60),
        }
    }
}

/// How often an alert may change between firing and resolved within a window; one that does so more often keeps its incident
/// open until it has been quiet for such a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlapDamping {
    pub max_changes: u32,
    pub window: Duration,
}

impl Default for FlapDamping {
    fn default() -> Self {
        Self {
            max_changes: 6,
            window: Duration::from_secs(900),
        }
    }
}

/// How one alert of a source stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// What the sender tells it by.
    pub key: String,
    pub title: String,
    pub severity: Severity,
    /// The incident it was last counted into.
    pub incident_id: IncidentId,
    /// That incident is a storm's.
    pub is_in_storm: bool,
    pub is_firing: bool,
    /// How often it was sent since it last began to fire.
    pub count: u32,
    /// When it last began to fire.
    pub first_at: Timestamp,
    /// When it was last sent.
    pub last_at: Timestamp,
    /// How often it changed between firing and resolved since `changes_at`.
    pub changes: u32,
    pub changes_at: Timestamp,
    /// It changed too often: its incident stays open until it is quiet.
    pub is_flapping: bool,
    /// Its sender said last that it is over, and its incident waits: who says so again says nothing new.
    pub is_quiet: bool,
    /// When it last began to fire, as its sender says.
    pub started_at: Option<Timestamp>,
    /// When it is resolved unless it is sent again.
    pub resolve_at: Option<Timestamp>,
}

/// A request that came to a source, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRequest {
    pub id: SourceRequestId,
    pub source_id: SourceId,
    pub at: Timestamp,
    pub method: String,
    /// What follows the source's address, without the query.
    pub path: String,
    pub remote_address: String,
    /// The first bytes of the body.
    pub body: Bytes,
    pub body_is_truncated: bool,
    /// What it was answered with.
    pub status: u16,
    pub result: RequestResult,
}

/// What became of a request's alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestResult {
    /// How many came to what.
    pub counts: BTreeMap<String, u32>,
    /// The first of them, one by one.
    pub alerts: Vec<AlertResult>,
    /// Why nothing was done with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RequestRefusal>,
}

impl RequestResult {
    /// Counts what became of one more alert.
    pub fn add(&mut self, key: String, title: String, mut outcome: SignalOutcome) {
        if let SignalOutcome::Ignored { reason } = &mut outcome {
            *reason = cut(reason);
        }
        *self.counts.entry(outcome.as_str().to_owned()).or_default() += 1;
        if self.alerts.len() < MAX_KEPT_OUTCOMES {
            self.alerts.push(AlertResult { key, title, outcome });
        }
    }
}

/// The longest sentence that is kept of why nothing was done, in characters: a sender's own words may be in it.
const MAX_REASON_LENGTH: usize = 300;

fn cut(sentence: &str) -> String {
    sentence.chars().take(MAX_REASON_LENGTH).collect()
}

/// What became of one alert of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertResult {
    pub key: String,
    pub title: String,
    #[serde(flatten)]
    pub outcome: SignalOutcome,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRefusal {
    /// A stable word.
    pub code: String,
    pub sentence: String,
}

/// What a signal of a source came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum SignalOutcome {
    /// It opened an incident.
    Opened { incident_id: IncidentId },
    /// It was counted into an open incident.
    Counted { incident_id: IncidentId },
    /// It and its incident are resolved.
    Resolved { incident_id: IncidentId },
    /// It is resolved; others of its incident still fire.
    ResolvedInStorm { incident_id: IncidentId },
    /// Its incident is acknowledged.
    Acknowledged { incident_id: IncidentId },
    /// It flaps: its incident stays open until it is quiet.
    Damped { incident_id: IncidentId },
    /// It is on record and opens nothing.
    Kept,
    /// Nothing was done.
    Ignored { reason: String },
}

impl RequestRefusal {
    /// A refusal with its sentence, of which only so much is kept.
    pub fn new(code: &str, sentence: &str) -> Self {
        Self {
            code: code.to_owned(),
            sentence: cut(sentence),
        }
    }
}

impl SignalOutcome {
    /// Every outcome.
    pub const NAMES: [&'static str; 8] = [
        "opened",
        "counted",
        "resolved",
        "resolved_in_storm",
        "acknowledged",
        "damped",
        "kept",
        "ignored",
    ];

    /// Which of [`SignalOutcome::NAMES`].
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Counted { .. } => "counted",
            Self::Resolved { .. } => "resolved",
            Self::ResolvedInStorm { .. } => "resolved_in_storm",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Damped { .. } => "damped",
            Self::Kept => "kept",
            Self::Ignored { .. } => "ignored",
        }
    }

    /// Why nothing was done.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Ignored { reason } => Some(reason),
            Self::Opened { .. }
            | Self::Counted { .. }
            | Self::Resolved { .. }
            | Self::ResolvedInStorm { .. }
            | Self::Acknowledged { .. }
            | Self::Damped { .. }
            | Self::Kept => None,
        }
    }

    /// The incident it is about.
    pub fn incident_id(&self) -> Option<IncidentId> {
        match self {
            Self::Opened { incident_id }
            | Self::Counted { incident_id }
            | Self::Resolved { incident_id }
            | Self::ResolvedInStorm { incident_id }
            | Self::Acknowledged { incident_id }
            | Self::Damped { incident_id } => Some(*incident_id),
            Self::Kept | Self::Ignored { .. } => None,
        }
    }
}
