//! The list of inboxes: addresses on this server that keep what is sent to them, to look at.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;

use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, go, render, render_refused};
use crate::session::UserSession;
use crate::state::WebState;
use config::base_url;
use model::access::Scope;
use model::id::InboxId;

struct InboxRow {
    id: InboxId,
    name: String,
    address: String,
    requests: String,
    created: Markup,
}

#[derive(Template)]
#[template(path = "inboxes/list.html")]
struct InboxesPage {
    layout: Layout,
    is_on: bool,
    inboxes: Vec<InboxRow>,
    name: String,
    errors: FieldErrors,
}

impl InboxesPage {
    async fn load(
        state: &WebState,
        session: &UserSession,
        headers: &HeaderMap,
        name: String,
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let is_on = state.settings.has_inboxes;
        let inboxes = if is_on {
            state.store.inboxes.list().await?
        } else {
            Vec::new()
        };
        let base = base_url(state.settings.public_url.as_ref(), headers);
        let rows = inboxes.into_iter().map(|(inbox, count)| InboxRow {
            id: inbox.id,
            address: address_of(&base, inbox.id),
            name: inbox.name,
            requests: show::count(u64::from(count)),
            created: show::when(inbox.created_at, session.context.now),
        });
        Ok(Self {
            layout: Layout::new(session, "Inbox", Nav::Inbox),
            is_on,
            inboxes: rows.collect(),
            name,
            errors,
        })
    }
}

/// The address of an inbox.
pub fn address_of(base: &str, id: InboxId) -> String {
    format!("{base}/in/{id}")
}

/// Refuses what needs inboxes where there are none.
pub fn require_inboxes(state: &WebState) -> Result<(), PageError> {
    if state.settings.has_inboxes {
        Ok(())
    } else {
        Err(PageError::not_found(
            "inbox: inboxes are turned off on this server",
        ))
    }
}

/// `GET /settings/inbox`
pub async fn page(State(state): State<WebState>, session: UserSession, headers: HeaderMap) -> PageResult {
    let page = InboxesPage::load(&state, &session, &headers, String::new(), FieldErrors::default());
    render(&page.await?)
}

/// `POST /settings/inbox`
pub async fn create(
    State(state): State<WebState>,
    session: UserSession,
    headers: HeaderMap,
    form: Form,
) -> PageResult {
    require_inboxes(&state)?;
    let name = form.text("name").to_owned();
    match state.actions.create_inbox(session.actor(), name.clone()).await {
        Ok(inbox) => go(&format!("/settings/inbox/{}", inbox.id), "created"),
        Err(error) => {
            let errors = FieldErrors::of(error)?;
            render_refused(&InboxesPage::load(&state, &session, &headers, name, errors).await?)
        }
    }
}

impl InboxesPage {
    /// Whether the session may make inboxes and look into them: what came may hold secrets.
    fn may_open(&self) -> bool {
        self.layout.may(Scope::WebhooksWrite.as_str())
    }
}
