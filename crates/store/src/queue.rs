//! The dispatcher's side of deliveries: claiming what is due, recording what came of it.
//!
//! A claim belongs to a node. A node that lives keeps its lease with [`Queue::heartbeat`]; claims of a node whose
//! lease ran out are freed by [`Queue::rescue`]. A result is only applied while its claim holds.
//!
//! A store that several nodes share measures leases by its own clock, since theirs may differ.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::StoreResult;
use crate::tickets::TicketContent;
use model::attempt::{Attempt, StateUpdates};
use model::delivery::{Claim, ClaimedDelivery, NextStep, Spending};
use model::event::Event;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::time::Timestamp;

/// How long the claims of one of several nodes hold after its last heartbeat. What it had in hand is taken over by the others
/// within ten seconds: when the lease has run out, at their next heartbeat.
pub const NODE_LEASE: Duration = Duration::from_secs(7);

/// The nodes on a store, as a heartbeat found them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The node that asks.
    pub own: i64,
    /// Those that serve webhooks, in the order of their numbers: their leases hold, and they are not about to leave.
    pub nodes: Vec<i64>,
    /// Whether the node that asks does what is done once for all of them.
    pub is_leader: bool,
    /// What holds of a store that several nodes can share; nothing of one that has a single node for good.
    pub shared: Option<SharedLease>,
}

/// The lease of one of several nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedLease {
    /// How long it holds, counted from when the heartbeat was sent.
    pub holds_for: Duration,
    /// Which heartbeat this is since the lease last had run out, from 1: what was claimed before that may be another's.
    pub beat: i64,
    /// The database's time.
    pub database_time: Timestamp,
    /// How many leaders there were.
    pub term: i64,
}

/// A wish to claim due deliveries of one webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Whose.
    pub webhook_id: WebhookId,
    /// How many at most.
    pub limit: u32,
}

/// What a claim brought for one webhook.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Whose.
    pub webhook_id: WebhookId,
    /// In the order in which they were due.
    pub deliveries: Vec<ClaimedDelivery>,
    /// When the next one that was left is due; nothing if none is scheduled.
    pub next_due_at: Option<Timestamp>,
}

/// An attempt and what it means, ready to be recorded.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    pub delivery_id: DeliveryId,
    pub webhook_id: WebhookId,
    /// Its incident: with the webhook, the lane.
    pub incident_id: IncidentId,
    /// When it was made.
    pub delivery_created_at: Timestamp,
    /// Whether it is a Send Test.
    pub is_test: bool,
    /// Whether it tells of an operational event: then nothing is told of what becomes of it.
    pub is_operational: bool,
    /// Its event's place in the feed.
    pub event_sequence: i64,
    /// The claim under which the attempt was made.
    pub claim: Claim,
    pub attempt: Attempt,
    /// What follows.
    pub next_step: NextStep,
    /// What the delivery has spent, with this attempt.
    pub spent: Spending,
    /// What it leaves for later attempts, in the same transaction.
    pub state_updates: StateUpdates,
    /// What the attempt knew of its incident, if it was about a ticket. If that is otherwise by now, the ticket is told again.
    pub ticket_content: Option<Box<TicketContent>>,
    /// When the settings under which the attempt was made were last changed. Under others its word on the webhook does not
    /// count: nothing is learned, and nobody is disabled by it.
    pub settings_of: Timestamp,
    /// Disables the webhook with this reason, in the same transaction.
    pub disable_webhook: Option<String>,
}

impl AttemptRecord {
    /// Whether its event is something that really happened to an incident.
    pub fn is_of_incident(&self) -> bool {
        !self.is_test && !self.is_operational
    }
}

/// What recording an attempt did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// The attempt is kept and the delivery moved on.
    Applied,
    /// The attempt is kept, but the claim no longer held: the delivery is as it was.
    Late,
    /// The delivery is gone: nothing was kept.
    Gone,
}

/// The dispatcher's side of deliveries.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Claims due deliveries of enabled webhooks for this node, the longest due first. What waited through an outage, and its
    /// webhook wants no more, ends instead.
    async fn claim_due(&self, requests: Vec<ClaimRequest>, now: Timestamp) -> StoreResult<Vec<Claimed>>;

    /// Hands late deliveries of webhooks to their fallbacks, and goes on where it was the last time; says whether there is more.
    async fn take_over_late(&self, now: Timestamp) -> StoreResult<bool>;

    /// Records attempts and moves their deliveries on; the next delivery of a finished one's lane becomes due. What is dead is
    /// taken over by its webhook's fallback, once.
    /// Attempts that were applied count as activity of their webhooks, unless they are tests. Answers in the order of
    /// the records.
    async fn record(&self, records: Arc<[AttemptRecord]>, now: Timestamp) -> StoreResult<Vec<Recorded>>;

    /// Gives claims back without an attempt: the deliveries are due as before.
    async fn release(&self, claims: Vec<(DeliveryId, Claim)>) -> StoreResult<()>;

    /// When the next delivery of each enabled webhook is due.
    async fn next_due(&self) -> StoreResult<Vec<(WebhookId, Timestamp)>>;

    /// Renews this node's lease, and its leadership or takes one that nobody holds; says who is there.
    async fn heartbeat(&self, now: Timestamp) -> StoreResult<Membership>;

    /// Says that this node is about to stop: it leads no more, and serves no webhook that others can serve. Its lease holds.
    async fn leave(&self) -> StoreResult<()>;

    /// Frees the claims of nodes whose lease ran out; says how many.
    async fn rescue(&self, now: Timestamp) -> StoreResult<u64>;

    /// Moves all that is planned between two times by `by_ms`, and what is measured since some time as far as it began before: the
    /// wall clock jumped.
    async fn shift_schedule(&self, after: Timestamp, before: Timestamp, by_ms: i64) -> StoreResult<()>;

    /// Stores a sample event and its one delivery to a webhook, claimed by this node.
    async fn begin_test(&self, webhook_id: WebhookId, sample: Event) -> StoreResult<ClaimedDelivery>;
}
