//! Says to open pages when to look again: a stream with one short message after commits, never more than one a second.
//! What changed is not told: the page asks for itself again and takes over what is different.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::layout::error::{PageError, PageResult};
use crate::session::UserSession;
use crate::state::WebState;
use model::access::KeyHash;

/// The least time between two messages.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a silent stream says that it is alive, and looks whether its session still holds.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /live`
pub async fn stream(State(state): State<WebState>, session: UserSession) -> PageResult {
    let hash = session.session.hash;
    follow(state, Watcher::Session(hash))
}

/// The most live pages of one session or key: browsers open fewer.
const MAX_PAGES_EACH: usize = 12;

/// How many live pages each session or key has.
#[derive(Default, Clone)]
pub struct Watchers(Arc<Mutex<HashMap<KeyHash, usize>>>);

impl Watchers {
    /// One more live page, unless there are as many as there may be.
    fn enter(&self, hash: KeyHash) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(hash).or_default();
        if *count >= MAX_PAGES_EACH {
            return None;
        }
        *count += 1;
        Some(Place {
            watchers: self.clone(),
            hash,
        })
    }
}

/// One live page among those of its session or key.
struct Place {
    watchers: Watchers,
    hash: KeyHash,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.watchers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.hash) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.hash);
            }
        }
    }
}

/// Who watches: looked up again and again, since rights can end.
#[derive(Debug, Clone, Copy)]
pub enum Watcher {
    Session(KeyHash),
    /// An API key.
    Key(KeyHash),
}

/// A stream of messages for a watcher.
pub fn follow(state: WebState, watcher: Watcher) -> PageResult {
    let (Watcher::Session(hash) | Watcher::Key(hash)) = watcher;
    let place = state.watchers.enter(hash);
    let place =
        place.ok_or_else(|| PageError::too_many("too many pages of yours are live at this moment"))?;
    let permit = Arc::clone(&state.streams).try_acquire_owned();
    let permit = permit.map_err(|_| PageError::too_many("too many pages are live at this moment"))?;
    let feed = Feed {
        commits: state.commits.clone(),
        stopping: state.stopping.clone(),
        state,
        watcher,
        _place: place,
        _permit: permit,
    };
    let messages = unfold(feed, |mut feed| async move {
        let look_again = feed.next().await?;
        Some((Ok::<_, Infallible>(Event::default().data(look_again)), feed))
    });
    let stream = Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // Asks proxies that know this header (nginx) to pass messages on as they come.
    Ok(([("x-accel-buffering", "no")], stream).into_response())
}

struct Feed {
    state: WebState,
    watcher: Watcher,
    commits: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    _place: Place,
    _permit: OwnedSemaphorePermit,
}

impl Feed {
    /// The next message; nothing when the stream ends.
    async fn next(&mut self) -> Option<&'static str> {
        tokio::time::sleep(PAUSE).await;
        loop {
            tokio::select! {
                changed = self.commits.changed() => changed.ok()?,
                _ = self.stopping.changed() => return None,
                () = tokio::time::sleep(KEEP_ALIVE) => {
                    if !self.is_still_allowed().await {
                        return None;
                    }
                    continue;
                }
            }
            return self.is_still_allowed().await.then_some("look again");
        }
    }

    async fn is_still_allowed(&self) -> bool {
        let now = self.state.source.now();
        let store = &self.state.store;
        match self.watcher {
            Watcher::Session(hash) => matches!(store.sessions.find(hash, now).await, Ok(Some(_))),
            Watcher::Key(hash) => {
                let key = store.access.find_key(hash).await;
                matches!(key, Ok(Some(key)) if key.is_usable(now))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_so_many_live_pages_and_gets_its_places_back() {
        let watchers = Watchers::default();
        let (one, other) = (KeyHash::new("one"), KeyHash::new("other"));
        let places: Vec<_> = (0..MAX_PAGES_EACH).map(|_| watchers.enter(one)).collect();
        assert!(places.iter().all(Option::is_some) && watchers.enter(one).is_none());
        assert!(watchers.enter(other).is_some());
        drop(places);
        assert!(watchers.enter(one).is_some());
    }
}
