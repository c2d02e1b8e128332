//! Signing in and out.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Redirect};
use http::HeaderMap;
use http::header::{LOCATION, SET_COOKIE, USER_AGENT};

use crate::guard::{check_keeps_cookies, transport};
use crate::layout::error::{PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::query::Query;
use crate::layout::{Layout, local_path, render, render_with};
use crate::people::code::CodePage;
use crate::session::{Anybody, RequestContext, UserSession, cookie};
use crate::state::{ACCOUNT_ANYWHERE_LIMIT, ACCOUNT_LIMIT, WebState};
use actions::password::Asker;
use actions::people::{Origin, SignInError, SignedIn};
use actions::second_factor::Proven;
use model::client_address::ClientAddress;
use model::session::SESSION_LIFETIME;
use store::budgets::Budget;
use store::log_store_failure;
use url::form_urlencoded;

/// The page on which people sign in.
#[derive(Template)]
#[template(path = "people/sign_in.html")]
pub struct SignInPage {
    layout: Layout,
    next: String,
    email: String,
    mistake: Option<String>,
    /// Whether nobody can sign in yet.
    is_new: bool,
    /// The provider that people may sign in by, as pages call it.
    provider: Option<String>,
    /// Whether passwords are for a few people only.
    hides_passwords: bool,
    /// Whether a forgotten password is mended by mail.
    sends_mail: bool,
    /// Where passkeys work: scheme, host and port of the pages.
    passkeys: Option<String>,
}

impl SignInPage {
    fn new(state: &WebState, context: &RequestContext, next: String) -> Self {
        let provider = state.single_sign_on.as_ref();
        Self {
            layout: Layout::open("Sign in", context),
            next,
            email: String::new(),
            mistake: None,
            is_new: false,
            sends_mail: state.actions.sends_mail(),
            passkeys: state
                .passkeys
                .as_ref()
                .ok()
                .map(|party| party.origin().to_owned()),
            provider: provider.map(|provider| provider.name.clone()),
            hides_passwords: provider.is_some_and(|provider| provider.replaces_passwords),
        }
    }

    /// The page after a sign-in came to nothing that would have led to this page.
    pub fn refused(state: &WebState, context: &RequestContext, next: String, mistake: String) -> Self {
        let mut page = Self::new(state, context, next);
        page.mistake = Some(mistake);
        page
    }

    /// The page as an answer.
    pub fn answer(&self, status: http::StatusCode) -> axum::response::Response {
        render_with(status, self)
    }

    /// The page's address at the provider's button, with the page to be led back to.
    fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("next", &self.next)
            .finish()
    }
}

/// `GET /sign-in`
pub async fn page(
    State(state): State<WebState>,
    Anybody(session): Anybody,
    context: RequestContext,
    query: Query,
) -> PageResult {
    let next = local_path(query.text("next"), "/").to_owned();
    if session.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let mut page = SignInPage::new(&state, &context, next);
    page.is_new = page.provider.is_none() && state.actions.needs_first_admin().await?;
    render(&page)
}

/// `POST /sign-in`
pub async fn sign_in(
    State(state): State<WebState>,
    _: KeepsCookies,
    origin: SignInOrigin,
    context: RequestContext,
    headers: HeaderMap,
    form: Form,
) -> PageResult {
    let next = local_path(form.text("next"), "/").to_owned();
    let email = form.text("email").to_owned();
    let refused = |status, mistake: String| {
        let mut page = SignInPage::new(&state, &context, next.clone());
        page.email.clone_from(&email);
        page.mistake = Some(mistake);
        Ok(page.answer(status))
    };
    let device = known_device(&state, &headers, &email).await?;
    let attempt = match Attempt::begin(&state, origin.address, &email, device).await? {
        Ok(attempt) => attempt,
        Err(wait) => {
            tracing::warn!(address = %origin.address, "too many failed sign-ins: refused without looking");
            let seconds = wait.as_millis().div_ceil(1000);
            let mistake = format!("Too many failed attempts. Try again in {seconds} seconds.");
            return refused(http::StatusCode::TOO_MANY_REQUESTS, mistake);
        }
    };
    let password = form.raw("password").to_owned();
    let signing_in = state
        .actions
        .sign_in(email.clone(), password, origin.of(), attempt.asker);
    match signing_in.await {
        Ok(proven) => {
            attempt.give_back(&state).await;
            go_on(&state, &context, proven, &next)
        }
        Err(SignInError::Refused) => {
            tracing::info!(address = %origin.address, "a sign-in was refused");
            let mistake = "The address or the password is wrong.".to_owned();
            refused(http::StatusCode::UNAUTHORIZED, mistake)
        }
        Err(SignInError::Failed(error)) => {
            attempt.give_back(&state).await;
            Err(error.into())
        }
    }
}

/// Lets somebody in who has shown a password or a link, or asks for the code of their device.
pub fn go_on(state: &WebState, context: &RequestContext, proven: Proven, next: &str) -> PageResult {
    match proven {
        Proven::SignedIn(tokens) => Ok(signed_in(state, &tokens, next)),
        Proven::NeedsCode(token) => render(&CodePage::new(context, token.reveal(), next)),
    }
}

/// The device that somebody tries to sign in with, if they have signed in with it before.
async fn known_device(
    state: &WebState,
    headers: &HeaderMap,
    email: &str,
) -> Result<Option<String>, PageError> {
    let Some(token) = cookie(headers, transport(state).device_cookie()) else {
        return Ok(None);
    };
    let is_known = state.actions.knows_device(email.to_owned(), token).await?;
    // Hexadecimal digits have two spellings: one device must not count as many.
    Ok(is_known.then(|| token.to_ascii_lowercase()))
}

/// One try to sign in, counted before the password is looked at: many at once, on however many nodes, are not more than
/// one after the other.
struct Attempt {
    asker: Asker,
    /// What it has taken.
    budgets: Vec<Budget>,
}

impl Attempt {
    /// Counts it, by a known device as long as that has not failed too often itself: what others do does not count then.
    /// Or says how long to wait.
    async fn begin(
        state: &WebState,
        address: ClientAddress,
        email: &str,
        device: Option<String>,
    ) -> Result<Result<Self, Duration>, PageError> {
        let (budgets, now) = (&state.store.budgets, state.source.now());
        if let Some(device) = device {
            let device = vec![Budget::new("device", &device, ACCOUNT_LIMIT)];
            if budgets.spend(device.clone(), now).await?.is_none() {
                return Ok(Ok(Self {
                    asker: Asker::Known,
                    budgets: device,
                }));
            }
        }
        let (account, network) = (email.to_ascii_lowercase(), address.network().to_string());
        let here = format!("{account}\n{network}");
        // All or none: whoever one of them stops takes nothing from the others.
        let elsewhere = vec![
            Budget::new("network", &network, state.settings.failure_limit),
            Budget::new("account from a network", &here, ACCOUNT_LIMIT),
            Budget::new("account", &account, ACCOUNT_ANYWHERE_LIMIT),
        ];
        Ok(match budgets.spend(elsewhere.clone(), now).await? {
            Some(wait) => Err(wait),
            None => Ok(Self {
                asker: Asker::Stranger,
                budgets: elsewhere,
            }),
        })
    }

    /// It has not failed.
    async fn give_back(self, state: &WebState) {
        let given = state.store.budgets.give_back(self.budgets, state.source.now());
        if let Err(error) = given.await {
            log_store_failure!(error, "a sign-in that did not fail counts as one that did");
        }
    }
}

/// One try to sign in with what cannot be guessed, counted by the network address only, before anything is looked at.
pub struct NetworkAttempt(Vec<Budget>);

impl NetworkAttempt {
    /// Counts it, or answers with a sentence that says how long to wait.
    pub async fn begin(state: &WebState, origin: &SignInOrigin) -> Result<Result<Self, String>, PageError> {
        let network = origin.address.network().to_string();
        let budget = vec![Budget::new("network", &network, state.settings.failure_limit)];
        let spent = state.store.budgets.spend(budget.clone(), state.source.now());
        Ok(match spent.await? {
            Some(wait) => Err(format!(
                "Too many failed attempts. Try again in {} seconds.",
                wait.as_millis().div_ceil(1000)
            )),
            None => Ok(Self(budget)),
        })
    }

    /// It has not failed.
    pub async fn give_back(self, state: &WebState) {
        let given = state.store.budgets.give_back(self.0, state.source.now());
        if let Err(error) = given.await {
            log_store_failure!(error, "a sign-in that did not fail counts as one that did");
        }
    }
}

/// `POST /sign-out`
pub async fn sign_out(State(state): State<WebState>, session: UserSession) -> PageResult {
    let (user_id, session_id) = (session.user.id, session.session.id);
    state
        .actions
        .end_session(session.actor(), user_id, session_id)
        .await?;
    let cookie = transport(&state).set_session("", 0);
    let to_sign_in = [
        (LOCATION, "/sign-in?did=signed-out".to_owned()),
        (SET_COOKIE, cookie),
    ];
    Ok((http::StatusCode::SEE_OTHER, to_sign_in).into_response())
}

/// Hands the tokens of somebody who signed in to their browser, and leads on.
pub fn signed_in(state: &WebState, tokens: &SignedIn, next: &str) -> axum::response::Response {
    let transport = transport(state);
    let session = transport.set_session(tokens.session.reveal(), SESSION_LIFETIME.as_secs());
    let device = tokens.device.as_ref();
    let device = device.map(|token| AppendHeaders([(SET_COOKIE, transport.set_device(token.reveal()))]));
    let onwards = [(LOCATION, next.to_owned()), (SET_COOKIE, session)];
    (http::StatusCode::SEE_OTHER, onwards, device, ()).into_response()
}

/// The same answer, after which the browser no longer holds what it began to sign in with.
pub fn without_flow(state: &WebState, response: axum::response::Response) -> axum::response::Response {
    let ended = transport(state).set_flow("", 0);
    (AppendHeaders([(SET_COOKIE, ended)]), response).into_response()
}

/// A browser that will keep the cookie of a session.
pub struct KeepsCookies;

impl axum::extract::FromRequestParts<WebState> for KeepsCookies {
    type Rejection = PageError;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        state: &WebState,
    ) -> Result<Self, PageError> {
        check_keeps_cookies(state, &parts.headers).map(|()| Self)
    }
}

/// Where somebody who signs in comes from.
pub struct SignInOrigin {
    /// The network address, to count failures by.
    pub address: ClientAddress,
    agent: String,
}

impl SignInOrigin {
    /// The origin as sessions keep it.
    pub fn of(&self) -> Origin {
        Origin {
            address: self.address.to_string(),
            agent: self.agent.clone(),
        }
    }
}

impl<S: Sync> axum::extract::FromRequestParts<S> for SignInOrigin {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<Self, PageError> {
        let agent = |headers: &HeaderMap| {
            let value = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
            value.unwrap_or("unknown").to_owned()
        };
        Ok(Self {
            address: ClientAddress::of(&parts.extensions),
            agent: agent(&parts.headers),
        })
    }
}
