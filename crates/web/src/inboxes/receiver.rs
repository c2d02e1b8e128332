//! The address of an inbox: keeps whatever is sent there and answers as the inbox says. Must never act for a session:
//! it knows no session, and says the same to everybody.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::state::WebState;
use actions::ActionError;
use actions::inboxes::Arrival;
use model::client_address::ClientAddress;
use model::id::InboxId;
use model::inbox::{InboxAnswer, MAX_INBOX_BODY_BYTES};
use store::StoreError;

/// How long a sender may take to send a body.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// How much of a body is read: what is beyond the kept part is thrown away, so that a sender that writes before it reads
/// gets its answer.
const MAX_READ_BYTES: usize = 8 * 1024 * 1024;
/// The longest method that is kept, in bytes.
const MAX_METHOD_BYTES: usize = 32;
/// The longest target that is kept, in bytes.
const MAX_TARGET_BYTES: usize = 8 * 1024;
/// What is kept of a cookie: it may be the session of somebody who opened the address in a browser.
const HIDDEN_COOKIE: &str = "(left out: it may hold somebody's session)";

/// Anything at `/in/{id}`
pub async fn receive(State(state): State<WebState>, Path(id): Path<String>, request: Request) -> Response {
    match keep(&state, &id, request).await {
        Ok(answer) => {
            wait(&state, answer.delay).await;
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
            say(
                status,
                if status.is_success() {
                    "kept\n"
                } else {
                    "kept, and answered as told\n"
                },
            )
        }
        Err(refusal) => refusal,
    }
}

async fn keep(state: &WebState, id: &str, request: Request) -> Result<InboxAnswer, Response> {
    let id = find(state, id).await?;
    let client = ClientAddress::of(request.extensions());
    let now_ms = state.source.monotonic_millis();
    // Its own limit first: a sender that is stopped there takes nothing from the others.
    let limited = state
        .inbox_senders
        .take(client.network(), now_ms)
        .and_then(|()| state.inbox_arrivals.take("all", now_ms));
    limited.map_err(|refused| too_many(refused.wait_seconds))?;
    let remote_address = client.to_string();
    let (parts, body) = request.into_parts();
    let (body, body_is_truncated) = read(body).await;
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let arrival = Arrival {
        method: beginning(parts.method.as_str(), MAX_METHOD_BYTES),
        target: beginning(target, MAX_TARGET_BYTES),
        remote_address,
        head: head_of(&parts.headers),
        body,
        body_is_truncated,
    };
    let kept = state.actions.keep_in_inbox(id, arrival).await;
    kept.map_err(|error| refuse(&error))
}

/// The inbox, looked up before anything is read.
async fn find(state: &WebState, id: &str) -> Result<InboxId, Response> {
    let id = id.parse::<InboxId>().ok().filter(|_| state.settings.has_inboxes);
    let id = id.ok_or_else(no_such_inbox)?;
    let found = state.store.inboxes.get(id).await;
    found
        .map(|_| id)
        .map_err(|error: StoreError| refuse(&error.into()))
}

/// Reads the part of a body that is kept, and one byte more to know whether there is more; throws the rest away, up to a
/// limit. Whether some of it is missing.
async fn read(mut body: Body) -> (Bytes, bool) {
    let deadline = Instant::now() + BODY_DEADLINE;
    let (mut kept, mut read_bytes) = (Vec::new(), 0);
    let mut is_whole = false;
    while read_bytes <= MAX_READ_BYTES {
        let Ok(frame) = timeout_at(deadline, body.frame()).await else {
            break;
        };
        let Some(frame) = frame else {
            is_whole = true;
            break;
        };
        let Ok(frame) = frame else { break };
        let Ok(data) = frame.into_data() else { continue };
        read_bytes += data.len();
        let room = (MAX_INBOX_BODY_BYTES + 1).saturating_sub(kept.len());
        kept.extend_from_slice(&data[..data.len().min(room)]);
    }
    let is_truncated = !is_whole || kept.len() > MAX_INBOX_BODY_BYTES;
    (Bytes::from(kept), is_truncated)
}

/// Lines of `name: value`.
fn head_of(headers: &HeaderMap) -> String {
    let mut head = String::new();
    for (name, value) in headers {
        head.push_str(name.as_str());
        head.push_str(": ");
        if name == COOKIE {
            head.push_str(HIDDEN_COOKIE);
        } else {
            let value = String::from_utf8_lossy(value.as_bytes());
            head.extend(
                value
                    .chars()
                    .map(|char| if char.is_control() { ' ' } else { char }),
            );
        }
        head.push('\n');
    }
    head
}

fn beginning(text: &str, max_bytes: usize) -> String {
    text[..text.floor_char_boundary(max_bytes)].to_owned()
}

/// Waits before the answer, but not beyond the server's stop.
async fn wait(state: &WebState, delay: Duration) {
    let mut stopping = state.stopping.clone();
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        _ = stopping.wait_for(|is_stopping| *is_stopping) => {}
    }
}

fn refuse(error: &ActionError) -> Response {
    match error {
        ActionError::NotFound { .. } => no_such_inbox(),
        // The store says it itself, once.
        ActionError::Unavailable(_) | ActionError::StoreReplaced(_) => unavailable(),
        other => {
            tracing::error!(error = %other, "a request to an inbox could not be kept");
            unavailable()
        }
    }
}

fn unavailable() -> Response {
    let mut response = say(StatusCode::SERVICE_UNAVAILABLE, "could not be kept; try again\n");
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn no_such_inbox() -> Response {
    say(StatusCode::NOT_FOUND, "there is no such inbox\n")
}

fn too_many(wait_seconds: u32) -> Response {
    let mut response = say(StatusCode::TOO_MANY_REQUESTS, "too many requests to inboxes\n");
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(wait_seconds));
    response
}

/// An answer in words of ours: nothing of the request comes back.
fn say(status: StatusCode, text: &'static str) -> Response {
    let may_have_body = !matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    );
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, if may_have_body { text } else { "" }).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_kept_up_to_the_limit_and_known_to_be_longer() {
        let (whole, is_truncated) = read(Body::from(vec![b'a'; MAX_INBOX_BODY_BYTES])).await;
        assert_eq!((whole.len(), is_truncated), (MAX_INBOX_BODY_BYTES, false));
        let (cut, is_truncated) = read(Body::from(vec![b'a'; MAX_INBOX_BODY_BYTES + 1])).await;
        assert_eq!((cut.len(), is_truncated), (MAX_INBOX_BODY_BYTES + 1, true));
        let (cut, is_truncated) = read(Body::from(vec![b'a'; 2 * MAX_READ_BYTES])).await;
        assert_eq!((cut.len(), is_truncated), (MAX_INBOX_BODY_BYTES + 1, true));
    }

    #[test]
    fn no_cookie_is_kept_and_no_line_can_be_forged() {
        let mut headers = HeaderMap::new();
        headers.insert("x-one", HeaderValue::from_bytes(b"a\tb\xff").unwrap());
        headers.insert(COOKIE, HeaderValue::from_static("opsknight_session=ses_secret"));
        let head = head_of(&headers);
        assert_eq!(head, format!("x-one: a b\u{fffd}\ncookie: {HIDDEN_COOKIE}\n"));
    }

    #[test]
    fn statuses_without_a_body_have_none() {
        let length = |status: StatusCode| {
            let response = say(status, "kept\n");
            axum::body::HttpBody::size_hint(response.body()).exact()
        };
        assert_eq!(length(StatusCode::OK), Some(5));
        assert_eq!(length(StatusCode::NO_CONTENT), Some(0));
    }
}
