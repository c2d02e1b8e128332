//! One webhook as the owner of its receiver sees it: how it does and its deliveries, with Send Test and the rotation of the secret.
//! Its secret is never shown, but for a new one, once.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect};

use crate::deliveries::list::{DeliveryRow, delivery_rows, state_choices};
use crate::layout::choices::Choice;
use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::paging::{Pager, page_of};
use crate::layout::query::Query;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, render, render_refused};
use crate::overview::chart::chart_start;
use crate::receiver::guard::LinkHolder;
use crate::state::WebState;
use crate::webhooks::list::{trouble, webhook_badge};
use crate::webhooks::page::sample_events;
use actions::ActionError;
use actions::receiver_links::holder_of;
use actions::webhooks::{RotationDraft, has_use_for_secret};
use model::delivery::DeliveryState;
use model::event::EventName;
use model::webhook::masked_url;
use store::deliveries::{DeliveryFilter, WebhookStats};

#[derive(Template)]
#[template(path = "receiver/page.html")]
struct ReceiverPage {
    layout: Layout,
    path: String,
    name: String,
    url: String,
    badge: Markup,
    trouble: Option<String>,
    stats: WebhookStats,
    last_delivered: Markup,
    deliveries: Vec<DeliveryRow>,
    states: Vec<Choice>,
    test_events: Vec<Choice>,
    pager: Pager,
    is_signed: bool,
    overlap_until: Option<Markup>,
    ends: Markup,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "receiver/secret.html")]
struct NewSecretPage<'a> {
    layout: Layout,
    path: String,
    name: String,
    secret: &'a str,
}

impl ReceiverPage {
    async fn load(
        state: &WebState,
        holder: &LinkHolder,
        query: &Query,
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let now = holder.context.now;
        let id = holder.link.webhook_id;
        let webhook = state.store.webhooks.get(id).await?;
        let filter = DeliveryFilter {
            webhook_id: Some(id),
            state: query.parsed("status", DeliveryState::parse),
            ..DeliveryFilter::default()
        };
        let page = page_of(query.text("before"));
        let listed = state.store.deliveries.list(filter, page).await?;
        let stats = state.store.deliveries.webhook_stats(id, chart_start(now)).await?;
        let path = holder.path();
        Ok(Self {
            layout: holder.layout(webhook.settings.name.clone()),
            url: masked_url(&webhook.settings.url),
            badge: webhook_badge(&webhook),
            trouble: match webhook.is_enabled() {
                // Not why: people write that for each other.
                false => Some("Disabled: nothing is sent until it is enabled".to_owned()),
                true => trouble(&webhook),
            },
            last_delivered: show::when_or_dash(stats.last_delivered_at, now),
            stats,
            deliveries: delivery_rows(state, &listed.rows, now).await?,
            states: state_choices(query.text("status")),
            test_events: sample_events(),
            pager: Pager::of_listed(&path, &[("status", query.text("status"))], page, &listed),
            is_signed: has_use_for_secret(&webhook),
            overlap_until: webhook
                .previous_secret_until
                .filter(|until| now < *until)
                .map(show::when_exactly),
            ends: show::when_exactly(holder.link.expires_at),
            errors,
            path,
            name: webhook.settings.name,
        })
    }

    /// What is open is counted up to a number.
    fn count(number: &u64) -> String {
        show::counted(*number)
    }
}

/// `GET /receiver/{link}`
pub async fn page(State(state): State<WebState>, holder: LinkHolder, query: Query) -> PageResult {
    render(&ReceiverPage::load(&state, &holder, &query, FieldErrors::default()).await?)
}

/// Counts what a link does; refuses if it does too much.
pub fn take_turn(state: &WebState, holder: &LinkHolder) -> Result<(), PageError> {
    let now_ms = state.source.monotonic_millis();
    let taken = state.receiver_actions.take(holder.link.id, now_ms);
    taken.map_err(|_| PageError::too_many("too much was done with this link"))
}

/// `POST /receiver/{link}/test`
pub async fn send_test(State(state): State<WebState>, holder: LinkHolder, form: Form) -> PageResult {
    take_turn(&state, &holder)?;
    let event = EventName::parse(form.text("event")).unwrap_or(EventName::Triggered);
    let webhook_id = holder.link.webhook_id;
    let detail = state
        .actions
        .send_test(holder_of(&holder.link), webhook_id, event)
        .await?;
    let result = format!("{}/deliveries/{}", holder.path(), detail.delivery.id);
    Ok(Redirect::to(&result).into_response())
}

/// `POST /receiver/{link}/rotate-secret`
pub async fn rotate_secret(State(state): State<WebState>, holder: LinkHolder, form: Form) -> PageResult {
    take_turn(&state, &holder)?;
    let webhook_id = holder.link.webhook_id;
    let webhook = state.store.webhooks.get(webhook_id).await?;
    if !has_use_for_secret(&webhook) {
        return Err(PageError::not_found("secret"));
    }
    let draft = RotationDraft {
        secret: None,
        overlap: form.optional("overlap"),
    };
    let rotated = state
        .actions
        .rotate_secret(holder_of(&holder.link), webhook_id, draft)
        .await;
    let errors = match rotated {
        Ok((webhook, secret)) => {
            return render(&NewSecretPage {
                layout: holder.layout("Secret rotated"),
                path: holder.path(),
                name: webhook.settings.name,
                secret: secret.reveal(),
            });
        }
        Err(error @ ActionError::Conflict(_)) => FieldErrors::one("overlap", &error.to_string()),
        Err(error) => FieldErrors::of(error)?,
    };
    render_refused(&ReceiverPage::load(&state, &holder, &Query::default(), errors).await?)
}
