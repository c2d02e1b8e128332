//! One delivery as the owner of its receiver sees it: what was sent, what came back, and Replay. A delivery of another webhook is
//! not found.

use askama::Template;
use axum::extract::{Path, State};

use crate::deliveries::attempt::AttemptView;
use crate::deliveries::list::delivery_badge;
use crate::deliveries::page::what_comes_next;
use crate::incidents::page::attempts_in_words;
use crate::layout::error::{PageError, PageResult};
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, go, render};
use crate::receiver::guard::LinkHolder;
use crate::receiver::page::take_turn;
use crate::state::WebState;
use model::delivery::DeliveryState;
use model::id::DeliveryId;
use store::deliveries::Replayed;

#[derive(Template)]
#[template(path = "receiver/delivery.html")]
struct ReceivedDeliveryPage {
    layout: Layout,
    path: String,
    webhook_name: String,
    id: DeliveryId,
    state: Markup,
    event: &'static str,
    tried: String,
    made: Markup,
    next: String,
    next_at: Option<Markup>,
    is_replayable: bool,
    is_test: bool,
    pretty: Option<String>,
    raw: String,
    attempts: Vec<AttemptView>,
}

/// The delivery in a path behind a link's.
fn named(Path((_, id)): Path<(String, String)>) -> Result<DeliveryId, PageError> {
    id.parse().map_err(|_| PageError::not_found("delivery"))
}

/// `GET /receiver/{link}/deliveries/{id}`
pub async fn page(
    State(state): State<WebState>,
    holder: LinkHolder,
    path: Path<(String, String)>,
) -> PageResult {
    let now = holder.context.now;
    let detail = state.actions.delivery_by_link(&holder.link, named(path)?).await?;
    let webhook = state.store.webhooks.get(holder.link.webhook_id).await?;
    let delivery = &detail.delivery;
    let event = delivery.event_type.as_str();
    let view = |attempt| AttemptView::new(attempt, Some(webhook.settings.kind));
    let is_due_later = delivery.state == DeliveryState::Scheduled;
    render(&ReceivedDeliveryPage {
        layout: holder.layout(format!("Delivery of {event}")),
        path: holder.path(),
        id: delivery.id,
        state: delivery_badge(delivery),
        event,
        tried: attempts_in_words(delivery),
        made: show::when(delivery.created_at, now),
        next: match delivery.given_up_by {
            // Not who: the page is for people outside.
            Some(_) => "It was given up while it waited. Replay sends it after all.".to_owned(),
            None => what_comes_next(delivery, Some(&webhook), now),
        },
        next_at: is_due_later.then(|| show::when(delivery.due_at, now)),
        is_replayable: !delivery.state.is_open() && !delivery.is_test,
        is_test: delivery.is_test,
        pretty: show::pretty_json(&detail.body),
        raw: show::body_text(&detail.body),
        attempts: detail.attempts.iter().rev().map(view).collect(),
        webhook_name: webhook.settings.name,
    })
}

/// `POST /receiver/{link}/deliveries/{id}/replay`
pub async fn replay(
    State(state): State<WebState>,
    holder: LinkHolder,
    path: Path<(String, String)>,
) -> PageResult {
    take_turn(&state, &holder)?;
    let id = named(path)?;
    let did = match state.actions.replay_by_link(&holder.link, id).await? {
        Replayed::Scheduled(_) => "replayed",
        Replayed::StillOpen(_) => "still-open",
    };
    go(&format!("{}/deliveries/{id}", holder.path()), did)
}
