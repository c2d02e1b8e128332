//! The event feed over HTTP, page by page: JSON, or one line of JSON per event.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::accept::prefers;
use crate::answer::{ApiResult, ok};
use crate::auth::Caller;
use crate::cursor::{feed_cursor, parse_feed_cursor};
use crate::outgoing::EventIncident;
use crate::problem::{Code, Problem};
use crate::query::{QueryOf, parse_limit};
use crate::state::ApiState;
use model::event::{Event, EventName};
use store::Page;

/// The media type of one line of JSON per event.
pub const NDJSON: &str = "application/x-ndjson";
/// The media type of a page.
const JSON: &str = "application/json";

/// The header that says where lines go on: the last of them does so too, but a restricted reader may get none.
const NEXT_CURSOR: &str = "x-opsknight-next-cursor";
/// How many pages of the feed one request of a restricted reader reads at most.
const MAX_PAGES_READ: u32 = 20;

/// Which page of the feed.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeedQuery {
    /// A cursor: only events after it. From the first event if absent.
    after: Option<String>,
    /// How many at most.
    limit: Option<String>,
}

/// A page of the feed, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventPage)]
pub struct FeedView {
    #[schema(value_type = Vec<EventView>)]
    items: Vec<Box<RawValue>>,
    /// Ask again with this as `after`, at once if `hasMore`, or later. Null only while there is no event at all.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Whether more events may be there already.
    has_more: bool,
}

/// An event: its id, its cursor, and the members of the default body.
#[derive(ToSchema)]
#[schema(as = Event)]
#[expect(
    dead_code,
    reason = "only its schema is used: an event is written by splicing its bytes"
)]
pub struct EventView {
    /// Names the event.
    id: String,
    /// Its place in the feed: `after` this, the next ones follow.
    cursor: String,
    event: EventName,
    /// When it happened, whole seconds.
    #[schema(format = DateTime)]
    timestamp: String,
    /// The incident as it stood then.
    incident: EventIncident,
}

/// `GET /events`
pub async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    QueryOf(query): QueryOf<FeedQuery>,
) -> ApiResult {
    let limit = parse_limit(query.limit.as_deref())?;
    let after = query.after.as_deref().map(parse_feed_cursor).transpose()?;
    let page = read(&state, &caller, after, limit).await?;
    let next_cursor = page.next.map(feed_cursor);
    if prefers(&headers, NDJSON, JSON) {
        return Ok(lines(&page.events, next_cursor));
    }
    let items: Result<Vec<_>, _> = page
        .events
        .iter()
        .map(|event| RawValue::from_string(line(event)))
        .collect();
    let items = items.map_err(|error| {
        tracing::error!(%error, "a stored event is not JSON");
        Problem::plain(Code::Internal)
    })?;
    ok(&FeedView {
        items,
        next_cursor,
        has_more: page.has_more,
    })
}

/// Events, the place behind which the next ones follow, and whether there may be some already.
struct FeedPage {
    events: Vec<Event>,
    next: Option<i64>,
    has_more: bool,
}

/// Reads a page. For a restricted reader it goes on until it has one, or as far as one request may.
async fn read(
    state: &ApiState,
    caller: &Caller,
    after: Option<i64>,
    limit: u32,
) -> Result<FeedPage, Problem> {
    let restriction = &caller.0.restriction;
    let (pages, length) = match restriction.is_none() {
        true => (1, limit),
        false => (MAX_PAGES_READ, Page::MAX_LIMIT),
    };
    let mut page = FeedPage {
        events: Vec::new(),
        next: after,
        has_more: true,
    };
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    for _ in 0..pages {
        let read = state
            .store
            .events
            .list_after(page.next.unwrap_or(0), length)
            .await?;
        page.has_more = u32::try_from(read.len()).is_ok_and(|count| count >= length);
        for event in read {
            if page.events.len() >= wanted {
                page.has_more = true;
                return Ok(page);
            }
            page.next = Some(event.sequence);
            page.events.extend(restriction.admits(&event).then_some(event));
        }
        if !page.has_more {
            break;
        }
    }
    Ok(page)
}

/// An event in one line: `{"id":…,"cursor":…,` and then the members of its body, byte for byte.
pub fn line(event: &Event) -> String {
    let body = String::from_utf8_lossy(&event.body);
    let members = body.strip_prefix('{').unwrap_or("}");
    let cursor = feed_cursor(event.sequence);
    format!("{{\"id\":\"{}\",\"cursor\":\"{cursor}\",{members}", event.id)
}

fn lines(events: &[Event], next_cursor: Option<String>) -> Response {
    let mut text = String::new();
    for event in events {
        text.push_str(&line(event));
        text.push('\n');
    }
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    if let Some(Ok(cursor)) = next_cursor.map(HeaderValue::try_from) {
        headers.insert(NEXT_CURSOR, cursor);
    }
    response
}
