//! The outbox: an event and its deliveries, written in the transaction of the change. The one place from which
//! events come.

use std::sync::Arc;

use model::delivery::{Claim, ClaimedDelivery, Spending};
use model::event::Event;
use model::id::{DeliveryId, EventId, WebhookId};
use model::incident::Incident;
use model::time::Timestamp;
use model::webhook::{Ordering, Webhook};
use store::StoreError;
use store::StoreResult;
use store::cross_checks::event_digest;

use super::lanes;
use super::statements::execute;
use super::writer::WriteContext;
use model::digest::sha256;

/// Whether an incident can have open deliveries of earlier events.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LaneHistory {
    /// It was made just now.
    None,
    /// It may have some.
    Possible,
}

/// How a delivery begins its life.
#[derive(Clone, Copy)]
pub enum InitialState {
    /// Due at once.
    Scheduled,
    /// Behind an earlier one.
    Queued,
    /// In this node's hand.
    Claimed(Claim),
}

/// Writes an event and a delivery for every webhook that wants it; hands over what this node has room for.
pub fn publish(
    context: &mut WriteContext<'_>,
    mut event: Event,
    incident: &Incident,
    history: LaneHistory,
) -> StoreResult<()> {
    event.sequence = insert_event(context, &event)?;
    let sequence = event.sequence;
    let event = Arc::new(event);
    let subscriptions = context.subscriptions()?;
    let mut claimed = Vec::new();
    for webhook in subscriptions
        .iter()
        .filter(|webhook| webhook.wants(event.name, incident))
    {
        let id = delivery_id(event.at, event.id, webhook.id);
        let initial_state = choose_initial_state(context, webhook, &event, history)?;
        insert_delivery(context, id, webhook.id, &event, initial_state)?;
        context.count_accepted(webhook.id);
        match initial_state {
            InitialState::Claimed(claim) => claimed.push(claimed_delivery(id, webhook.id, &event, claim)),
            InitialState::Scheduled if webhook.is_enabled() => {
                let (webhook_id, due_at) = (webhook.id, event.at);
                context.after_commit(move |delivery_sink| delivery_sink.wake(webhook_id, due_at));
            }
            InitialState::Scheduled | InitialState::Queued => {}
        }
    }
    context.after_commit(move |delivery_sink| {
        for delivery in claimed {
            delivery_sink.take(delivery);
        }
        delivery_sink.events_up_to(sequence);
    });
    Ok(())
}

/// Writes an event at the end of the feed and says its place.
pub fn insert_event(context: &mut WriteContext<'_>, event: &Event) -> StoreResult<i64> {
    execute(
        context.connection,
        "INSERT INTO events (id, incident_id, name, at, actor, is_test, body, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            event.id.as_bytes(),
            event.incident_id.as_bytes(),
            event.name.as_str(),
            event.at.as_millis(),
            event.actor.encode(),
            event.is_test,
            &event.body[..],
            event_digest(
                event.incident_id,
                event.name.as_str(),
                event.at.as_millis(),
                &event.body,
            ),
        ),
    )?;
    let sequence = context.connection.last_insert_rowid();
    context.note_event(sequence);
    Ok(sequence)
}

/// Writes a new delivery, due at the time of its event.
pub fn insert_delivery(
    context: &WriteContext<'_>,
    id: DeliveryId,
    webhook_id: WebhookId,
    event: &Event,
    initial_state: InitialState,
) -> StoreResult<()> {
    let (state, claim) = match initial_state {
        InitialState::Scheduled => ("scheduled", None),
        InitialState::Queued => ("queued", None),
        InitialState::Claimed(claim) => ("claimed", Some(claim.0)),
    };
    let inserted = execute(
        context.connection,
        "INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, node, claim, created_at,
             is_test)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?6, ?9)",
        (
            id.as_bytes(),
            webhook_id.as_bytes(),
            event.incident_id.as_bytes(),
            event.sequence,
            state,
            event.at.as_millis(),
            claim.map(|_| context.node),
            claim,
            event.is_test,
        ),
    )?;
    match inserted {
        1 => Ok(()),
        _ => Err(StoreError::Corrupt("a delivery was not written".into())),
    }
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

fn choose_initial_state(
    context: &mut WriteContext<'_>,
    webhook: &Webhook,
    event: &Event,
    history: LaneHistory,
) -> StoreResult<InitialState> {
    let must_wait = webhook.settings.ordering == Ordering::Incident
        && history == LaneHistory::Possible
        && lanes::has_open(context.connection, event.incident_id, webhook.id)?;
    if must_wait {
        return Ok(InitialState::Queued);
    }
    if !webhook.is_enabled() || !context.delivery_sink.reserve(webhook.id) {
        return Ok(InitialState::Scheduled);
    }
    let webhook_id = webhook.id;
    context.after_rollback(move |delivery_sink| delivery_sink.cancel(webhook_id));
    Ok(InitialState::Claimed(Claim(context.new_claim())))
}
