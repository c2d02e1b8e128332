//! The outbox: an event and its deliveries, written in the transaction of the change. The one place from which
//! events come.

use std::sync::Arc;

use model::delivery::Claim;
use model::event::Event;
use model::id::{DeliveryId, WebhookId};
use model::incident::Incident;
use model::operational::{OperationalName, OperationalNotice};
use model::time::Timestamp;
use model::webhook::Webhook;
use store::StoreError;
use store::StoreResult;
use store::body_text;
use store::cross_checks::event_digest;
use store::delivery_plan::{InitialState, NewDelivery, keeps_order};
use store::operational::is_wanted;

use super::lanes;
use super::statements::execute;
use super::writer::WriteContext;

/// Whether an incident can have open deliveries of earlier events.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LaneHistory {
    /// It was made just now.
    None,
    /// It may have some.
    Possible,
}

/// Writes an event and a delivery for every webhook that wants it; hands over what this node has room for.
pub fn publish(
    context: &mut WriteContext<'_>,
    event: Event,
    incident: &Incident,
    history: LaneHistory,
) -> StoreResult<()> {
    let name = event.name;
    publish_to(context, event, history, |webhook| webhook.wants(name, incident))
}

/// The same of an operational event; nothing is written if no webhook wants it any more.
pub fn publish_operational(
    context: &mut WriteContext<'_>,
    (number, notice): (i64, &OperationalNotice),
    now: Timestamp,
) -> StoreResult<()> {
    if !is_wanted(&context.subscriptions()?, notice) {
        return Ok(());
    }
    let event = notice.clone().into_event(number, now);
    publish_to(context, event, LaneHistory::Possible, |webhook| {
        webhook.wants_operational(notice)
    })
}

fn publish_to(
    context: &mut WriteContext<'_>,
    mut event: Event,
    history: LaneHistory,
    wants: impl Fn(&Webhook) -> bool,
) -> StoreResult<()> {
    event.sequence = insert_event(context, &event)?;
    let sequence = event.sequence;
    let event = Arc::new(event);
    let subscriptions = context.subscriptions()?;
    let mut claimed = Vec::new();
    for webhook in subscriptions.iter().filter(|webhook| wants(webhook)) {
        let delivery = new_delivery(context, webhook, &event, history)?;
        insert_delivery(context, delivery.id, webhook.id, &event, delivery.initial_state)?;
        context.count_accepted(webhook.id);
        claimed.extend(delivery.claimed(&event));
        if delivery.is_due {
            let (webhook_id, due_at) = (webhook.id, event.at);
            context.after_commit(move |delivery_sink| delivery_sink.wake(webhook_id, due_at));
        }
    }
    context.after_commit(move |delivery_sink| {
        for delivery in claimed {
            delivery_sink.take(delivery);
        }
        if event.operational.is_none() {
            delivery_sink.incident_moved(&event);
        }
        delivery_sink.events_up_to(sequence);
    });
    Ok(())
}

/// Writes an event at the end of the feed and says its place.
pub fn insert_event(context: &mut WriteContext<'_>, event: &Event) -> StoreResult<i64> {
    execute(
        context.connection,
        "INSERT INTO events (id, incident_id, name, at, actor, is_test, body, digest, operational)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            event.id.as_bytes(),
            event.incident_id.as_bytes(),
            event.name.as_str(),
            event.at.as_millis(),
            event.actor.encode(),
            event.is_test,
            body_text::pack(&event.body, event.incident_id, event.at),
            event_digest(
                event.incident_id,
                event.name.as_str(),
                event.at.as_millis(),
                &event.body,
            ),
            event.operational.map(OperationalName::as_str),
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
    let claim = initial_state.claim().map(|claim| claim.0);
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
            initial_state.state().as_str(),
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

/// The delivery of an event to a webhook that wants it.
fn new_delivery(
    context: &mut WriteContext<'_>,
    webhook: &Webhook,
    event: &Event,
    history: LaneHistory,
) -> StoreResult<NewDelivery> {
    let lane_is_open = history == LaneHistory::Possible
        && keeps_order(webhook)
        && lanes::has_open(context.connection, event.incident_id, webhook.id)?;
    Ok(NewDelivery::new(webhook, event, lane_is_open, || {
        let webhook_id = webhook.id;
        let has_room = context.delivery_sink.reserve(webhook_id);
        has_room.then(|| {
            context.after_rollback(move |delivery_sink| delivery_sink.cancel(webhook_id));
            Claim(context.new_claim())
        })
    }))
}
