//! Calls of platforms to us: `POST /inbound/{kind}/{webhook}`, and the alerts of senders ([`source_door`]). Whom to believe and what to do say the adapter and the
//! action; here only lives what HTTP needs: limits, statuses. Must answer quickly: Slack gives it three seconds.

pub mod source_door;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::source_door::{Fetcher, SourceDoors};
use actions::Actions;
use actions::chat::CallRefusal;
use clock::Env;
use limit::shared::SharedLimits;
use limit::{Limit, Limiter};
use model::client_address::{ClientAddress, ClientNetwork};
use model::id::WebhookId;

/// The largest call.
const MAX_CALL_BYTES: usize = 256 * 1024;
/// How long a platform may take to send one.
const CALL_DEADLINE: Duration = Duration::from_secs(5);
/// How many calls that are not believed one address may make.
const FAILURE_LIMIT: Limit = Limit {
    per_second: 0.5,
    burst: 30.0,
};
/// How many addresses are counted at a time.
const MAX_COUNTED: usize = 20_000;

/// What the doors for platforms need.
#[derive(Clone)]
pub struct InboundState(Arc<Parts>);

struct Parts {
    actions: Arc<Actions>,
    source: Env,
    failures: Arc<Limiter<ClientNetwork>>,
    sources: SourceDoors,
}

impl InboundState {
    /// Doors to these actions.
    pub fn new(actions: Arc<Actions>, source: Env, limits: &SharedLimits, fetcher: Box<dyn Fetcher>) -> Self {
        let failures = limits.limiter("inbound failures", FAILURE_LIMIT, MAX_COUNTED);
        Self(Arc::new(Parts {
            actions,
            source,
            failures,
            sources: SourceDoors::new(fetcher),
        }))
    }
}

/// The doors as a router, to be merged with the pages.
pub fn router(state: InboundState) -> Router {
    Router::new()
        .route("/inbound/{kind}/{webhook}", post(receive))
        .merge(source_door::routes())
        .with_state(state)
}

async fn receive(
    State(state): State<InboundState>,
    Path((kind, webhook)): Path<(String, String)>,
    request: Request,
) -> Response {
    let network = ClientAddress::of(request.extensions()).network();
    let now_ms = state.0.source.monotonic_millis();
    let (parts, body) = request.into_parts();
    if parts
        .headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        return say(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the call is packed (Content-Encoding): send it as it is\n",
        );
    }
    let Ok(body) = read(body, MAX_CALL_BYTES, CALL_DEADLINE).await else {
        return say(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the call is too large or too slow\n",
        );
    };
    let Ok(webhook_id) = webhook.parse::<WebhookId>() else {
        return say(StatusCode::NOT_FOUND, "there is no such webhook\n");
    };
    let actions = &state.0.actions;
    match actions
        .receive_call(&kind, webhook_id, &parts.headers, &body)
        .await
    {
        Ok(reply) => {
            let content_type = HeaderValue::from_static(reply.content_type);
            let headers = [
                (CONTENT_TYPE, content_type),
                (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (StatusCode::OK, headers, reply.body).into_response()
        }
        Err(refusal) => {
            // Only calls without proof are counted: behind a proxy all platforms and all guessers are one address.
            let is_unproven = matches!(refusal, CallRefusal::NotBelieved | CallRefusal::NotFound);
            match is_unproven.then(|| state.0.failures.take(network, now_ms)) {
                Some(Err(refused)) => too_many(refused.wait_seconds),
                Some(Ok(())) | None => refuse(&refusal),
            }
        }
    }
}

/// Why a body was not read.
enum Unread {
    TooLarge,
    /// It took too long, or broke off.
    Broken,
}

async fn read(body: Body, max_bytes: usize, deadline: Duration) -> Result<Bytes, Unread> {
    let collected = Limited::new(body, max_bytes).collect();
    match tokio::time::timeout(deadline, collected).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
        Ok(Err(_)) | Err(_) => Err(Unread::Broken),
    }
}

fn refuse(refusal: &CallRefusal) -> Response {
    match refusal {
        CallRefusal::NotFound => say(StatusCode::NOT_FOUND, "there is no such webhook\n"),
        CallRefusal::NotBelieved => say(StatusCode::UNAUTHORIZED, "the call carries no valid proof\n"),
        CallRefusal::Unreadable => say(StatusCode::BAD_REQUEST, "the call cannot be read\n"),
        CallRefusal::Unavailable => {
            let mut response = say(StatusCode::SERVICE_UNAVAILABLE, "try again\n");
            let wait = HeaderValue::from_static("1");
            response.headers_mut().insert(RETRY_AFTER, wait);
            response
        }
    }
}

fn too_many(wait_seconds: u32) -> Response {
    let mut response = say(StatusCode::TOO_MANY_REQUESTS, "too many calls without proof\n");
    let wait = HeaderValue::from(wait_seconds);
    response.headers_mut().insert(RETRY_AFTER, wait);
    response
}

fn say(status: StatusCode, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, text).into_response()
}
