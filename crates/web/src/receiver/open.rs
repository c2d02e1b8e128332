//! Where a link to a receiver's page leads: changes its token for a cookie, so that no address that is shown, logged or shared later
//! holds it.

use axum::extract::{Path, State};
use axum::response::{AppendHeaders, IntoResponse, Redirect};
use http::header::SET_COOKIE;

use crate::guard::transport;
use crate::layout::error::{PageError, PageResult};
use crate::people::sign_in::SignInOrigin;
use crate::people::welcome::count_failure;
use crate::receiver::guard::keep_private;
use crate::state::WebState;

/// The address of a link, to be handed over.
pub fn address_of(base: &str, token: &str) -> String {
    format!("{base}/receiver/open/{token}")
}

/// `GET /receiver/open/{token}`
pub async fn open(
    State(state): State<WebState>,
    origin: SignInOrigin,
    token: Option<Path<String>>,
) -> PageResult {
    let token = token.map(|Path(token)| token).unwrap_or_default();
    let Some(link) = state.actions.use_receiver_link(&token).await? else {
        count_failure(&state, &origin)?;
        return Err(PageError::link_ended());
    };
    let lifetime = link.expires_at.since(state.source.now());
    let cookie = transport(&state).set_receiver(&link.id.to_string(), &token, lifetime.as_secs());
    let headers = AppendHeaders([(SET_COOKIE, cookie)]);
    let mut response = (headers, Redirect::to(&format!("/receiver/{}", link.id))).into_response();
    keep_private(&mut response);
    Ok(response)
}
