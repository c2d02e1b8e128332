//! Dead deliveries across webhooks: grouped by cause, to be looked at, chosen and replayed.

use std::collections::HashSet;
use std::time::Duration;

use askama::Template;
use axum::extract::State;

use crate::deliveries::list::{DeliveryRow, delivery_rows};
use crate::layout::error::{PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::paging::{Pager, address, page_of};
use crate::layout::query::Query;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, go, render};
use crate::session::UserSession;
use crate::state::WebState;
use actions::deliveries::Period;
use model::delivery::DeliveryState;
use model::exchange::FailureCode;
use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use store::deliveries::DeliveryFilter;
use store::overview::DeadGroup;

/// A period ends before its end: what was made in this very moment belongs to it too.
const NOW_TOO: Duration = Duration::from_secs(1);

/// Dead deliveries of one webhook that died of the same cause.
struct Group {
    webhook_id: WebhookId,
    webhook_name: String,
    cause: &'static str,
    advice: &'static str,
    count: String,
    first: Markup,
    last: Markup,
    address: String,
    is_chosen: bool,
    /// Whether its webhook is still there.
    is_replayable: bool,
}

#[derive(Template)]
#[template(path = "deliveries/dead.html")]
struct DeadPage {
    layout: Layout,
    groups: Vec<Group>,
    deliveries: Vec<DeliveryRow>,
    webhook: String,
    cause: String,
    pager: Pager,
}

/// `GET /dead`
pub async fn page(State(state): State<WebState>, session: UserSession, query: Query) -> PageResult {
    let now = session.context.now;
    let (webhook, cause) = (query.text("webhook"), query.text("cause"));
    let filter = dead_filter(webhook, cause);
    let page = page_of(query.text("before"));
    let listed = state.store.deliveries.list(filter, page).await?;
    let groups = state.store.overview.dead_groups().await?;
    let kept = all_webhooks(&state).await?;
    let group = |group: DeadGroup| {
        let code = group.cause.map_or("", FailureCode::as_str);
        let webhook_id = group.webhook_id.to_string();
        Group {
            is_chosen: webhook_id == webhook && code == cause,
            address: address("/dead", &[("webhook", &webhook_id), ("cause", code)], None),
            webhook_id: group.webhook_id,
            webhook_name: group.webhook_name,
            cause: code,
            advice: group.cause.map_or("", FailureCode::advice),
            is_replayable: kept.contains(&group.webhook_id) && group.cause.is_some(),
            count: match group.is_cut {
                true => format!("{}+", show::count(group.count)),
                false => show::count(group.count),
            },
            first: show::when(group.made_between.0, now),
            last: show::when(group.made_between.1, now),
        }
    };
    let filters = [("webhook", webhook), ("cause", cause)];
    render(&DeadPage {
        layout: Layout::new(&session, "Dead deliveries", Nav::Dead),
        groups: groups.into_iter().map(group).collect(),
        webhook: webhook.to_owned(),
        cause: cause.to_owned(),
        pager: Pager::of_listed("/dead", &filters, page, &listed),
        deliveries: delivery_rows(&state, &listed.rows, now).await?,
    })
}

/// The webhooks that exist: nothing can be replayed for others.
async fn all_webhooks(state: &WebState) -> Result<HashSet<WebhookId>, PageError> {
    let health = state.store.overview.webhook_health().await?;
    Ok(health.into_keys().collect())
}

fn dead_filter(webhook: &str, cause: &str) -> DeliveryFilter {
    DeliveryFilter {
        webhook_id: webhook.parse().ok(),
        cause: FailureCode::parse(cause),
        state: Some(DeliveryState::Dead),
        ..DeliveryFilter::default()
    }
}

/// `POST /dead/replay`: those that were ticked, or all of a group.
pub async fn replay(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    let (webhook, cause) = (form.text("webhook"), form.text("cause"));
    let back = address("/dead", &[("webhook", webhook), ("cause", cause)], None);
    if form.has("all") {
        let (Ok(webhook_id), Some(cause)) = (webhook.parse(), FailureCode::parse(cause)) else {
            return Err(PageError::bad_request("this is no group of dead deliveries"));
        };
        let period = Period {
            since: Timestamp::EPOCH,
            until: session.context.now.plus(NOW_TOO),
        };
        let recovered = state
            .actions
            .recover(session.actor(), webhook_id, period, Some(cause))
            .await?;
        return go(
            "/dead",
            if recovered.is_done {
                "recovered"
            } else {
                "recovering"
            },
        );
    }
    let ids: Vec<DeliveryId> = form
        .all("delivery")
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    if ids.is_empty() {
        return go(&back, "none-chosen");
    }
    let selection = state.actions.replay_selection(session.actor(), ids).await?;
    let is_whole = selection.still_open.is_empty() && selection.not_found.is_empty();
    go(&back, if is_whole { "replayed" } else { "some-replayed" })
}
