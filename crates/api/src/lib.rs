//! The HTTP API: JSON in, JSON out. All routes stand in one list (`routes.rs`), from which both the router and the
//! OpenAPI document are made. Nothing here decides: actions do, and the store is only read.

mod accept;
mod alert_sources;
mod answer;
mod api_keys;
mod audit;
mod auth;
mod body;
mod cors;
mod cursor;
mod deliveries;
mod escalation_policies;
mod events;
mod examples;
mod export_routes;
pub mod exports;
mod failures;
mod guard;
mod health;
mod incident_bulk;
mod incident_routes;
mod incidents;
mod insights;
mod metrics;
mod openapi;
mod outgoing;
mod own_session;
pub mod problem;
mod query;
mod receiver_links;
mod recovery;
mod route;
mod routes;
mod services;
mod source_routes;
mod state;
mod stream;
mod stream_tokens;
mod system;
mod system_check;
mod system_routes;
mod ticket_routes;
mod tickets;
mod users;
mod webhook_view;
mod webhooks;
mod words;

use std::any::Any;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, Collected};
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use crate::guard::Location;
use crate::problem::{Code, PROBLEM_JSON, Problem, with_address};
use crate::route::{Route, Verb};

pub use own_session::{Person, read_as};
pub use state::{ApiParts, ApiSettings, ApiState};

/// What the paths of the API begin with, but for those of health and metrics.
const PATH_PREFIX: &str = "/api/";

/// The API as a router, ready to be served with connect info (the client's address). What does not belong to it goes to
/// `others`: the pages.
pub fn router(state: ApiState, others: Router) -> Router {
    let mut router = Router::new();
    for route in located_routes() {
        router = route.add_to(router, &state);
    }
    let other = |request: Request| async move {
        if request.uri().path().starts_with(PATH_PREFIX) {
            return Problem::plain(Code::UnknownRoute).into_response();
        }
        others.oneshot(request).await.into_response()
    };
    let router = router
        .fallback(other)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state.clone())
        .layer(CatchPanicLayer::custom(panicked));
    let router = match state.settings.public_url {
        Some(_) => router.layer(from_fn_with_state(state.clone(), lead_home)),
        None => router,
    };
    match state.settings.cors_origins.is_empty() {
        true => router,
        false => router.layer(from_fn_with_state(state, cors::share)),
    }
}

/// Makes the `type` of a problem whole, if the server knows under which address people reach it. A kept answer is given
/// with today's address, too.
async fn lead_home(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value == PROBLEM_JSON);
    let Some(url) = state.settings.public_url.as_ref().filter(|_| is_problem) else {
        return response;
    };
    let (mut parts, body) = response.into_parts();
    // It lies in memory already: there is nothing to bound.
    let Ok(body) = body.collect().await.map(Collected::to_bytes) else {
        return Problem::plain(Code::Internal).into_response();
    };
    let whole = with_address(url.as_str().trim_end_matches('/'), &body);
    if whole.is_some() {
        parts.headers.remove(CONTENT_LENGTH);
    }
    Response::from_parts(parts, whole.map_or_else(|| Body::from(body), Body::from))
}

/// Every route, and where that can be read which it creates.
fn located_routes() -> Vec<Route> {
    let mut routes = routes::all();
    let readable: Vec<_> = routes
        .iter()
        .filter(|route| route.verb == Verb::Get)
        .map(|route| route.path)
        .collect();
    for route in routes.iter_mut().filter(|route| route.verb == Verb::Post) {
        let one = format!("{}/{{id}}", route.path);
        route.rule.location = match readable.contains(&one.as_str()) {
            true => Location::AtId,
            false if readable.contains(&route.path) => Location::InList,
            false => Location::None,
        };
    }
    routes
}

/// The OpenAPI 3.1 document.
pub fn openapi_document() -> serde_json::Value {
    openapi::document(&routes::all())
}

async fn method_not_allowed() -> Problem {
    Problem::plain(Code::MethodNotAllowed)
}

// The layer passes the payload by value.
#[expect(clippy::needless_pass_by_value)]
fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("unknown"), "a request panicked: a bug");
    Problem::plain(Code::Internal).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use http::Request;

    use super::*;

    async fn panicking() {
        panic!("a bug");
    }

    #[tokio::test]
    async fn a_panic_is_answered_as_an_internal_error_without_its_text() {
        let router: Router = Router::new().route("/", get(panicking));
        let router = router.layer(CatchPanicLayer::custom(panicked));
        let response = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = body::read(response.into_body()).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains("internal_error") && !text.contains("a bug"));
    }
}
