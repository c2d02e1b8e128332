//! The event feed: every event, in the order in which they were committed.

use async_trait::async_trait;

use crate::StoreResult;
use model::event::Event;

/// The event feed. Test events are not part of it.
#[async_trait]
pub trait Events: Send + Sync {
    /// Events after a place in the feed, oldest first.
    async fn list_after(&self, sequence: i64, limit: u32) -> StoreResult<Vec<Event>>;

    /// The place of the latest event; zero if there is none.
    async fn latest_sequence(&self) -> StoreResult<i64>;
}
