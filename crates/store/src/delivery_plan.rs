//! What becomes of deliveries: pure rules from the rows that are there to what is written. A backend reads rows and writes
//! them, and decides nothing.

use std::sync::Arc;

use model::attempt::StateUpdates;
use model::delivery::{Claim, ClaimedDelivery, DeliveryState, NextStep, Spending};
use model::digest::sha256;
use model::event::Event;
use model::exchange::FailureCode;
use model::id::{DeliveryId, EventId, WebhookId};
use model::patch::Patch;
use model::time::Timestamp;
use model::webhook::{Ordering, Webhook};

use crate::queue::AttemptRecord;

/// How a delivery begins its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialState {
    /// Due at once.
    Scheduled,
    /// Behind an earlier one.
    Queued,
    /// In this node's hand.
    Claimed(Claim),
}

impl InitialState {
    /// As the row has it.
    pub fn state(self) -> DeliveryState {
        match self {
            Self::Scheduled => DeliveryState::Scheduled,
            Self::Queued => DeliveryState::Queued,
            Self::Claimed(_) => DeliveryState::Claimed,
        }
    }

    /// The claim that it is born with.
    pub fn claim(self) -> Option<Claim> {
        match self {
            Self::Scheduled | Self::Queued => None,
            Self::Claimed(claim) => Some(claim),
        }
    }
}

/// A delivery that an event makes. It is due at the time of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewDelivery {
    pub id: DeliveryId,
    pub webhook_id: WebhookId,
    pub initial_state: InitialState,
    /// It can be claimed at once: the dispatcher must hear of it.
    pub is_due: bool,
}

impl NewDelivery {
    /// The delivery of an event to a webhook that wants it. Whoever keeps an incident's order waits for the lane's open
    /// delivery; `reserve` asks the dispatcher for room, and is asked only if the room is used.
    pub fn new(
        webhook: &Webhook,
        event: &Event,
        lane_is_open: bool,
        reserve: impl FnOnce() -> Option<Claim>,
    ) -> Self {
        let must_wait = lane_is_open && keeps_order(webhook);
        let initial_state = if must_wait {
            InitialState::Queued
        } else if !webhook.is_enabled() {
            InitialState::Scheduled
        } else {
            reserve().map_or(InitialState::Scheduled, InitialState::Claimed)
        };
        Self {
            id: delivery_id(event.at, event.id, webhook.id),
            webhook_id: webhook.id,
            initial_state,
            is_due: initial_state == InitialState::Scheduled && webhook.is_enabled(),
        }
    }

    /// What the dispatcher gets once the delivery is on disk, if it had room for it.
    pub fn claimed(&self, event: &Arc<Event>) -> Option<ClaimedDelivery> {
        let claim = self.initial_state.claim()?;
        Some(claimed_delivery(self.id, self.webhook_id, event, claim))
    }
}

/// Whether the deliveries of one incident wait for each other.
pub fn keeps_order(webhook: &Webhook) -> bool {
    webhook.settings.ordering == Ordering::Incident
}

/// The delivery of an event to a webhook: the same two always give the same id.
pub fn delivery_id(at: Timestamp, event_id: EventId, webhook_id: WebhookId) -> DeliveryId {
    let hash = sha256([event_id.as_bytes(), webhook_id.as_bytes()]);
    let mut random = [0; 10];
    random.copy_from_slice(&hash[..10]);
    DeliveryId::new(at, random)
}

/// A delivery that was never tried, in this node's hand.
pub fn claimed_delivery(
    id: DeliveryId,
    webhook_id: WebhookId,
    event: &Arc<Event>,
    claim: Claim,
) -> ClaimedDelivery {
    ClaimedDelivery {
        id,
        webhook_id,
        event: Arc::clone(event),
        attempts_made: 0,
        spent: Spending::default(),
        continuation: None,
        created_at: event.at,
        due_at: event.at,
        claim,
    }
}

/// What an attempt makes of the delivery whose claim still holds. The claim is given back with it, and one more attempt was
/// made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryUpdate<'a> {
    pub state: DeliveryState,
    /// When it is due; nothing if that stays as it is.
    pub due_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub last_failure: Option<FailureCode>,
    pub spent: Spending,
    /// What the next attempt finds.
    pub continuation: Patch<&'a str>,
    /// It leaves its lane: the next one's turn has come.
    pub ends_turn: bool,
}

impl<'a> DeliveryUpdate<'a> {
    /// What becomes of it.
    pub fn after_attempt(record: &'a AttemptRecord, now: Timestamp) -> Self {
        let (state, due_at) = match record.next_step {
            NextStep::Delivered => (DeliveryState::Delivered, None),
            NextStep::Dead => (DeliveryState::Dead, None),
            NextStep::Retry { at } | NextStep::Hold { at } => (DeliveryState::Scheduled, Some(at)),
        };
        let is_over = due_at.is_none();
        Self {
            state,
            due_at,
            finished_at: is_over.then_some(now),
            last_failure: record.attempt.outcome.failure().map(|failure| failure.code),
            spent: record.spent,
            continuation: continuation(&record.state_updates, is_over),
            ends_turn: is_over,
        }
    }
}

/// A delivery that is over has no next attempt: nothing is kept for it but what no attempt has spoken of.
fn continuation(updates: &StateUpdates, is_over: bool) -> Patch<&str> {
    match &updates.continuation {
        Patch::Set(text) if !is_over => Patch::Set(text),
        Patch::Keep if !is_over => Patch::Keep,
        Patch::Keep | Patch::Set(_) | Patch::Clear => Patch::Clear,
    }
}
