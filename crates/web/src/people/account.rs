//! One's own account: password, sessions, light or dark.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{LOCATION, SET_COOKIE};

use crate::guard::transport;
use crate::layout::choices::Choice;
use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::query::PathId;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, go, local_path, render, render_refused};
use crate::session::{RequestContext, Sidebar, Theme, UserSession, set_preferences};
use crate::state::{ACCOUNT_LIMIT, WebState};
use actions::people::NewPassword;
use model::display::ClockFormat;
use model::id::{SessionId, UserId};
use model::identity::LinkedIdentity;
use model::session::Session;
use model::time::Timestamp;
use store::budgets::Budget;

/// One of somebody's sessions.
pub struct SessionRow {
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
    /// The row of a session, as the person sees it.
    pub fn new(row: Session, session: &UserSession) -> Self {
        let now = session.context.now;
        Self {
            id: row.id,
            is_this: row.id == session.session.id,
            seen: show::when(row.last_seen_at, now),
            began: show::when(row.created_at, now),
            agent: row.agent,
            address: row.address,
        }
    }
}

/// Who somebody is at a provider.
pub struct IdentityRow {
    /// The provider.
    pub issuer: String,
    /// When they last signed in so.
    pub used: Markup,
}

impl IdentityRow {
    /// The rows of a person's identities.
    pub async fn load(state: &WebState, id: UserId, now: Timestamp) -> Result<Vec<Self>, PageError> {
        let identities = state.store.identities.list(id).await?.into_iter();
        let row = |linked: LinkedIdentity| Self {
            issuer: linked.identity.issuer,
            used: show::when_or_dash(linked.last_used_at, now),
        };
        Ok(identities.map(row).collect())
    }
}

#[derive(Template)]
#[template(path = "people/account.html")]
struct AccountPage {
    layout: Layout,
    email: String,
    sessions: Vec<SessionRow>,
    /// The provider that people may sign in by, as pages call it.
    provider: Option<String>,
    identities: Vec<IdentityRow>,
    has_second_factor: bool,
    /// How many passkeys they have.
    passkeys: usize,
    zone: String,
    clocks: Vec<Choice>,
    errors: FieldErrors,
}

impl AccountPage {
    async fn load(state: &WebState, session: &UserSession, errors: FieldErrors) -> Result<Self, PageError> {
        let now = session.context.now;
        let sessions = state.store.sessions.list(session.user.id, now).await?;
        let layout = Layout::new(session, "Your account", Nav::Nowhere);
        Ok(Self {
            email: session.user.email.clone().unwrap_or_default(),
            sessions: sessions
                .into_iter()
                .map(|row| SessionRow::new(row, session))
                .collect(),
            provider: state
                .single_sign_on
                .as_ref()
                .map(|provider| provider.name.clone()),
            identities: IdentityRow::load(state, session.user.id, now).await?,
            zone: layout.zone.clone(),
            clocks: clock_choices(session.user.display.clock),
            layout,
            passkeys: state.store.passkeys.list(session.user.id).await?.len(),
            has_second_factor: state.store.second_factors.get(session.user.id).await?.is_some(),
            errors,
        })
    }
}

fn clock_choices(chosen: ClockFormat) -> Vec<Choice> {
    [
        (ClockFormat::Language, "As the browser's language has it"),
        (ClockFormat::Hours24, "24 hours: 13:00"),
        (ClockFormat::Hours12, "12 hours: 1:00 pm"),
    ]
    .map(|(clock, name)| Choice::new(clock.as_str(), name, chosen.as_str()))
    .into()
}

/// `POST /account/times`
pub async fn set_times(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    let (zone, clock) = (form.text("timeZone"), ClockFormat::parse(form.text("clock")));
    match state.actions.set_time_display(&session.user, zone, clock).await {
        Ok(()) => go("/account", "saved"),
        Err(error) => {
            let errors = FieldErrors::of(error)?;
            let mut page = AccountPage::load(&state, &session, errors).await?;
            page.zone = zone.to_owned();
            page.clocks = clock_choices(clock);
            render_refused(&page)
        }
    }
}

/// `GET /account`
pub async fn page(State(state): State<WebState>, session: UserSession) -> PageResult {
    render(&AccountPage::load(&state, &session, FieldErrors::default()).await?)
}

/// `POST /account/password`
pub async fn change_password(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    let budget = Budget::new("present password", &session.user.id.to_string(), ACCOUNT_LIMIT);
    let spent = state.store.budgets.spend(vec![budget], session.context.now);
    if spent.await?.is_some() {
        return Err(PageError::too_many("too many attempts to change the password"));
    }
    let new = NewPassword {
        password: form.raw("password").to_owned(),
        again: form.raw("passwordAgain").to_owned(),
    };
    let present = form.raw("present").to_owned();
    match state.actions.change_password(&session.user, present, new).await {
        Ok(()) => go("/sign-in", "password-changed"),
        Err(error) => {
            let errors = FieldErrors::of(error)?;
            render_refused(&AccountPage::load(&state, &session, errors).await?)
        }
    }
}

/// `POST /account/sessions/{id}/end`
pub async fn end_session(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<SessionId>,
) -> PageResult {
    let user_id = session.user.id;
    state.actions.end_session(session.actor(), user_id, id).await?;
    go("/account", "ended")
}

/// `POST /appearance`: light or dark, wide or narrow. Everybody may: it is kept in their browser only.
pub async fn set_appearance(State(state): State<WebState>, context: RequestContext, form: Form) -> Response {
    let theme = match form.text("theme") {
        "" => context.theme,
        text => Theme::parse(text),
    };
    let sidebar = match form.text("sidebar") {
        "" => context.sidebar,
        text => Sidebar::parse(text),
    };
    let back = local_path(form.text("back"), "/").to_owned();
    let [theme, sidebar] = set_preferences(&transport(&state), theme, sidebar);
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, back)]).into_response();
    for cookie in [theme, sidebar] {
        let cookie = http::HeaderValue::try_from(cookie);
        response
            .headers_mut()
            .extend(cookie.ok().map(|cookie| (SET_COOKIE, cookie)));
    }
    response
}
