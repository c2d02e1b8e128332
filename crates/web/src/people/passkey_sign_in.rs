//! Signing in by a passkey: the question for the browser, and its answer. Both must be of one browser, which a cookie for minutes says.

use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use crate::guard::transport;
use crate::layout::error::{PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::local_path;
use crate::people::passkeys::{options, party};
use crate::people::sign_in::{
    KeepsCookies, NetworkAttempt, SignInOrigin, SignInPage, signed_in, without_flow,
};
use crate::session::{RequestContext, cookie};
use crate::state::WebState;
use actions::passkeys::PasskeySignInError;
use passkeys::{Assertion, CHALLENGE_LIFETIME};

/// `POST /sign-in/passkey/options`: what the browser is asked, for the script of the sign-in page.
pub async fn begin(State(state): State<WebState>, _: KeepsCookies) -> PageResult {
    let party = party(&state)?;
    let browser = hex::encode(state.source.random::<32>());
    let asked = options(&state.actions.passkey_options(party, &browser));
    let cookie = transport(&state).set_flow(&browser, CHALLENGE_LIFETIME.as_secs());
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), asked).into_response())
}

/// `POST /sign-in/passkey`: what the browser has answered.
pub async fn sign_in(
    State(state): State<WebState>,
    _: KeepsCookies,
    origin: SignInOrigin,
    context: RequestContext,
    headers: HeaderMap,
    form: Form,
) -> PageResult {
    let party = party(&state)?;
    let next = local_path(form.text("next"), "/").to_owned();
    let refused = |status, mistake: String| {
        let page = SignInPage::refused(&state, &context, next.clone(), mistake);
        Ok(without_flow(&state, page.answer(status)))
    };
    let attempt = match NetworkAttempt::begin(&state, &origin).await? {
        Ok(attempt) => attempt,
        Err(mistake) => return refused(StatusCode::TOO_MANY_REQUESTS, mistake),
    };
    let browser = cookie(&headers, transport(&state).flow_cookie()).unwrap_or_default();
    let given = Assertion::read(|field| form.text(field));
    let came_of_it = match &given {
        Some(given) => {
            state
                .actions
                .sign_in_with_passkey(party, browser, given, origin.of())
                .await
        }
        None => Err(PasskeySignInError::Refused),
    };
    match came_of_it {
        Ok(tokens) => {
            attempt.give_back(&state).await;
            Ok(without_flow(&state, signed_in(&state, &tokens, &next)))
        }
        Err(PasskeySignInError::Stale) => {
            let mistake =
                "This sign-in was begun in another browser, too long ago, or is finished. Begin again.";
            refused(StatusCode::UNAUTHORIZED, mistake.to_owned())
        }
        Err(PasskeySignInError::Refused) => {
            tracing::info!(address = %origin.address, "a sign-in by a passkey was refused");
            let mistake =
                "This passkey is not accepted here. Sign in in another way, or ask an administrator.";
            refused(StatusCode::UNAUTHORIZED, mistake.to_owned())
        }
        Err(PasskeySignInError::Failed(error)) => {
            attempt.give_back(&state).await;
            Err(PageError::from(error))
        }
    }
}
