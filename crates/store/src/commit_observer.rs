//! Who is told about every commit: metrics.

use std::time::Duration;

/// Told about every commit: for metrics.
pub trait CommitObserver: Send + Sync {
    /// A transaction of so many commands took so long from its first statement until it was on disk.
    fn committed(&self, commands: usize, took: Duration);

    /// A transaction did not get there, whole or in part.
    fn failed(&self);

    /// A database on another machine was waited for, once for all that was sent to it together.
    fn round_trip(&self) {}

    /// The thread that writes panicked: nothing can be changed any more until the store is opened anew.
    fn writer_died(&self) {}
}

/// Watches nothing.
pub struct NoObserver;

impl CommitObserver for NoObserver {
    fn committed(&self, _: usize, _: Duration) {}
    fn failed(&self) {}
}
