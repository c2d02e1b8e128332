//! Signing in and out.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect};
use http::HeaderMap;
use http::header::{LOCATION, SET_COOKIE, USER_AGENT};
use sha2::{Digest, Sha256};
use std::net::IpAddr;

use crate::actions::people::{Origin, SignInError};
use crate::client_address::ClientAddress;
use crate::limit::Refused;
use crate::model::secret::SecretText;
use crate::model::session::SESSION_LIFETIME;
use crate::web::error::{PageError, PageResult};
use crate::web::form::Form;
use crate::web::frame::{Frame, local_path, render, render_with};
use crate::web::guard::{check_keeps_cookies, transport};
use crate::web::query::Query;
use crate::web::state::WebState;
use crate::web::visitor::{Anybody, Look, Visitor};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    next: String,
    email: String,
    mistake: Option<String>,
    /// Whether nobody can sign in yet.
    is_new: bool,
}

/// `GET /sign-in`
pub async fn page(
    State(state): State<WebState>,
    Anybody(visitor): Anybody,
    look: Look,
    query: Query,
) -> PageResult {
    let next = local_path(query.text("next"), "/").to_owned();
    if visitor.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    render(&SignInPage {
        frame: Frame::open("Sign in", &look),
        next,
        email: String::new(),
        mistake: None,
        is_new: state.actions.needs_first_admin().await?,
    })
}

/// `POST /sign-in`
pub async fn sign_in(
    State(state): State<WebState>,
    _: KeepsCookies,
    origin: SignInOrigin,
    look: Look,
    form: Form,
) -> PageResult {
    let next = local_path(form.text("next"), "/").to_owned();
    let email = form.text("email").to_owned();
    let account = email.to_ascii_lowercase();
    let now_ms = state.source.monotonic_millis();
    let refused = |status, mistake: String| {
        let page = SignInPage {
            frame: Frame::open("Sign in", &look),
            next: next.clone(),
            email: email.clone(),
            mistake: Some(mistake),
            is_new: false,
        };
        Ok(render_with(status, &page))
    };
    let attempt = Attempt::of(&origin, &account);
    if let Err(limit) = attempt.take(&state, now_ms) {
        tracing::warn!(address = %origin.address, "too many failed sign-ins: refused without looking");
        let mistake = format!(
            "Too many failed attempts. Try again in {} seconds.",
            limit.wait_seconds
        );
        return refused(http::StatusCode::TOO_MANY_REQUESTS, mistake);
    }
    let password = form.raw("password").to_owned();
    match state.actions.sign_in(email.clone(), password, origin.of()).await {
        Ok((_, token)) => {
            attempt.give_back(&state);
            Ok(signed_in(&state, &token, &next))
        }
        Err(SignInError::Refused) => {
            tracing::info!(address = %origin.address, "a sign-in was refused");
            let mistake = "The address or the password is wrong.".to_owned();
            refused(http::StatusCode::UNAUTHORIZED, mistake)
        }
        Err(SignInError::Failed(error)) => {
            attempt.give_back(&state);
            Err(error.into())
        }
    }
}

/// One try to sign in, counted before the password is looked at: many at once are not more than one after the other.
struct Attempt {
    address: IpAddr,
    account: [u8; 32],
    account_here: [u8; 32],
}

impl Attempt {
    fn of(origin: &SignInOrigin, account: &str) -> Self {
        let here = format!("{account}\n{}", origin.address);
        Self {
            address: origin.address,
            account: Sha256::digest(account).into(),
            account_here: Sha256::digest(here).into(),
        }
    }

    fn take(&self, state: &WebState, now_ms: i64) -> Result<(), Refused> {
        state.failures.take(self.address, now_ms)?;
        let limiters = [
            (&state.account_failures, self.account_here),
            (&state.account_failures_anywhere, self.account),
        ];
        limiters
            .into_iter()
            .try_for_each(|(limiter, key)| limiter.take(key, now_ms))
    }

    fn give_back(&self, state: &WebState) {
        state.failures.give_back(&self.address);
        state.account_failures.give_back(&self.account_here);
        state.account_failures_anywhere.give_back(&self.account);
    }
}

/// `POST /sign-out`
pub async fn sign_out(State(state): State<WebState>, visitor: Visitor) -> PageResult {
    let (user_id, session_id) = (visitor.user.id, visitor.session.id);
    state
        .actions
        .end_session(visitor.actor(), user_id, session_id)
        .await?;
    let cookie = transport(&state).set_session("", 0);
    let to_sign_in = [
        (LOCATION, "/sign-in?did=signed-out".to_owned()),
        (SET_COOKIE, cookie),
    ];
    Ok((http::StatusCode::SEE_OTHER, to_sign_in).into_response())
}

/// Hands a new session's token to the browser, and leads on.
pub fn signed_in(state: &WebState, token: &SecretText, next: &str) -> axum::response::Response {
    let cookie = transport(state).set_session(token.reveal(), SESSION_LIFETIME.as_secs());
    let onwards = [(LOCATION, next.to_owned()), (SET_COOKIE, cookie)];
    (http::StatusCode::SEE_OTHER, onwards).into_response()
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
    pub address: IpAddr,
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
