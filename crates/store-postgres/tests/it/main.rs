//! The conformance suite on PostgreSQL, and what is true of PostgreSQL alone.

// Clippy's exception for tests covers test functions only, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backend;
mod condition;
mod contention;
mod earlier;
mod faults;
mod insights;
mod leases;
mod lost_answers;
mod nodes;
mod opening;
mod partitions;
mod plans;
mod reaching;
mod server;
mod simulation;
mod timelines;
mod upgrades;
mod webhook_watch;

mod conformance {
    //! What every store must do.

    use std::sync::Arc;

    use store_conformance::Backend;

    fn backend() -> Arc<dyn Backend> {
        Arc::new(crate::backend::PostgresBackend::new())
    }

    store_conformance::conformance!(backend);
}
