//! Alert sources, what came to them, and how their alerts stand.

use async_trait::async_trait;

use crate::StoreResult;
use model::audit::Change;
use model::id::{EventId, IncidentId, SourceId};
use model::secret::SecretText;
use model::signal::Signal;
use model::source::{Alert, RequestResult, Source, SourceRequest, SourceSettings};
use model::time::Timestamp;

/// Changes of a source. Absent fields stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceEdit {
    pub settings: Option<SourceSettings>,
    /// A new key: the one before is worth nothing from then on.
    pub key: Option<SecretText>,
    /// What signatures are checked against, or nothing.
    pub secret: Option<Option<SecretText>>,
}

/// One alert of a request, with what it gets if it needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSignal {
    pub what: Said,
    /// The incident that it opens.
    pub incident_id: IncidentId,
    /// The event that it makes.
    pub event_id: EventId,
    /// As whom, and when.
    pub change: Change,
}

/// Who says something of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Its sender.
    BySender(Signal),
    /// The clock: its time to be resolved may have come.
    ByTimer {
        /// The alert's key.
        key: String,
    },
}

impl Said {
    /// Which alert.
    pub fn key(&self) -> &str {
        match self {
            Self::BySender(signal) => signal.key.as_str(),
            Self::ByTimer { key } => key,
        }
    }
}

/// What is said of a source's alerts at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub source_id: SourceId,
    pub at: Timestamp,
    pub signals: Vec<NewSignal>,
    /// The request to keep, if it came by one; its result is filled in.
    pub request: Option<SourceRequest>,
}

/// Sources. Key and secret are sealed at rest.
#[async_trait]
pub trait Sources: Send + Sync {
    /// Creates a source; a conflict beyond [`model::source::MAX_SOURCES`], unknown if its service does not exist.
    async fn create(&self, source: Source, change: Change) -> StoreResult<Source>;

    /// All sources, newest first.
    async fn list(&self) -> StoreResult<Vec<Source>>;

    /// One source.
    async fn get(&self, id: SourceId) -> StoreResult<Source>;

    /// The source whose key has this hash.
    async fn find(&self, key_hash: [u8; 32]) -> StoreResult<Source>;

    /// Changes a source.
    async fn update(&self, id: SourceId, edit: SourceEdit, change: Change) -> StoreResult<Source>;

    /// Deletes a source with its requests and alerts. Its incidents stay.
    async fn delete(&self, id: SourceId, change: Change) -> StoreResult<()>;

    /// Does what is said of alerts, with incidents, events and deliveries, and keeps the request; says what became of it.
    async fn receive(&self, arrival: Arrival) -> StoreResult<RequestResult>;

    /// The requests that are kept, newest first.
    async fn requests(&self, id: SourceId) -> StoreResult<Vec<SourceRequest>>;

    /// Alerts that were sent last, newest first; of one incident if it is given.
    async fn alerts(
        &self,
        id: SourceId,
        incident_id: Option<IncidentId>,
        limit: u32,
    ) -> StoreResult<Vec<Alert>>;

    /// Alerts whose time to be resolved has come, the longest due first.
    async fn due_alerts(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<(SourceId, String)>>;

    /// Leaves a notice of each source that says nothing for longer than it may, once for each silence; says of how many. Only
    /// what it does not say since a time counts.
    async fn tell_silent(&self, now: Timestamp, listening_since: Timestamp) -> StoreResult<u32>;
}
