//! One delivery: its body, every attempt with all that is known of it, and what comes next.

use crate::deliveries::attempt::AttemptView;
use crate::deliveries::list::{DeliveryRow, delivery_badge, delivery_rows};
use crate::layout::error::{PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::query::PathId;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, go, local_path, render};
use crate::session::UserSession;
use crate::state::WebState;
use askama::Template;
use axum::extract::State;
use destination::about::Confirmation;
use model::delivery::{Delivery, DeliveryState};
use model::id::DeliveryId;
use model::time::{Timestamp, format_duration};
use model::webhook::Webhook;
use store::StoreError;
use store::deliveries::{DeliveryDetail, GivenUp, Replayed};

#[derive(Template)]
#[template(path = "deliveries/page.html")]
struct DeliveryPage {
    layout: Layout,
    delivery: DeliveryRow,
    next: String,
    next_at: Option<Markup>,
    is_replayable: bool,
    is_waiting: bool,
    can_be_given_up: bool,
    is_dead: bool,
    is_test: bool,
    /// Whether what was sent is the event's own body.
    is_sent_as_is: bool,
    pretty: Option<String>,
    raw: String,
    attempts: Vec<AttemptView>,
    relations: Vec<Relation>,
}

/// Another delivery of the event that took over, or was taken over.
struct Relation {
    what: &'static str,
    id: DeliveryId,
    webhook_name: String,
    state: Markup,
}

/// What took over from a delivery, and from what it took over.
fn relations(detail: &DeliveryDetail) -> Vec<Relation> {
    let taken_over = match detail.is_delivered_by_fallback() {
        true => "Delivered by fallback:",
        false => "The fallback has taken over:",
    };
    let relation = |what, delivery: &Delivery| Relation {
        what,
        id: delivery.id,
        webhook_name: delivery.webhook_name.clone(),
        state: delivery_badge(delivery),
    };
    let taken_over_by = detail.taken_over_by.iter().map(|of| relation(taken_over, of));
    let fallback_of = detail
        .fallback_of
        .iter()
        .map(|of| relation("Takes over, as the fallback:", of));
    taken_over_by.chain(fallback_of).collect()
}

/// `GET /deliveries/{id}`
pub async fn page(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<DeliveryId>,
) -> PageResult {
    let now = session.context.now;
    let detail = state.store.deliveries.get(id).await?;
    let delivery = &detail.delivery;
    let webhook = match state.store.webhooks.get(delivery.webhook_id).await {
        Ok(webhook) => Some(webhook),
        Err(StoreError::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let kind = webhook.as_ref().map(|webhook| webhook.settings.kind);
    let view = |attempt| AttemptView::new(attempt, kind);
    let mut rows = delivery_rows(&state, std::slice::from_ref(delivery), now).await?;
    let row = rows.pop().ok_or_else(|| PageError::not_found("delivery"))?;
    let next_at = (delivery.state == DeliveryState::Scheduled).then(|| show::when(delivery.due_at, now));
    render(&DeliveryPage {
        layout: Layout::new(&session, format!("Delivery of {}", row.event), Nav::Deliveries),
        next: what_comes_next(delivery, webhook.as_ref(), now),
        next_at,
        is_replayable: !delivery.state.is_open() && !delivery.is_test && webhook.is_some(),
        is_waiting: delivery.state == DeliveryState::Scheduled && delivery.due_at > now,
        can_be_given_up: can_be_given_up(delivery),
        is_dead: delivery.state == DeliveryState::Dead,
        is_test: delivery.is_test,
        is_sent_as_is: detail
            .attempts
            .iter()
            .all(|attempt| attempt.request_body.is_none()),
        pretty: show::pretty_json(&detail.body),
        raw: show::body_text(&detail.body),
        attempts: detail.attempts.iter().rev().map(view).collect(),
        relations: relations(&detail),
        delivery: row,
    })
}

fn is_only_queued(delivery: &Delivery) -> bool {
    let about = kinds::adapter_or_unknown(delivery.webhook_kind).description();
    about.confirmation == Confirmation::QueuedOnly
}

/// What the state means for the future, in a sentence.
pub fn what_comes_next(delivery: &Delivery, webhook: Option<&Webhook>, now: Timestamp) -> String {
    let schedule = webhook.map(|webhook| {
        let delays = webhook.settings.retry_schedule.delays();
        let texts: Vec<_> = delays.iter().map(|delay| format_duration(*delay)).collect();
        texts.join(", ")
    });
    if let Some(actor) = &delivery.given_up_by {
        return format!(
            "{actor} gave it up while it waited: it is not sent any more. Replay sends it after all."
        );
    }
    match delivery.state {
        DeliveryState::Scheduled if delivery.attempts_made == 0 => "It is sent as soon as there is room.".to_owned(),
        DeliveryState::Scheduled if delivery.due_at <= now => "The next attempt is due now.".to_owned(),
        DeliveryState::Scheduled => {
            let schedule = schedule.unwrap_or_default();
            format!("The next attempt comes by itself. The webhook's retry schedule: {schedule}.")
        }
        DeliveryState::Queued => "It waits for an earlier event of the same incident to be delivered or dead, so that the receiver gets them in order.".to_owned(),
        DeliveryState::Claimed => "It is being sent at this moment.".to_owned(),
        DeliveryState::Held => "Its webhook is disabled. It is sent, in order, once the webhook is enabled.".to_owned(),
        DeliveryState::Delivered if is_only_queued(delivery) => "The platform queued it; whether it is shown is not told. It can be replayed.".to_owned(),
        DeliveryState::Delivered => "The receiver took it. It can be replayed, under the same delivery id.".to_owned(),
        DeliveryState::Dead => "Every attempt failed and nothing more comes by itself. Replay begins a fresh schedule; the history stays.".to_owned(),
        DeliveryState::Superseded => "It waited through an outage, and a newer event of the same incident was sent in its place, as the webhook wants it. Replay sends it after all.".to_owned(),
        DeliveryState::Expired => "It waited for longer than the webhook wants events. Replay sends it after all.".to_owned(),
    }
}

/// Whether a delivery waits, for its time, its turn or its webhook, so that it can be given up.
pub fn can_be_given_up(delivery: &Delivery) -> bool {
    match delivery.state {
        DeliveryState::Scheduled | DeliveryState::Queued | DeliveryState::Held => !delivery.is_test,
        DeliveryState::Claimed
        | DeliveryState::Delivered
        | DeliveryState::Dead
        | DeliveryState::Superseded
        | DeliveryState::Expired => false,
    }
}

/// `POST /deliveries/{id}/replay`
pub async fn replay(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<DeliveryId>,
    form: Form,
) -> PageResult {
    let otherwise = format!("/deliveries/{id}");
    let back = local_path(form.text("back"), &otherwise);
    match state.actions.replay(session.actor(), id).await? {
        Replayed::Scheduled(_) => go(back, "replayed"),
        Replayed::StillOpen(_) => go(back, "still-open"),
    }
}

/// `POST /deliveries/{id}/retry-now`
pub async fn retry_now(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<DeliveryId>,
) -> PageResult {
    let did_wait = state.actions.retry_now(session.actor(), id).await?;
    let did = if did_wait { "retried" } else { "not-waiting" };
    go(&format!("/deliveries/{id}"), did)
}

/// `POST /deliveries/{id}/give-up`
pub async fn give_up(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<DeliveryId>,
    form: Form,
) -> PageResult {
    let otherwise = format!("/deliveries/{id}");
    let back = local_path(form.text("back"), &otherwise);
    match state.actions.give_up(session.actor(), id).await? {
        GivenUp::Done(_) => go(back, "given-up"),
        GivenUp::NotWaiting(_) => go(back, "not-given-up"),
    }
}
