//! What all connections of a node have in common.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use store::CommitObserver;
use store::commit_health::CommitHealth;

use super::unanswered::UnansweredCommits;

/// Which statements are prepared once and kept in the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepares {
    Everything,
    /// A pooler gives each transaction another session.
    Nothing,
}

/// See the module.
pub struct Terms {
    pub prepares: Prepares,
    /// How the latest commits went.
    pub commits: CommitHealth,
    /// Told about every commit and round trip.
    pub observer: Arc<dyn CommitObserver>,
    /// Whether the database says on which timeline it is.
    pub knows_timelines: AtomicBool,
    /// Commits that wait, for a replica most likely.
    pub unanswered_commits: UnansweredCommits,
}
