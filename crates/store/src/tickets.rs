//! Ticket links in the store: which ticket belongs to an incident, and reading tickets again.
//!
//! What attempts find out about tickets comes with their records ([`super::queue::Queue::record`]), in one transaction.

use std::time::Duration;

use async_trait::async_trait;

use crate::StoreResult;
use crate::incidents::Committed;
use model::audit::{Actor, Change};
use model::delivery::Claim;
use model::id::{AuditId, DeliveryId, EventId, IncidentId, UserId, WebhookId};
use model::incident::Headline;
use model::ticket::{PollPurpose, Ticket, TicketLink, WrittenNote};
use model::time::Timestamp;
use model::user::UserRef;
use model::webhook_kind::WebhookKind;

/// How long whoever took a link to look at its ticket has it for themselves.
pub const POLL_LEASE: Duration = Duration::from_secs(300);
/// How soon a ticket is looked at again that could not be believed because something of ours was on its way to it.
pub const BUSY_WAIT: Duration = Duration::from_secs(5);

/// What a ticket's delivery needs to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TicketContext {
    pub link: Option<TicketLink>,
    /// What the workflow of tickets knows beyond it, in its own words.
    pub workflow: Option<String>,
    /// The incident's description.
    pub description: Option<String>,
    /// What the incident is called now, and how bad it is.
    pub headline: Option<Headline>,
    /// Who has the incident now.
    pub assignee: Option<UserRef>,
    /// What people wrote on it, oldest first; at most the latest [`MAX_WRITTEN_NOTES`](model::ticket::MAX_WRITTEN_NOTES).
    pub notes: Vec<WrittenNote>,
}

/// What a ticket shows of its incident beyond events. It is compared as a whole: after a clock was set back, what is newer looks
/// older.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TicketContent {
    headline: Option<Headline>,
    assignee: Option<UserId>,
    notes: Vec<AuditId>,
}

impl TicketContext {
    /// What the ticket is to show.
    pub fn content(&self) -> TicketContent {
        TicketContent {
            headline: self.headline.clone(),
            assignee: self.assignee.as_ref().map(|user| user.id),
            notes: self.notes.iter().map(|note| note.id).collect(),
        }
    }
}

/// What is to be written down before a request leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentRecord {
    pub delivery_id: DeliveryId,
    /// The claim under which it is made.
    pub claim: Claim,
    pub webhook_id: WebhookId,
    pub incident_id: IncidentId,
    /// What the workflow knows then; if there is nothing, the request makes the incident's ticket.
    pub workflow: Option<String>,
    /// Now.
    pub at: Timestamp,
}

/// A link as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkOverview {
    pub link: TicketLink,
    pub webhook_name: String,
    pub webhook_kind: WebhookKind,
    /// When the ticket is looked at next.
    pub next_poll_at: Option<Timestamp>,
}

/// A link whose ticket is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePoll {
    /// The link as it was when it was taken.
    pub link: TicketLink,
    /// Whether duplicates are to be looked for first.
    pub must_check_duplicates: bool,
}

/// A ticket that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollResult {
    pub webhook_id: WebhookId,
    pub incident_id: IncidentId,
    /// The version of the link before it was read. If it has moved since, what was read counts for nothing.
    pub version: i64,
    /// Why it was read.
    pub purpose: PollPurpose,
    pub ticket: Ticket,
    /// What people wrote to it, oldest first.
    pub comments: Vec<TimelineComment>,
    /// Who asked for it by hand; nothing if nobody did.
    pub asked_by: Option<Actor>,
    /// The id of the event, should there be one.
    pub event_id: EventId,
    /// Who changed the ticket, and now.
    pub change: Change,
}

/// A comment that comes into a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineComment {
    /// When it was written.
    pub at: Timestamp,
    /// Who wrote it.
    pub actor: Actor,
    /// What.
    pub sentence: String,
    /// The id of its line in the timeline.
    pub id: AuditId,
}

/// What came of a ticket that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PollOutcome {
    /// The two sides are in line.
    InLine,
    /// The incident followed the ticket.
    Followed(Box<Committed>),
    /// Something of ours is on its way to the ticket, or went there meanwhile: it is read again soon.
    Busy,
    /// The incident belongs to this ticket no longer.
    Gone,
}

/// What asking for a ticket by hand came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// A delivery is on its way that makes or brings it in line.
    OnItsWay(DeliveryId),
}

/// How often duplicates of one incident's ticket are looked for at most.
pub const MAX_DUPLICATE_CHECKS: u32 = 5;

/// What looking for duplicates came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DuplicateCheck {
    /// There are none: nobody needs to look again.
    Clean,
    /// Some were joined with the one that stays, which is named if it is another than before. There may be more.
    Merged(Option<Ticket>),
}

/// What telling of a change came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationEffect {
    /// The ticket is read again at once.
    PollDue,
    /// A ticket that was being looked for is found by this.
    Found,
    /// It concerns no incident, or was told before.
    Nothing,
}

/// The dispatcher's and people's side of ticket links.
#[async_trait]
pub trait Tickets: Send + Sync {
    /// What a delivery needs to know of its incident's ticket.
    async fn load_context(
        &self,
        webhook_id: WebhookId,
        incident_id: IncidentId,
    ) -> StoreResult<TicketContext>;

    /// Writes down what a request is about to do. Says whether the claim still holds: without it, the request must not leave.
    async fn intend(&self, intent: IntentRecord) -> StoreResult<bool>;

    /// The links of an incident to webhooks that are not deleted.
    async fn of_incident(&self, incident_id: IncidentId) -> StoreResult<Vec<LinkOverview>>;

    /// Has a webhook make the incident's ticket, or bring it in line, whatever events it wants: its latest event is delivered (again).
    async fn request(
        &self,
        incident_id: IncidentId,
        webhook_id: WebhookId,
        change: Change,
    ) -> StoreResult<Requested>;

    /// Joins an incident and a ticket that exists; a conflict if either has another.
    async fn link(
        &self,
        incident_id: IncidentId,
        webhook_id: WebhookId,
        ticket: Ticket,
        change: Change,
    ) -> StoreResult<()>;

    /// Parts them. The ticket stays as it is.
    async fn unlink(&self, incident_id: IncidentId, webhook_id: WebhookId, change: Change)
    -> StoreResult<()>;

    /// How many tickets there are, or may be, at a webhook.
    async fn count_linked(&self, webhook_id: WebhookId) -> StoreResult<u64>;
}

/// Reading tickets again.
#[async_trait]
pub trait TicketPolls: Send + Sync {
    /// A ticket system told of a change. The same receipt a second time is nothing.
    async fn record_notification(
        &self,
        webhook_id: WebhookId,
        notification: NotificationRecord,
        now: Timestamp,
    ) -> StoreResult<NotificationEffect>;

    /// Whether the time of any link has come: [`TicketPolls::take_due`] takes it or puts it off.
    async fn is_any_due(&self, now: Timestamp) -> StoreResult<bool>;

    /// Takes links of enabled webhooks whose tickets are to be read, the longest due first, for [`POLL_LEASE`].
    async fn take_due(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<DuePoll>>;

    /// A ticket was read: the link shows it, and the incident follows it, in one transaction.
    async fn record_poll(&self, polled: PollResult) -> StoreResult<PollOutcome>;

    /// A ticket is to be read at another time.
    async fn postpone_poll(
        &self,
        webhook_id: WebhookId,
        incident_id: IncidentId,
        at: Timestamp,
    ) -> StoreResult<()>;

    /// A ticket could not be read.
    async fn record_failed_poll(
        &self,
        webhook_id: WebhookId,
        incident_id: IncidentId,
        ticket_id: String,
        error: String,
        now: Timestamp,
    ) -> StoreResult<()>;

    /// Duplicates of a link's ticket were looked for; nothing is done if it has another one by now.
    async fn record_duplicate_check(
        &self,
        webhook_id: WebhookId,
        incident_id: IncidentId,
        ticket_id: String,
        found: DuplicateCheck,
        change: Change,
    ) -> StoreResult<()>;
}

/// What a ticket system told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationRecord {
    pub ticket_id: String,
    /// The incident and generation of our marker, if the ticket carries one.
    pub marker: Option<(IncidentId, u32)>,
    /// What is the same when the system repeats itself.
    pub receipt: Option<String>,
}
