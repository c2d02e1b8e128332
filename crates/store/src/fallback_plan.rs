//! Which webhook takes over from which (decision 0028), and what of it: pure.

use std::collections::HashMap;
use std::time::Duration;

use model::delivery::DeliveryState;
use model::digest::sha256;
use model::id::{DeliveryId, WebhookId};
use model::outage::{Fallback, MAX_FALLBACKS};
use model::time::Timestamp;
use model::webhook::Webhook;

use crate::StoreError;
use crate::StoreResult;
use crate::delivery_plan::{InitialState, keeps_order};

/// How many deliveries of one webhook one look for late ones goes through.
pub const LATE_BATCH: u32 = 200;

/// Refuses a fallback that is not there, that leads back to whom it stands in for, or that makes a chain too long.
/// The webhooks are as they are after the edit.
pub fn check_chains(webhooks: &[Webhook], new: Fallback) -> StoreResult<()> {
    let fallbacks: HashMap<WebhookId, Option<Fallback>> = webhooks
        .iter()
        .map(|webhook| (webhook.id, webhook.settings.fallback))
        .collect();
    if !fallbacks.contains_key(&new.webhook_id) {
        let sentence = "the webhook that should take over is not there any more: choose another";
        return Err(StoreError::Conflict(sentence.into()));
    }
    webhooks
        .iter()
        .try_for_each(|webhook| check_chain(&fallbacks, webhook))
}

fn check_chain(fallbacks: &HashMap<WebhookId, Option<Fallback>>, first: &Webhook) -> StoreResult<()> {
    let mut next = first.settings.fallback;
    for _ in 0..MAX_FALLBACKS {
        let Some(fallback) = next else { return Ok(()) };
        if fallback.webhook_id == first.id {
            let name = &first.settings.name;
            let sentence = format!("\"{name}\" would take over from itself: its fallbacks lead back to it");
            return Err(StoreError::Conflict(sentence));
        }
        // One that was deleted by a program of before ends the chain.
        next = fallbacks.get(&fallback.webhook_id).copied().flatten();
    }
    match next {
        None => Ok(()),
        Some(_) => Err(StoreError::Conflict(format!(
            "at most {MAX_FALLBACKS} webhooks take over from one another"
        ))),
    }
}

/// Refuses to delete a webhook that others rely on.
pub fn check_unused(webhooks: &[Webhook], id: WebhookId) -> StoreResult<()> {
    let names = |webhook: &&Webhook| webhook.settings.fallback.is_some_and(|of| of.webhook_id == id);
    match webhooks.iter().find(names) {
        None => Ok(()),
        Some(user) => Err(StoreError::Conflict(format!(
            "it is the fallback of \"{}\": give that one another first",
            user.settings.name
        ))),
    }
}

/// Who takes over from a webhook: the first of its chain that takes deliveries and has not had the event this way. One that is
/// disabled and drops events is passed over.
pub fn stand_in<'a>(webhooks: &'a [Webhook], of: WebhookId, had: &[WebhookId]) -> Option<&'a Webhook> {
    let find = |id: WebhookId| {
        let index = webhooks.binary_search_by_key(&id, |webhook| webhook.id).ok()?;
        webhooks.get(index)
    };
    let mut next = find(of)?;
    for _ in 0..MAX_FALLBACKS {
        next = find(next.settings.fallback?.webhook_id)?;
        if next.takes_deliveries() && next.id != of && !had.contains(&next.id) {
            return Some(next);
        }
    }
    None
}

/// The delivery by which a webhook takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeOver {
    pub id: DeliveryId,
    pub webhook_id: WebhookId,
    pub initial_state: InitialState,
    /// It can be claimed at once: the dispatcher must hear of it.
    pub is_due: bool,
}

impl TakeOver {
    /// The delivery of a stand-in, made now; behind the open one of its own lane if it keeps the order.
    pub fn new(stand_in: &Webhook, original: DeliveryId, lane_is_open: bool, now: Timestamp) -> Self {
        let initial_state = match lane_is_open && keeps_order(stand_in) {
            true => InitialState::Queued,
            false => InitialState::Scheduled,
        };
        Self {
            id: Self::id_of(stand_in, original, now),
            webhook_id: stand_in.id,
            initial_state,
            is_due: initial_state == InitialState::Scheduled && stand_in.is_enabled(),
        }
    }

    /// Its id: of the time at which it is made.
    pub fn id_of(stand_in: &Webhook, original: DeliveryId, now: Timestamp) -> DeliveryId {
        let hash = sha256([&original.as_bytes()[..], &stand_in.id.as_bytes()[..]]);
        let mut random = [0; 10];
        random.copy_from_slice(&hash[..10]);
        DeliveryId::new(now, random)
    }
}

/// Whether a delivery that is late is to be taken over: it waits still, or a program that knew of no fallback let it die.
pub fn is_for_fallback(state: DeliveryState, was_given_up: bool) -> bool {
    match state {
        DeliveryState::Scheduled | DeliveryState::Queued | DeliveryState::Claimed | DeliveryState::Held => {
            true
        }
        DeliveryState::Dead => !was_given_up,
        DeliveryState::Delivered | DeliveryState::Superseded | DeliveryState::Expired => false,
    }
}

/// Which ids a look for late deliveries goes through, both ends left out: from what was looked at before up to what is late now.
/// After a clock was set back it begins there again.
pub fn late_between(seen: DeliveryId, late_after: Duration, now: Timestamp) -> (DeliveryId, DeliveryId) {
    let until = DeliveryId::lower_bound(now.minus(late_after));
    (seen.min(until), until)
}
