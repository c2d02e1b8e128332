//! The list of deliveries, with filters, live.

use std::collections::HashMap;
use std::time::Duration;

use crate::incidents::page::attempts_in_words;
use crate::layout::choices::Choice;
use crate::layout::error::{PageError, PageResult};
use crate::layout::paging::{Pager, address, page_of};
use crate::layout::query::Query;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, render};
use crate::session::UserSession;
use crate::state::WebState;
use crate::webhooks::list::every_webhook;
use askama::Template;
use axum::extract::State;
use destination::about::Confirmation;
use model::delivery::{Delivery, DeliveryState};
use model::event::EventType;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::time::Timestamp;
use store::deliveries::DeliveryFilter;

/// One delivery in a list.
pub struct DeliveryRow {
    pub id: DeliveryId,
    /// Where it stands.
    pub state: Markup,
    pub event: &'static str,
    /// What it is about: the incident's title.
    pub about: String,
    /// The incident, unless it is a test.
    pub incident_id: Option<IncidentId>,
    /// To whom.
    pub webhook_id: WebhookId,
    pub webhook_name: String,
    /// How many attempts were made, and why the last one failed.
    pub attempts: String,
    /// Why the last attempt failed.
    pub trouble: &'static str,
    /// When it was made.
    pub made: Markup,
}

impl DeliveryRow {
    /// The event without what all events begin with.
    pub fn short_event(&self) -> &'static str {
        self.event.trim_start_matches("incident.")
    }
}

/// The rows of deliveries, with what they are about.
pub async fn delivery_rows(
    state: &WebState,
    deliveries: &[Delivery],
    now: Timestamp,
) -> Result<Vec<DeliveryRow>, PageError> {
    let mut ids: Vec<_> = deliveries
        .iter()
        .filter(|delivery| !delivery.is_test)
        .map(|delivery| delivery.incident_id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let titles = state.store.overview.titles(ids).await?;
    Ok(deliveries
        .iter()
        .map(|delivery| delivery_row(delivery, &titles, now))
        .collect())
}

fn delivery_row(delivery: &Delivery, titles: &HashMap<IncidentId, String>, now: Timestamp) -> DeliveryRow {
    let about = if delivery.is_test {
        "Send Test".to_owned()
    } else if delivery.incident().is_none() {
        "Operational event".to_owned()
    } else {
        titles
            .get(&delivery.incident_id)
            .map(|title| show::listed(title))
            .unwrap_or_else(|| delivery.incident_id.to_string())
    };
    DeliveryRow {
        id: delivery.id,
        state: delivery_badge(delivery),
        event: delivery.event_type.as_str(),
        about,
        incident_id: delivery.incident().filter(|_| !delivery.is_test),
        webhook_id: delivery.webhook_id,
        webhook_name: delivery.webhook_name.clone(),
        attempts: attempts_in_words(delivery),
        trouble: delivery.last_failure.map_or("", |code| code.as_str()),
        made: show::when(delivery.created_at, now),
    }
}

/// The states to choose from, behind a choice of none.
pub fn state_choices(chosen: &str) -> Vec<Choice> {
    let names = [
        ("", "Any state"),
        ("scheduled", "Scheduled or retrying"),
        ("queued", "Queued"),
        ("claimed", "Sending"),
        ("held", "Held"),
        ("delivered", "Delivered"),
        ("dead", "Dead"),
        ("superseded", "Superseded"),
        ("expired", "Expired"),
    ];
    names.map(|(value, name)| Choice::new(value, name, chosen)).into()
}

/// The events to choose from, behind a choice of none.
pub fn event_choices(chosen: &str) -> Vec<Choice> {
    let any = std::iter::once(Choice::new("", "Any event", chosen));
    let events = EventType::NAMES
        .iter()
        .map(|name| Choice::new(*name, *name, chosen));
    any.chain(events).collect()
}

/// Times to look back to, behind a choice of none.
pub fn since_choices(chosen: &str) -> Vec<Choice> {
    let names = [
        ("", "Any time"),
        ("1h", "Last hour"),
        ("24h", "Last 24 hours"),
        ("7d", "Last 7 days"),
        ("30d", "Last 30 days"),
    ];
    names.map(|(value, name)| Choice::new(value, name, chosen)).into()
}

/// The time that a choice looks back to.
pub fn since_of(choice: &str, now: Timestamp) -> Option<Timestamp> {
    const HOUR: Duration = Duration::from_secs(3600);
    let back = match choice {
        "1h" => HOUR,
        "24h" => HOUR * 24,
        "7d" => HOUR * 24 * 7,
        "30d" => HOUR * 24 * 30,
        _ => return None,
    };
    Some(now.minus(back))
}

/// The webhooks by name, behind a choice of none.
pub async fn webhook_choices(state: &WebState, none: &str, chosen: &str) -> Result<Vec<Choice>, PageError> {
    let mut webhooks = every_webhook(state).await?;
    webhooks.sort_by_key(|webhook| webhook.settings.name.to_lowercase());
    let webhooks = webhooks
        .into_iter()
        .map(|webhook| Choice::new(webhook.id.to_string(), webhook.settings.name, chosen));
    Ok(std::iter::once(Choice::new("", none, chosen))
        .chain(webhooks)
        .collect())
}

#[derive(Template)]
#[template(path = "deliveries/list.html")]
struct DeliveriesPage {
    layout: Layout,
    deliveries: Vec<DeliveryRow>,
    states: Vec<Choice>,
    events: Vec<Choice>,
    webhooks: Vec<Choice>,
    times: Vec<Choice>,
    incident: String,
    is_filtered: bool,
    /// Where what is listed can be had as a file.
    export: String,
    export_parquet: String,
    pager: Pager,
}

/// `GET /deliveries`
pub async fn page(State(state): State<WebState>, session: UserSession, query: Query) -> PageResult {
    let now = session.context.now;
    let filter = DeliveryFilter {
        webhook_id: query.parsed("webhook", |text| text.parse().ok()),
        incident_id: query.parsed("incident", |text| text.parse().ok()),
        event: query.parsed("event", EventType::parse),
        state: query.parsed("status", DeliveryState::parse),
        cause: None,
        since: since_of(query.text("since"), now),
        until: None,
        ..DeliveryFilter::default()
    };
    let incident = filter.incident_id.map(|id| id.to_string()).unwrap_or_default();
    let page = page_of(query.text("before"));
    let [export, export_parquet] = ["csv", "parquet"].map(|format| export_address(format, &filter));
    let listed = state.store.deliveries.list(filter, page).await?;
    let filters = ["webhook", "incident", "event", "status", "since"].map(|name| (name, query.text(name)));
    render(&DeliveriesPage {
        layout: Layout::new(&session, "Deliveries", Nav::Deliveries),
        states: state_choices(query.text("status")),
        events: event_choices(query.text("event")),
        webhooks: webhook_choices(&state, "Any webhook", query.text("webhook")).await?,
        times: since_choices(query.text("since")),
        is_filtered: filters.iter().any(|(_, value)| !value.is_empty()),
        export,
        export_parquet,
        pager: Pager::of_listed("/deliveries", &filters, page, &listed),
        deliveries: delivery_rows(&state, &listed.rows, now).await?,
        incident,
    })
}

/// Where all of what is listed can be had as a file.
fn export_address(format: &str, filter: &DeliveryFilter) -> String {
    let webhook = filter.webhook_id.map(|id| id.to_string()).unwrap_or_default();
    let incident = filter.incident_id.map(|id| id.to_string()).unwrap_or_default();
    let since = filter.since.map(|since| since.to_string()).unwrap_or_default();
    let filters = [
        ("format", format),
        ("webhook", &webhook),
        ("incident", &incident),
        ("event", filter.event.map_or("", |event| event.as_str())),
        ("status", filter.state.map_or("", |state| state.as_str())),
        ("since", &since),
    ];
    address("/deliveries/export", &filters, None)
}

/// The badge of a delivery's state. What a platform only queued is not called delivered: whether it is shown is not told.
pub fn delivery_badge(delivery: &Delivery) -> Markup {
    let about = kinds::adapter_or_unknown(delivery.webhook_kind).description();
    match (delivery.state, about.confirmation) {
        (DeliveryState::Dead, _) if delivery.given_up_by.is_some() => show::badge("neutral", "Given up"),
        (DeliveryState::Delivered, Confirmation::QueuedOnly) => show::badge("success", "Accepted"),
        (state, _) => show::state_badge(state, delivery.attempts_made),
    }
}
