//! Links to a webhook's receiver's page: made, listed and revoked on the webhook's own page. A link is shown once.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;

use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::query::{PathId, PathIds};
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, go, render};
use crate::receiver::open::address_of;
use crate::session::UserSession;
use crate::state::WebState;
use crate::webhooks::page::refuse_link;
use actions::ActionError;
use actions::receiver_links::ReceiverLinkDraft;
use config::base_url;
use model::access::Scope;
use model::id::{ReceiverLinkId, WebhookId};
use model::time::Timestamp;

/// A link in the list.
pub struct LinkRow {
    pub id: ReceiverLinkId,
    /// Whom it was made for.
    pub name: String,
    pub is_usable: bool,
    /// When it was last used.
    pub used: Markup,
    pub ends: Markup,
}

/// The links of a webhook, newest first, and what is wrong with one that was to be made.
#[derive(Default)]
pub struct LinkList {
    pub rows: Vec<LinkRow>,
    pub errors: FieldErrors,
}

impl LinkList {
    /// The links as far as a session may see them.
    pub async fn load(state: &WebState, session: &UserSession, id: WebhookId) -> Result<Self, PageError> {
        let rows = match session.may(Scope::WebhooksWrite) {
            true => link_rows(state, id, session.context.now).await?,
            false => Vec::new(),
        };
        Ok(Self {
            rows,
            errors: FieldErrors::default(),
        })
    }
}

async fn link_rows(state: &WebState, id: WebhookId, now: Timestamp) -> Result<Vec<LinkRow>, PageError> {
    let links = state.store.receiver_links.list(id).await?.into_iter();
    let row = |link: model::receiver_link::ReceiverLink| LinkRow {
        id: link.id,
        is_usable: link.is_usable(now),
        used: show::when_or_dash(link.last_used_at, now),
        ends: show::when(link.expires_at, now),
        name: link.name,
    };
    Ok(links.map(row).collect())
}

#[derive(Template)]
#[template(path = "webhooks/receiver_link.html")]
struct NewLinkPage {
    layout: Layout,
    id: WebhookId,
    webhook_name: String,
    name: String,
    address: String,
    ends: Markup,
}

/// `POST /settings/integrations/{id}/receiver-links`
pub async fn create(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<WebhookId>,
    headers: HeaderMap,
    form: Form,
) -> PageResult {
    let webhook = state.store.webhooks.get(id).await?;
    let draft = ReceiverLinkDraft {
        name: form.text("name").to_owned(),
        days: form.text("days").parse().unwrap_or(0),
    };
    let created = state
        .actions
        .create_receiver_link(session.actor(), id, draft)
        .await;
    let (link, token) = match created {
        Ok(created) => created,
        Err(error @ ActionError::Conflict(_)) => {
            let errors = FieldErrors::one("name", &error.to_string());
            return refuse_link(&state, &session, id, errors).await;
        }
        Err(error) => return refuse_link(&state, &session, id, FieldErrors::of(error)?).await,
    };
    let base = base_url(state.settings.public_url.as_ref(), &headers);
    render(&NewLinkPage {
        layout: Layout::new(&session, "Link to the receiver’s page", Nav::Integrations),
        id,
        webhook_name: webhook.settings.name,
        name: link.name,
        address: address_of(&base, token.reveal()),
        ends: show::when_exactly(link.expires_at),
    })
}

/// `POST /settings/integrations/{id}/receiver-links/{link}/revoke`
pub async fn revoke(
    State(state): State<WebState>,
    session: UserSession,
    PathIds(id, link): PathIds<WebhookId, ReceiverLinkId>,
) -> PageResult {
    state
        .actions
        .revoke_receiver_link(session.actor(), id, link)
        .await?;
    go(&format!("/settings/integrations/{id}"), "link-revoked")
}
