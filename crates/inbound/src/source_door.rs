//! Alerts of senders: `/sources/{key}` with whatever a sender puts behind it, and the paths at the root of senders that take
//! only a host. Whose alerts they are and what becomes of them says the action; here only lives what HTTP needs: limits, and
//! what is fetched from elsewhere on the way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use url::Url;

use super::{InboundState, Unread, read};
use actions::alerts::{Fetched, SourceCall, SourceReply, refuse};
use limit::shares::Shares;
use model::client_address::{ClientAddress, ClientNetwork};
use sources::request::{Answer, Refusal, Refused};
use sources::{Format, MAX_BODY_BYTES};

/// How long a sender may take to send one request.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// How long a request may take until all of it is kept; its sender tries again after that, which does no harm.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);
/// How many requests whose key is known are in hand at a time, and how many of one source.
const MAX_KNOWN: usize = 64;
const MAX_OF_SOURCE: usize = 16;
/// How many requests whose key is not known yet are in hand at a time, and how many of one client.
const MAX_UNKNOWN: usize = 128;
const MAX_OF_CLIENT: usize = 8;
/// How long a request waits until there is room for it.
const ROOM_WAIT: Duration = Duration::from_secs(2);
/// How many things may be fetched for one request: a certificate, a confirmation.
const MAX_FETCHES: u32 = 2;
/// How many certificates are remembered.
const MAX_CERTIFICATES: usize = 16;
/// What a sender that is sent away shall wait, in seconds.
const RETRY_SECONDS: u32 = 5;

/// Fetches what a request names, through the guard of addresses.
#[async_trait]
pub trait Fetcher: Send + Sync {
    /// The body of an answer that says that all is well, or a sentence.
    async fn get(&self, url: &Url) -> Result<Bytes, String>;
}

/// What bounds the doors of senders, and what they remember.
pub(crate) struct SourceDoors {
    fetcher: Box<dyn Fetcher>,
    known: Arc<Shares<String>>,
    unknown: Arc<Shares<ClientNetwork>>,
    certificates: Mutex<HashMap<Url, Bytes>>,
}

impl SourceDoors {
    pub(crate) fn new(fetcher: Box<dyn Fetcher>) -> Self {
        Self {
            fetcher,
            known: Shares::new(MAX_KNOWN, MAX_OF_SOURCE, ROOM_WAIT),
            unknown: Shares::new(MAX_UNKNOWN, MAX_OF_CLIENT, ROOM_WAIT),
            certificates: Mutex::default(),
        }
    }

    async fn certificate(&self, url: &Url) -> Result<Bytes, String> {
        let known = || self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pem) = known().get(url).cloned() {
            return Ok(pem);
        }
        let pem = self.fetcher.get(url).await?;
        let mut certificates = known();
        if certificates.len() >= MAX_CERTIFICATES {
            certificates.clear();
        }
        certificates.insert(url.clone(), pem.clone());
        Ok(pem)
    }
}

/// The doors as routes.
pub(crate) fn routes() -> Router<InboundState> {
    Router::new()
        .route("/sources/{key}", any(receive_at_key))
        .route("/sources/{key}/", any(receive_at_key))
        .route("/sources/{key}/{*rest}", any(receive_at_key))
        .route("/v2/{*rest}", any(receive_at_root))
}

async fn receive_at_key(
    State(state): State<InboundState>,
    Path(parameters): Path<HashMap<String, String>>,
    request: Request,
) -> Response {
    let key = parameters.get("key").cloned().unwrap_or_default();
    let (parts, body) = request.into_parts();
    let client = ClientAddress::of(&parts.extensions);
    let format = match state.0.actions.format_of_key(&key).await {
        Ok(format) => format,
        Err(reply) => return answer(&state, client, reply),
    };
    // Behind the second segment: what the sender puts there, as it was written.
    let rest = parts.uri.path().splitn(4, '/').nth(3);
    let path = rest.map(|rest| format!("/{rest}")).unwrap_or_default();
    let call = new_call(parts, Some(key.clone()), path, client);
    match state.0.sources.known.take(key).await {
        Some(share) => receive(&state, format, call, body, client, share).await,
        None => send_away(&state, format, &call, Refusal::Overloaded.into()).await,
    }
}

async fn receive_at_root(State(state): State<InboundState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let client = ClientAddress::of(&parts.extensions);
    let path = parts.uri.path().to_owned();
    let Some(format) = sources::format_at_root(&path) else {
        return answer(&state, client, refuse(None, &Refusal::UnknownPath.into()));
    };
    let call = new_call(parts, None, path, client);
    match state.0.sources.unknown.take(client.network()).await {
        Some(share) => receive(&state, format, call, body, client, share).await,
        None => send_away(&state, format, &call, Refusal::Overloaded.into()).await,
    }
}

/// A call whose body is not read yet.
fn new_call(parts: Parts, key: Option<String>, path: String, client: ClientAddress) -> SourceCall {
    let is_head = parts.method == Method::HEAD;
    SourceCall {
        key,
        // What answers to GET answers to HEAD.
        method: if is_head { Method::GET } else { parts.method },
        path,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: Bytes::new(),
        remote_address: client.to_string(),
    }
}

/// Takes a request for which there is room, until it is done with.
async fn receive(
    state: &InboundState,
    format: &'static dyn Format,
    mut call: SourceCall,
    body: Body,
    client: ClientAddress,
    share: impl Send + 'static,
) -> Response {
    let is_packed = |encoding: &HeaderValue| encoding != "identity";
    if call.headers.get(CONTENT_ENCODING).is_some_and(is_packed) {
        let sentence = "the request is packed (Content-Encoding): send it as it is";
        return send_away(state, format, &call, Refused::unreadable(sentence)).await;
    }
    let most = format.description().max_body_bytes.min(MAX_BODY_BYTES);
    call.body = match read(body, most, BODY_DEADLINE).await {
        Ok(body) => body,
        Err(Unread::TooLarge) => {
            return send_away(state, format, &call, Refusal::RequestTooLarge.into()).await;
        }
        // Its sender may try again.
        Err(Unread::Broken) => {
            let refused = Refused {
                refusal: Refusal::Unavailable,
                sentence: "the request broke off, or took too long to arrive: send it again".into(),
            };
            return send_away(state, format, &call, refused).await;
        }
    };
    // A task of its own: what has begun to be kept is kept, though the sender goes away.
    let working = state.clone();
    let work = tokio::spawn(async move {
        let _share = share;
        take(&working, &call).await
    });
    match tokio::time::timeout(ANSWER_DEADLINE, work).await {
        Ok(Ok(reply)) => answer(state, client, reply),
        Ok(Err(_)) | Err(_) => answer(state, client, refuse(Some(format), &Refusal::Unavailable.into())),
    }
}

/// Refuses a request before it is read. That this is noted on the source's page keeps its sender waiting only so long.
async fn send_away(
    state: &InboundState,
    format: &'static dyn Format,
    call: &SourceCall,
    refused: Refused,
) -> Response {
    let wait_seconds = (refused.refusal == Refusal::Overloaded).then_some(RETRY_SECONDS);
    let plain = refuse(Some(format), &refused);
    let noted = state.0.actions.refuse_at_door(format, call, refused);
    let reply = tokio::time::timeout(ROOM_WAIT, noted).await.unwrap_or(plain);
    respond(reply.into_answer(), wait_seconds)
}

/// Has the request taken; fetches what it needs for that.
async fn take(state: &InboundState, call: &SourceCall) -> SourceReply {
    let doors = &state.0.sources;
    let mut fetched = Fetched::default();
    for _ in 0..MAX_FETCHES {
        match state.0.actions.receive_alerts(call, &fetched).await {
            reply @ SourceReply::Answer { .. } => return reply,
            SourceReply::FetchCertificate(url) => match doors.certificate(&url).await {
                Ok(pem) => fetched.certificate = Some((url, pem)),
                Err(sentence) => fetched.failure = Some(sentence),
            },
            SourceReply::Confirm(url) => match doors.fetcher.get(&url).await {
                Ok(_) => fetched.confirmed = Some(url),
                Err(sentence) => fetched.failure = Some(sentence),
            },
        }
    }
    state.0.actions.receive_alerts(call, &fetched).await
}

fn answer(state: &InboundState, client: ClientAddress, reply: SourceReply) -> Response {
    if let SourceReply::Answer {
        is_unproven: true, ..
    } = reply
    {
        let now_ms = state.0.source.monotonic_millis();
        if let Err(refused) = state.0.failures.take(client.network(), now_ms) {
            let text = "too_many_failures: too many requests with a wrong key or signature";
            let answer = Answer::text(StatusCode::TOO_MANY_REQUESTS, text);
            return respond(answer, Some(refused.wait_seconds));
        }
    }
    respond(reply.into_answer(), None)
}

fn respond(answer: Answer, wait_seconds: Option<u32>) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(answer.content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let mut response = (answer.status, headers, answer.body).into_response();
    let tries_again = answer.status == StatusCode::SERVICE_UNAVAILABLE;
    if let Some(seconds) = wait_seconds.or(tries_again.then_some(RETRY_SECONDS)) {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
