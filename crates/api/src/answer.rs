//! Answers: JSON with a status, lists with a cursor, and answers that were kept.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::cursor::list_cursor;
use crate::guard::mark_as_repeated;
use crate::problem::{Code, PROBLEM_JSON, Problem};
use store::receipts::Answer;
use store::{Listed, Page};

/// The id of what was created, kept on the answer for whoever knows where that can be read.
#[derive(Debug, Clone, Deserialize)]
pub struct CreatedId {
    /// The id.
    pub id: String,
}

/// What every route gives.
pub type ApiResult = Result<Response, Problem>;

/// One page of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// A JSON answer.
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> ApiResult {
    let body = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        Problem::plain(Code::Internal)
    })?;
    Ok(json_bytes(status, body))
}

/// A 200 with JSON.
pub fn ok<T: Serialize>(value: &T) -> ApiResult {
    json(StatusCode::OK, value)
}

/// A 201 with JSON.
pub fn created<T: Serialize>(value: &T) -> ApiResult {
    json(StatusCode::CREATED, value)
}

/// A 204.
pub fn no_content() -> ApiResult {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// An answer of these JSON bytes.
pub fn json_bytes(status: StatusCode, body: Vec<u8>) -> Response {
    let created = (status == StatusCode::CREATED).then(|| serde_json::from_slice::<CreatedId>(&body));
    let mut response = plain_json(status, body);
    if let Some(Ok(id)) = created {
        response.extensions_mut().insert(id);
    }
    response
}

/// A page of a list that goes on at a cursor, if at all.
pub fn listed_to<'a, R, T: Serialize>(
    rows: &'a [R],
    next_cursor: Option<String>,
    view: impl Fn(&'a R) -> T,
) -> ApiResult {
    ok(&List {
        items: rows.iter().map(view).collect(),
        next_cursor,
    })
}

/// A 201 with these JSON bytes, of something whose id need not be looked for in them.
pub fn created_bytes(id: String, body: Vec<u8>) -> Response {
    let mut response = plain_json(StatusCode::CREATED, body);
    response.extensions_mut().insert(CreatedId { id });
    response
}

fn plain_json(status: StatusCode, body: Vec<u8>) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, json)], Body::from(body)).into_response()
}

/// A page of a list that may have more pages behind one that is not full.
pub fn listed<'a, R, T: Serialize>(listed: &'a Listed<R>, view: impl Fn(&'a R) -> T) -> ApiResult {
    ok(&List {
        items: listed.rows.iter().map(view).collect(),
        next_cursor: listed.next.as_ref().map(list_cursor),
    })
}

/// A page of a list. A page that is not full is the last one.
pub fn list<'a, R, T: Serialize>(
    rows: &'a [R],
    page: Page,
    id: impl Fn(&R) -> &[u8; 16],
    view: impl Fn(&'a R) -> T,
) -> ApiResult {
    let is_full = u32::try_from(rows.len()).is_ok_and(|length| length >= page.limit);
    let last = rows.last().filter(|_| is_full);
    ok(&List {
        items: rows.iter().map(view).collect(),
        next_cursor: last.map(|row| list_cursor(id(row))),
    })
}

/// An answer as it is kept, as a response.
pub fn answer_to_response(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if answer.body.is_empty() {
        return status.into_response();
    }
    let mut response = json_bytes(status, answer.body);
    if status.is_client_error() {
        let problem = HeaderValue::from_static(PROBLEM_JSON);
        response.headers_mut().insert(CONTENT_TYPE, problem);
    }
    response
}

/// An answer that was given before.
pub fn repeated(answer: Answer) -> Response {
    let mut response = answer_to_response(answer);
    mark_as_repeated(&mut response);
    response
}
