//! What the nodes of one database hear of each other: enough to wake those who wait, never what to do.

use async_trait::async_trait;

use crate::StoreResult;
use model::time::Timestamp;

/// How the fleet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FleetNews {
    /// The place of the latest event; zero if there is none.
    pub latest_sequence: i64,
    /// Moves when another node has committed something that a page may show.
    pub progress: i64,
    /// How many other nodes there may be: each that gave a sign of life in the last quarter of an hour.
    pub other_nodes: u32,
}

/// The nodes of one database.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Hears of the others and, if there are any, tells them whether something was committed here: one statement, to be
    /// run a few times a second.
    async fn news(&self, now: Timestamp) -> StoreResult<FleetNews>;
}
