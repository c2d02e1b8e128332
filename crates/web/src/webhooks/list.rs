//! Settings → Integrations: every webhook as a card, with how it does.

use crate::layout::error::{PageError, PageResult};
use crate::layout::paging::{Pager, page_of};
use crate::layout::query::Query;
use crate::layout::show::sentence_case;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, render};
use crate::overview::chart::{Day, chart_start};
use crate::session::UserSession;
use crate::state::WebState;
use crate::webhooks::backlog::Backlog;
use crate::webhooks::marks::kind_mark;
use askama::Template;
use axum::extract::State;
use model::activity::Activity;
use model::exchange::FailureCode;
use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use model::webhook::{Webhook, WebhookKind, WebhookState, masked_url};
use store::Page;
use store::overview::WebhookHealth;

/// One webhook as a card.
struct Card {
    id: WebhookId,
    name: String,
    kind: &'static str,
    mark: String,
    url: String,
    state: Markup,
    trouble: Option<String>,
    events: Vec<&'static str>,
    arrived: String,
    attempts: String,
    p95: String,
    last: Markup,
    sparkline: Markup,
    backlog: Backlog,
    /// How slow it is, if it is.
    slow: Option<String>,
    canary: Option<CanaryLine>,
}

/// What the last canary came to.
pub struct CanaryLine {
    pub has_failed: bool,
    /// `arrived` or why it failed.
    pub result: &'static str,
    pub at: Markup,
    pub delivery_id: DeliveryId,
}

impl CanaryLine {
    /// The line of a webhook that gets canaries, after the first.
    pub fn new(webhook: &Webhook, now: Timestamp) -> Option<Self> {
        webhook.last_canary.map(|canary| Self {
            has_failed: canary.failure.is_some(),
            result: canary.failure.map_or("arrived", FailureCode::as_str),
            at: show::when(canary.at, now),
            delivery_id: canary.delivery_id,
        })
    }
}

#[derive(Template)]
#[template(path = "webhooks/list.html")]
struct IntegrationsPage {
    layout: Layout,
    cards: Vec<Card>,
    pager: Pager,
}

/// `GET /settings/integrations`
pub async fn page(State(state): State<WebState>, session: UserSession, query: Query) -> PageResult {
    let now = session.context.now;
    let page = page_of(query.text("before"));
    let webhooks = state.store.webhooks.list(page).await?;
    let activity = state.store.overview.activity(chart_start(now)).await?;
    let health = state.store.overview.webhook_health().await?;
    let card = |webhook: &Webhook| card(webhook, health.get(&webhook.id), &activity, now);
    let last_id = webhooks.last().map(|webhook| webhook.id.as_bytes());
    render(&IntegrationsPage {
        layout: Layout::new(&session, "Integrations", Nav::Integrations),
        cards: webhooks.iter().map(card).collect(),
        pager: Pager::new("/settings/integrations", &[], page, webhooks.len(), last_id),
    })
}

/// The most webhooks that a page goes through.
const MAX_WEBHOOKS: usize = 10_000;

/// Every webhook, the newest first.
pub async fn every_webhook(state: &WebState) -> Result<Vec<Webhook>, PageError> {
    let mut webhooks: Vec<Webhook> = Vec::new();
    let mut page = Page {
        limit: Page::MAX_LIMIT,
        before: None,
    };
    while webhooks.len() < MAX_WEBHOOKS {
        let rows = state.store.webhooks.list(page).await?;
        page.before = rows.last().map(|webhook| *webhook.id.as_bytes());
        let is_last = rows.len() < page.limit as usize;
        webhooks.extend(rows);
        if is_last {
            break;
        }
    }
    Ok(webhooks)
}

fn card(webhook: &Webhook, health: Option<&WebhookHealth>, activity: &[Activity], now: Timestamp) -> Card {
    let day = Day::new(activity, Some(webhook.id), now);
    let settings = &webhook.settings;
    Card {
        id: webhook.id,
        name: settings.name.clone(),
        kind: kind_name(settings.kind),
        mark: kind_mark(kinds::adapter_or_unknown(settings.kind).description()),
        url: masked_url(&settings.url),
        state: webhook_badge(webhook),
        trouble: trouble(webhook),
        events: settings
            .events
            .types()
            .map(|event| event.as_str().trim_start_matches("incident."))
            .collect(),
        arrived: day.arrival_rate().unwrap_or_else(|| "–".into()),
        attempts: day.attempt_rate().unwrap_or_else(|| "–".into()),
        p95: day.p95().unwrap_or_else(|| "–".into()),
        last: show::when_or_dash(health.and_then(|health| health.last_delivered_at), now),
        sparkline: day.sparkline(),
        backlog: health.map_or_else(Backlog::default, |health| Backlog::new(webhook.id, health, now)),
        slow: day.slow_p95(),
        canary: CanaryLine::new(webhook, now),
    }
}

/// What people call a kind.
pub fn kind_name(kind: WebhookKind) -> &'static str {
    kinds::adapter_or_unknown(kind).description().name
}

/// The badge of a webhook's state.
pub fn webhook_badge(webhook: &Webhook) -> Markup {
    match (&webhook.state, &webhook.degraded) {
        (WebhookState::Disabled { .. }, _) => show::badge("neutral", "Disabled"),
        (WebhookState::Enabled, Some(_)) => show::badge("warning", "Degraded"),
        (WebhookState::Enabled, None) => show::badge("success", "Enabled"),
    }
}

/// Why a webhook is disabled or degraded.
pub fn trouble(webhook: &Webhook) -> Option<String> {
    match (&webhook.state, &webhook.degraded) {
        (WebhookState::Disabled { reason, .. }, _) => Some(sentence_case(reason)),
        (WebhookState::Enabled, Some(degraded)) => {
            let detail = degraded.detail.as_deref().map(sentence_case);
            Some(detail.unwrap_or_else(|| format!("{}: {}", degraded.code.as_str(), degraded.code.advice())))
        }
        (WebhookState::Enabled, None) => None,
    }
}
