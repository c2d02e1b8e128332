//! Reads of the API by people who are signed in to the pages: the routes' own functions, with the rights of a role and without a key.
//! Only what answers with JSON to a GET; what is changed, streamed or exported needs a key.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Uri;
use tower::ServiceExt;

use crate::auth::Caller;
use crate::guard::Access;
use crate::problem::{Code, Problem};
use crate::route::{Route, Verb};
use crate::routes;
use crate::state::ApiState;
use model::access::{Scope, ScopeSet};
use model::audit::Actor;
use model::id::UserId;

const JSON: &str = "application/json";

/// Somebody who is signed in.
pub struct Person {
    pub id: UserId,
    pub actor: Actor,
    /// What their role may do.
    pub scopes: ScopeSet,
}

/// Answers an address of the API as a key with the person's rights would be answered. People have a key's limit on requests.
pub async fn read_as(state: ApiState, person: Person, uri: Uri) -> Response {
    let caller = Caller::of_person(person.id, person.actor, person.scopes);
    let mut router = Router::new().fallback(async || Problem::plain(Code::UnknownRoute));
    for route in routes::all() {
        if let Some(scope) = scope_to_read(&route) {
            router = route.add_to_reads(router, &state, scope);
        }
    }
    let Ok(mut request) = Request::get(uri).body(Body::empty()) else {
        return Problem::plain(Code::UnknownRoute).into_response();
    };
    request.extensions_mut().insert(caller);
    let answered = router.with_state(state).oneshot(request).await;
    answered.into_response()
}

/// The scope that a route needs which can be read so.
fn scope_to_read(route: &Route) -> Option<Scope> {
    let is_json = route.answers.iter().all(|answer| answer.media_type == Some(JSON));
    match route.rule.access {
        Access::Scope(scope) if route.verb == Verb::Get && is_json => Some(scope),
        Access::Scope(_) | Access::Open | Access::OwnToken | Access::Stream(_) | Access::Metrics(_) => None,
    }
}

/// Lets somebody read whose role has a route's scope.
pub async fn admit(
    State((state, scope)): State<(ApiState, Scope)>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    caller.must_have(scope)?;
    let limited = state
        .key_limits
        .take(caller.0.id, state.source.monotonic_millis());
    limited.map_err(|refused| Problem::plain(Code::RateLimited).retry_after(refused.wait_seconds))?;
    Ok(next.run(request).await)
}

impl Caller {
    /// A person in the place of a key. Nobody finds it among the keys: it has no hash.
    fn of_person(id: UserId, actor: Actor, scopes: ScopeSet) -> Self {
        Self(Arc::new(crate::auth::CallerKey::of_person(id, actor, scopes)))
    }
}
