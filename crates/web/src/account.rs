//! One's own account: password, sessions, light or dark.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{LOCATION, SET_COOKIE};
use sha2::Digest;

use crate::error::{FieldErrors, PageError, PageResult};
use crate::form::Form;
use crate::frame::{Frame, Nav, go, local_path, render, render_refused};
use crate::guard::transport;
use crate::query::PathId;
use crate::show::{self, Markup};
use crate::state::WebState;
use crate::visitor::{Look, Sidebar, Theme, Visitor, set_taste};
use actions::people::NewPassword;
use model::id::SessionId;
use model::session::Session;

/// One of somebody's sessions.
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// The browser, as it names itself.
    pub agent: String,
    /// The address it began from.
    pub address: String,
    /// When it was last used.
    pub seen: Markup,
    /// When it began.
    pub began: Markup,
    /// Whether it is the one that looks.
    pub is_this: bool,
}

impl SessionRow {
    /// The row of a session, as a visitor sees it.
    pub fn of(session: Session, visitor: &Visitor) -> Self {
        let now = visitor.look.now;
        Self {
            id: session.id,
            is_this: session.id == visitor.session.id,
            seen: show::when(session.last_seen_at, now),
            began: show::when(session.created_at, now),
            agent: session.agent,
            address: session.address,
        }
    }
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    email: String,
    sessions: Vec<SessionRow>,
    errors: FieldErrors,
}

impl AccountPage {
    async fn of(state: &WebState, visitor: &Visitor, errors: FieldErrors) -> Result<Self, PageError> {
        let now = visitor.look.now;
        let sessions = state.store.sessions.list(visitor.user.id, now).await?;
        Ok(Self {
            frame: Frame::of(visitor, "Your account", Nav::Nowhere),
            email: visitor.user.email.clone().unwrap_or_default(),
            sessions: sessions
                .into_iter()
                .map(|session| SessionRow::of(session, visitor))
                .collect(),
            errors,
        })
    }
}

/// `GET /account`
pub async fn page(State(state): State<WebState>, visitor: Visitor) -> PageResult {
    render(&AccountPage::of(&state, &visitor, FieldErrors::default()).await?)
}

/// `POST /account/password`
pub async fn change_password(State(state): State<WebState>, visitor: Visitor, form: Form) -> PageResult {
    let account = sha2::Sha256::digest(visitor.user.id.as_bytes()).into();
    let limited = state
        .account_failures
        .take(account, state.source.monotonic_millis());
    limited.map_err(|_| PageError::too_many("too many attempts to change the password"))?;
    let new = NewPassword {
        password: form.raw("password").to_owned(),
        again: form.raw("passwordAgain").to_owned(),
    };
    let present = form.raw("present").to_owned();
    match state.actions.change_password(&visitor.user, present, new).await {
        Ok(()) => go("/sign-in", "password-changed"),
        Err(error) => {
            let errors = FieldErrors::of(error)?;
            render_refused(&AccountPage::of(&state, &visitor, errors).await?)
        }
    }
}

/// `POST /account/sessions/{id}/end`
pub async fn end_session(
    State(state): State<WebState>,
    visitor: Visitor,
    PathId(id): PathId<SessionId>,
) -> PageResult {
    let user_id = visitor.user.id;
    state.actions.end_session(visitor.actor(), user_id, id).await?;
    go("/account", "ended")
}

/// `POST /appearance`: light or dark, wide or narrow. Everybody may: it is kept in their browser only.
pub async fn set_appearance(State(state): State<WebState>, look: Look, form: Form) -> Response {
    let theme = match form.text("theme") {
        "" => look.theme,
        text => Theme::parse(text),
    };
    let sidebar = match form.text("sidebar") {
        "" => look.sidebar,
        text => Sidebar::parse(text),
    };
    let back = local_path(form.text("back"), "/").to_owned();
    let [theme, sidebar] = set_taste(&transport(&state), theme, sidebar);
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, back)]).into_response();
    for cookie in [theme, sidebar] {
        let cookie = http::HeaderValue::try_from(cookie);
        response
            .headers_mut()
            .extend(cookie.ok().map(|cookie| (SET_COOKIE, cookie)));
    }
    response
}
