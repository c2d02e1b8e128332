//! What happens to every request before and after its route: who calls, may they, how often, and idempotency keys.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_ENCODING, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use model::digest::sha256;

use crate::answer::{CreatedId, answer_to_response, repeated};
use crate::auth::{authenticate, count_failure};
use crate::body::{MAX_BODY_BYTES, read};
use crate::problem::{Code, Problem};
use crate::state::ApiState;
use crate::stream_tokens;
use model::access::Scope;
use model::client_address::ClientAddress;
use store::incidents::Committed;
use store::log_store_failure;
use store::receipts::{Answer, MAX_KEY_BYTES, Receipt, ReceiptState};
use telemetry::StateLabel;

/// The header that makes a POST safe to repeat.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// How often the store is told what came of a key, if it cannot take it.
const MAX_SETTLE_TRIES: u32 = 10;
/// How long to wait before telling it again.
const SETTLE_PAUSE: Duration = Duration::from_millis(500);

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// Everybody, and their failures are counted: the route checks a token of its own.
    OwnToken,
    /// Keys with a scope.
    Scope(Scope),
    /// Keys with a scope, and tokens that were made with one.
    Stream(Scope),
    /// Keys with a scope, or everybody if the settings say so.
    Metrics(Scope),
}

/// How a route keeps its answers for repeated requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repetition {
    /// It does not.
    NotKept,
    /// In the transaction of its change.
    KeptByStore,
    /// Around the route.
    KeptAround,
}

/// What becomes of a key that is restricted to services or events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restricted {
    /// It is not let in.
    Refused,
    /// The route shows only what the restriction admits.
    Filtered,
}

/// What the guard does for one route.
#[derive(Debug, Clone, Copy)]
pub struct RoutePolicy {
    /// Who may call it.
    pub access: Access,
    /// What becomes of restricted keys.
    pub restricted: Restricted,
    /// How it keeps its answers.
    pub repetition: Repetition,
    /// Where that can be read which it creates.
    pub location: Location,
}

/// Where that can be read which a route creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// Nowhere, or it creates nothing.
    None,
    /// In the list to which it was sent.
    InList,
    /// At its id in that list.
    AtId,
}

/// The idempotency key of the request at hand, if its route keeps it in the transaction.
#[derive(Clone, Default)]
pub struct RequestKey(Option<KeyOfRequest>);

#[derive(Clone)]
struct KeyOfRequest {
    owner: String,
    key: String,
    request_hash: [u8; 32],
}

impl RequestKey {
    /// The receipt for the store.
    pub fn into_receipt(self, render: fn(&Committed) -> Answer) -> Option<Receipt> {
        self.0.map(|key| Receipt {
            owner: key.owner,
            key: key.key,
            request_hash: key.request_hash,
            render,
        })
    }
}

impl<S: Sync> FromRequestParts<S> for RequestKey {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.remove::<Self>().unwrap_or_default())
    }
}

/// Guards one route.
pub async fn guard(
    State((state, rule)): State<(ApiState, RoutePolicy)>,
    request: Request,
    next: Next,
) -> Response {
    let path = (rule.location != Location::None).then(|| request.uri().path().to_owned());
    let client = ClientAddress::of(request.extensions());
    let mut response = match authorize(&state, rule, request, client).await {
        Ok(Admitted::Through(request)) => next.run(request).await,
        Ok(Admitted::Keyed(request, key)) => run_keyed(state.clone(), request, key, next).await,
        Err(problem) => problem.into_response(),
    };
    if let Some(path) = path.filter(|_| response.status() == StatusCode::CREATED) {
        add_location(rule.location, path, &mut response);
    }
    // Counted behind the route: the failures of others must not refuse a token that is right.
    if rule.access == Access::OwnToken
        && response.status() == StatusCode::FORBIDDEN
        && let Err(too_many) = count_failure(&state, client)
    {
        response = too_many.into_response();
    }
    count(&state, response.status());
    response
}

enum Admitted {
    Through(Request),
    Keyed(Request, KeyOfRequest),
}

async fn authorize(
    state: &ApiState,
    rule: RoutePolicy,
    mut request: Request,
    client: ClientAddress,
) -> Result<Admitted, Problem> {
    check_encoding(request.headers())?;
    let scope = match rule.access {
        Access::Open | Access::OwnToken => return Ok(Admitted::Through(request)),
        Access::Metrics(_) if state.settings.metrics_are_public => return Ok(Admitted::Through(request)),
        Access::Scope(scope) | Access::Stream(scope) | Access::Metrics(scope) => scope,
    };
    let token = match rule.access {
        Access::Stream(_) => stream_tokens::given(request.uri()),
        Access::Open | Access::OwnToken | Access::Scope(_) | Access::Metrics(_) => None,
    };
    let caller = match token {
        Some(text) => {
            let (caller, token) = stream_tokens::authenticate(state, &text, client).await?;
            request.extensions_mut().insert(token);
            caller
        }
        None => authenticate(state, request.headers(), client).await?,
    };
    caller.must_have(scope)?;
    if rule.restricted == Restricted::Refused && !caller.0.restriction.is_none() {
        return Err(Problem::plain(Code::RestrictedKey));
    }
    let limited = state
        .key_limits
        .take(caller.0.id, state.source.monotonic_millis());
    limited.map_err(|refused| Problem::plain(Code::RateLimited).retry_after(refused.wait_seconds))?;
    let owner = caller.0.id;
    request.extensions_mut().insert(caller);
    if request.method() != Method::POST || rule.repetition == Repetition::NotKept {
        return Ok(Admitted::Through(request));
    }
    let Some(key) = idempotency_key(request.headers())? else {
        return Ok(Admitted::Through(request));
    };
    let (mut request, request_hash) = hash(request).await?;
    let key = KeyOfRequest {
        owner: owner.to_string(),
        key,
        request_hash,
    };
    if rule.repetition == Repetition::KeptAround {
        return Ok(Admitted::Keyed(request, key));
    }
    request.extensions_mut().insert(RequestKey(Some(key)));
    Ok(Admitted::Through(request))
}

/// Bodies are taken as they are: nothing here unpacks one.
fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            let detail =
                "the body is packed (Content-Encoding), which this server does not unpack: send it as it is";
            Err(Problem::new(Code::UnsupportedMediaType, detail))
        }
        Some(_) | None => Ok(()),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > MAX_KEY_BYTES {
        return Err(Problem::plain(Code::InvalidIdempotencyKey));
    }
    Ok(Some(text.to_owned()))
}

/// Hashes method, path with query, and body; gives the request back with its body.
async fn hash(request: Request) -> Result<(Request, [u8; 32]), Problem> {
    let (parts, body) = request.into_parts();
    let bytes = read(body).await?;
    let (method, path) = (parts.method.as_str(), parts.uri.path_and_query());
    let path = path.map_or("", |path| path.as_str());
    // Each with its length before it: what one ends with must not pass for what the next begins with.
    let lengths = [method.len(), path.len(), bytes.len()].map(usize::to_be_bytes);
    let hash = sha256([
        &lengths[0],
        method.as_bytes(),
        &lengths[1],
        path.as_bytes(),
        &lengths[2],
        &bytes,
    ]);
    Ok((Request::from_parts(parts, Body::from(bytes)), hash))
}

/// Runs a request under its idempotency key, in a task of its own from the reservation on: a client that goes away
/// must not leave the key reserved for ever.
async fn run_keyed(state: ApiState, request: Request, key: KeyOfRequest, next: Next) -> Response {
    let task = tokio::spawn(async move {
        match reserve(&state, &key).await {
            Ok(Reserved::New) => {}
            Ok(Reserved::Answered(response)) => return response,
            Err(problem) => return problem.into_response(),
        }
        let response = tokio::spawn(next.run(request)).await;
        let response = response.unwrap_or_else(|_| Problem::plain(Code::Internal).into_response());
        keep(&state, &key, response).await
    });
    task.await
        .unwrap_or_else(|_| Problem::plain(Code::Internal).into_response())
}

enum Reserved {
    New,
    Answered(Response),
}

async fn reserve(state: &ApiState, key: &KeyOfRequest) -> Result<Reserved, Problem> {
    let now = state.source.now();
    let receipts = &state.store.receipts;
    let known = receipts.begin(key.owner.clone(), key.key.clone(), key.request_hash, now);
    match known.await? {
        ReceiptState::New => Ok(Reserved::New),
        ReceiptState::Answered(answer) => Ok(Reserved::Answered(repeated(answer))),
        ReceiptState::InProgress => Err(Problem::plain(Code::IdempotencyInProgress).retry_after(1)),
        ReceiptState::Misused => Err(Problem::plain(Code::IdempotencyKeyReused)),
    }
}

/// Keeps an answer, or forgets the key if the same request may do better another time.
async fn keep(state: &ApiState, key: &KeyOfRequest, response: Response) -> Response {
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        settle(state, key, None).await;
        return response;
    }
    let limit = 16 * MAX_BODY_BYTES;
    let body = axum::body::to_bytes(response.into_body(), limit).await;
    let answer = Answer {
        status: status.as_u16(),
        body: body.map(|bytes| bytes.to_vec()).unwrap_or_default(),
    };
    settle(state, key, Some(&answer)).await;
    answer_to_response(answer)
}

/// Tells the store what came of a reserved key: its answer, or nothing. The change is made and this client gets its
/// answer whatever the store says now, so that a refusal is only logged.
async fn settle(state: &ApiState, key: &KeyOfRequest, answer: Option<&Answer>) {
    let receipts = &state.store.receipts;
    let mut tries = 0;
    loop {
        let (owner, name) = (key.owner.clone(), key.key.clone());
        let settled = match answer {
            Some(answer) => receipts.finish(owner, name, answer.clone()).await,
            None => receipts.forget(owner, name).await,
        };
        tries += 1;
        match settled {
            Ok(()) => return,
            Err(_) if tries < MAX_SETTLE_TRIES => tokio::time::sleep(SETTLE_PAUSE).await,
            Err(error) => {
                log_store_failure!(
                    error,
                    "an idempotency key stays reserved until the server starts again"
                );
                return;
            }
        }
    }
}

/// Says where that is which a POST has created.
fn add_location(location: Location, list: String, response: &mut Response) {
    let id = response.extensions_mut().remove::<CreatedId>();
    let path = match (location, id) {
        (Location::AtId, Some(CreatedId { id })) => format!("{list}/{id}"),
        (Location::AtId | Location::InList, _) => list,
        (Location::None, _) => return,
    };
    if let Ok(path) = HeaderValue::try_from(path) {
        response.headers_mut().insert(LOCATION, path);
    }
}

fn count(state: &ApiState, status: StatusCode) {
    let class = match status.as_u16() {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    state
        .metrics
        .api_requests
        .get_or_create(&StateLabel { state: class })
        .inc();
}

/// Marks an answer as one that was given before.
pub fn mark_as_repeated(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
}
