//! Incidents: the one place from which events come.

use async_trait::async_trait;

use crate::StoreResult;
use crate::incident_search::{Direction, IdPrefix};
use crate::receipts::{Answer, Receipt};
use crate::{Listed, Page};
use model::audit::{Actor, Change};
use model::event::EventName;
use model::id::{EventId, IncidentId, ServiceId, UserId};
use model::incident::{Incident, IncidentAction, IncidentStatus, Severity};
use model::incident_number::IncidentNumber;
use model::restriction::Restriction;
use model::time::Timestamp;

/// A new incident, as a door asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The id it gets, unless an open incident has its dedup key.
    pub incident_id: IncidentId,
    /// The id its event gets.
    pub event_id: EventId,
    pub title: String,
    /// More about it.
    pub description: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// The service it concerns.
    pub service: ServiceKey,
    /// Who gets it.
    pub assignee: Option<UserId>,
    /// At most one open incident has this key.
    pub dedup_key: Option<String>,
    /// Who triggers it, and when.
    pub change: Change,
    /// The caller's idempotency key.
    pub receipt: Option<Receipt>,
}

/// How a door names a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceKey {
    /// By id.
    Id(ServiceId),
    /// By name.
    Name(String),
}

/// A transition of an incident, as a door asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitionRequest {
    /// Which incident.
    pub incident_id: IncidentId,
    /// What to do.
    pub action: IncidentAction,
    /// The id of its event, if it makes one.
    pub event_id: EventId,
    /// Who does it, and when.
    pub change: Change,
    /// The caller's idempotency key.
    pub receipt: Option<Receipt>,
}

/// What a trigger or transition came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// A new incident and its event.
    Created(Incident),
    /// The incident changed and made its event.
    Changed(Incident),
    /// Nothing changed: it was so already, or an open incident has the dedup key.
    Unchanged(Incident),
    /// The action does not apply to the status the incident has.
    Refused(Incident),
    /// The same idempotency key and request as before: the first answer.
    Repeated(Answer),
    /// The idempotency key was used for another request.
    KeyMisused,
}

/// Changes of an incident that are no transitions. Absent fields stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IncidentEdit {
    /// A new title.
    pub title: Option<String>,
    /// A new severity.
    pub severity: Option<Severity>,
    /// A new description, or none.
    pub description: Option<Option<String>>,
    /// A new assignee, or nobody.
    pub assignee: Option<Option<UserId>>,
}

/// Which incidents a list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IncidentFilter {
    /// Only these statuses; all if empty.
    pub statuses: Vec<IncidentStatus>,
    /// Only this severity.
    pub severity: Option<Severity>,
    /// Only this service.
    pub service_id: Option<ServiceId>,
    /// Only those that this user has.
    pub assignee: Option<UserId>,
    /// Only those that a text finds ([`TextSearch`](crate::incident_search::TextSearch)).
    pub text: Option<String>,
    /// Only those whose ids begin so.
    pub id_prefix: Option<IdPrefix>,
    /// But for this one.
    pub except: Option<IncidentId>,
    /// Only triggered at or after.
    pub since: Option<Timestamp>,
    /// Only triggered before.
    pub until: Option<Timestamp>,
    /// What its reader is restricted to.
    pub restriction: Restriction,
    /// In which order.
    pub direction: Direction,
}

/// How many incidents there are of each status, as far as they were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusCounts {
    pub triggered: u64,
    pub acknowledged: u64,
    pub resolved: u64,
    /// Whether there are more open ones than were looked at.
    pub open_is_cut: bool,
    /// Whether there are more incidents than were looked at for resolved ones.
    pub resolved_is_cut: bool,
}

impl IncidentFilter {
    /// Whether it asks for open incidents only. Those have an index of their own.
    pub fn is_open(&self) -> bool {
        !self.statuses.is_empty() && !self.statuses.contains(&IncidentStatus::Resolved)
    }

    /// Whether it asks for acknowledged incidents only.
    pub fn is_acknowledged(&self) -> bool {
        !self.statuses.is_empty()
            && self
                .statuses
                .iter()
                .all(|status| *status == IncidentStatus::Acknowledged)
    }

    /// Whether it asks for a service of which its reader is shown nothing.
    pub fn is_of_foreign_service(&self) -> bool {
        self.service_id
            .is_some_and(|id| !self.restriction.admits_service(id))
    }

    /// Whether every row along the index that fits it best is one of those it asks for.
    pub fn is_answered_by_index(&self) -> bool {
        let asks_for_every_status = self.statuses.is_empty()
            || (self.is_open()
                && self.statuses.contains(&IncidentStatus::Triggered)
                && self.statuses.contains(&IncidentStatus::Acknowledged));
        let is_of_index = self.service_id.is_none() || !self.is_open();
        let is_plain = self.text.is_none() && self.severity.is_none() && self.restriction.is_none();
        let is_plain = is_plain && self.assignee.is_none();
        is_plain && asks_for_every_status && is_of_index
    }
}

/// One line of an incident's timeline, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub kind: TimelineKind,
}

/// What a line of the timeline says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimelineKind {
    /// A transition, with the place of its event in the feed and the assignee and status afterwards.
    Event {
        /// The event.
        name: EventName,
        /// Its place in the feed.
        sequence: i64,
    },
    /// Something else: a new assignee or title, as a sentence, or what somebody wrote.
    Note(String),
}

/// Incidents and their transitions.
#[async_trait]
pub trait Incidents: Send + Sync {
    /// Creates an incident with its event and deliveries, or returns the open one with the same dedup key.
    async fn trigger(&self, trigger: Trigger) -> StoreResult<Committed>;

    /// Applies a transition, with its event and deliveries, as the state machine decides inside the transaction.
    async fn transition(&self, request: TransitionRequest) -> StoreResult<Committed>;

    /// Fires the escalation timer of an incident, if it is still due at `change.at`.
    async fn fire_escalation(
        &self,
        incident_id: IncidentId,
        event_id: EventId,
        change: Change,
    ) -> StoreResult<Committed>;

    /// Incidents whose escalation is due, the longest due first.
    async fn due_escalations(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<IncidentId>>;

    /// Changes what is no transition; leaves a note on the timeline and makes no event.
    async fn edit(&self, id: IncidentId, edit: IncidentEdit, change: Change) -> StoreResult<Incident>;

    /// Keeps what somebody says of an incident on its timeline; makes no event.
    async fn add_note(&self, id: IncidentId, text: String, change: Change) -> StoreResult<()>;

    /// One incident.
    async fn get(&self, id: IncidentId) -> StoreResult<Incident>;

    /// The incident with a number.
    async fn find(&self, number: IncidentNumber) -> StoreResult<IncidentId>;

    /// Incidents, in the direction that the filter says; at most [`WALKED_ROWS`](crate::page::WALKED_ROWS) are looked at.
    async fn list(&self, filter: IncidentFilter, page: Page) -> StoreResult<Listed<Incident>>;

    /// How many of each status there are among those that a filter asks for, whatever statuses and text it names. Of open ones, and
    /// of all, the latest [`COUNTED_AT_MOST`](crate::deliveries::COUNTED_AT_MOST) along the index that fits are looked at.
    async fn count(&self, filter: IncidentFilter) -> StoreResult<StatusCounts>;

    /// The open incident with a dedup key.
    async fn find_open(&self, dedup_key: String) -> StoreResult<Option<IncidentId>>;

    /// What happened to an incident, oldest first; at most [`MAX_TIMELINE`] lines.
    async fn timeline(&self, id: IncidentId) -> StoreResult<Vec<TimelineEntry>>;
}

/// The most lines of a timeline that are shown: the latest.
pub const MAX_TIMELINE: u32 = 500;
