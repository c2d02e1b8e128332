//! Links to exports: the API's own, for who is signed in. The page's address chooses the rows; before each page of them it is
//! asked whether the session still holds and its role may read them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::Uri;

use crate::session::UserSession;
use crate::state::WebState;
use model::access::Scope;

/// Says whether the reader may still have it.
pub type MayRead = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;
/// Answers an address with an export.
pub type Export = Arc<dyn Fn(Uri, MayRead) -> BoxFuture<'static, Response> + Send + Sync>;

/// What pages export.
pub struct PageExports {
    pub incidents: Export,
    pub deliveries: Export,
}

/// `GET /incidents/export`
pub async fn incidents(State(state): State<WebState>, session: UserSession, uri: Uri) -> Response {
    let may_read = session_may_read(&state, &session, Scope::IncidentsRead);
    (state.exports.incidents)(uri, may_read).await
}

/// `GET /deliveries/export`
pub async fn deliveries(State(state): State<WebState>, session: UserSession, uri: Uri) -> Response {
    let may_read = session_may_read(&state, &session, Scope::DeliveriesRead);
    (state.exports.deliveries)(uri, may_read).await
}

fn session_may_read(state: &WebState, session: &UserSession, scope: Scope) -> MayRead {
    let (state, hash) = (state.clone(), session.session.hash);
    Box::new(move || {
        let state = state.clone();
        Box::pin(async move {
            let found = state.store.sessions.find(hash, state.source.now()).await;
            matches!(found, Ok(Some((_, user))) if user.role.scopes().contains(scope))
        })
    })
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    impl PageExports {
        /// Exports of nothing: what is exported is tested with the whole server.
        pub fn none() -> Self {
            let nothing = || -> Export { Arc::new(|_, _| Box::pin(async { "".into_response() })) };
            Self {
                incidents: nothing(),
                deliveries: nothing(),
            }
        }
    }
}
