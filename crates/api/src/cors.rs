//! Which other sites' pages may read the feed and its stream (CORS, Fetch Standard § 3.2): those whose origin the settings name, and
//! nothing else than these two routes. Cookies are never meant: a page brings a key.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderValue, Method, StatusCode};

use crate::state::ApiState;

/// What pages of other sites may read.
const PATHS: [&str; 2] = ["/api/v1/events", "/api/v1/events/stream"];
/// What they may send with it beside what they always may.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("authorization, last-event-id");
/// What they may see of an answer's head beside what they always may.
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static("retry-after, x-opsknight-next-cursor");
/// For how long browsers need not ask again, in seconds.
const MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("600");

/// Answers browsers that ask beforehand, and says of each answer who may read it.
pub async fn share(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    if !PATHS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let named = &state.settings.cors_origins;
    let origin = request.headers().get(ORIGIN).cloned();
    let origin = origin.filter(|origin| named.iter().any(|named| named.as_bytes() == origin.as_bytes()));
    let is_asked_beforehand =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match &origin {
        Some(_) if is_asked_beforehand => permission(),
        Some(_) | None => next.run(request).await,
    };
    let headers = response.headers_mut();
    // Whoever keeps the answer must not give one site's to another.
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
    }
    response
}

fn permission() -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET")),
        (ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}
