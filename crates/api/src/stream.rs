//! The event feed as server-sent events. It reads pages of the store; the wake-up only says that it is time to look,
//! and a poll stands behind it. So a stream that resumes from its last id misses nothing.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures_util::stream::unfold;
use http::HeaderMap;
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;

use crate::answer::ApiResult;
use crate::auth::{Caller, find};
use crate::cursor::{feed_cursor, parse_feed_cursor};
use crate::events::line;
use crate::problem::{Code, Problem};
use crate::query::QueryOf;
use crate::state::ApiState;
use limit::shares::Share;
use model::event::Event;
use model::id::KeyId;
use model::stream_token::StreamToken;

/// How long a stream waits for a wake-up before it looks by itself.
const POLL: Duration = Duration::from_secs(5);
/// How often a silent stream says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How many events are read at once.
const PAGE: u32 = 200;
/// How long a refused client should wait, in seconds.
const RETRY_AFTER_SECONDS: u32 = 10;

/// Where the stream begins.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamQuery {
    /// A cursor: only events after it. From now on if neither this nor the header `Last-Event-ID` is there, or if that
    /// header is none of this feed.
    after: Option<String>,
    /// In place of a key.
    #[serde(rename = "token")]
    _token: Option<String>,
}

/// `GET /events/stream`
pub async fn stream(
    State(state): State<ApiState>,
    caller: Caller,
    token: Option<Extension<StreamToken>>,
    headers: HeaderMap,
    QueryOf(query): QueryOf<StreamQuery>,
) -> ApiResult {
    let share = state.streams.take(caller.0.id).await;
    let share = share.ok_or_else(|| Problem::plain(Code::TooManyStreams).retry_after(RETRY_AFTER_SECONDS))?;
    let after = start(&state, &headers, query.after.as_deref()).await?;
    let feed = Feed {
        // Subscribing before the first look: what is committed in between is not slept through.
        news: state.wakeup.subscribe(),
        stopping: state.stopping.clone(),
        state,
        caller,
        token: token.map(|Extension(token)| token),
        after,
        read: VecDeque::new(),
        _share: share,
    };
    let events = unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        let sse = SseEvent::default()
            .id(feed_cursor(event.sequence))
            .event(event.name.as_str())
            .data(line(&event));
        Some((Ok::<_, Infallible>(sse), feed))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let stream = Sse::new(events).keep_alive(keep_alive);
    // Asks proxies that know this header (nginx) to pass events on as they come.
    Ok(([("x-accel-buffering", "no")], stream).into_response())
}

/// Where a stream begins. Browsers come back with the last id that they have seen, whatever it was and whoever gave it, and
/// take a refusal for the end: an id that is none of this feed begins afresh.
async fn start(state: &ApiState, headers: &HeaderMap, after: Option<&str>) -> Result<i64, Problem> {
    let latest = state.store.events.latest_sequence().await?;
    let Some(last_id) = headers.get("last-event-id") else {
        return after.map_or(Ok(latest), parse_feed_cursor);
    };
    let known = last_id.to_str().ok().and_then(|id| parse_feed_cursor(id).ok());
    Ok(known.filter(|sequence| *sequence <= latest).unwrap_or(latest))
}

/// A reader of the feed.
struct Feed {
    state: ApiState,
    caller: Caller,
    token: Option<StreamToken>,
    news: watch::Receiver<i64>,
    stopping: watch::Receiver<bool>,
    after: i64,
    read: VecDeque<Event>,
    _share: Share<KeyId>,
}

impl Feed {
    /// The next event; nothing when the stream ends: the server stops, key or token hold no more, or the store failed. The
    /// client comes back with its last id.
    async fn next(&mut self) -> Option<Event> {
        while self.read.is_empty() {
            if *self.stopping.borrow() || !self.is_still_allowed().await {
                return None;
            }
            self.news.mark_unchanged();
            let page = self.state.store.events.list_after(self.after, PAGE).await.ok()?;
            match page.last() {
                Some(last) => self.after = last.sequence,
                None => self.wait().await,
            }
            let is_shown = |event: &Event| {
                self.token.is_none_or(|token| token.events.contains(event.name))
                    && self.caller.0.restriction.admits(event)
            };
            self.read.extend(page.into_iter().filter(is_shown));
        }
        self.read.pop_front()
    }

    async fn wait(&mut self) {
        tokio::select! {
            // When the sender is gone there is no news: the poll goes on.
            Ok(()) = self.news.changed() => {}
            Ok(()) = self.stopping.changed() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }

    async fn is_still_allowed(&self) -> bool {
        let now = self.state.source.now();
        if self.token.is_some_and(|token| now >= token.expires_at) {
            return false;
        }
        matches!(find(&self.state, self.caller.0.hash).await, Ok(Some(_)))
    }
}
