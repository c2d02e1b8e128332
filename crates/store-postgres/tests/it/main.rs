//! The conformance suite on PostgreSQL, and what is true of PostgreSQL alone.

// Clippy's exception for tests covers test functions only, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backend;
mod faults;
mod nodes;
mod opening;
mod reaching;
mod server;

mod conformance {
    //! What every store must do: the subjects that PostgreSQL has.

    use std::sync::Arc;

    use store_conformance::Backend;

    fn new_backend() -> Arc<dyn Backend> {
        Arc::new(crate::backend::PostgresBackend::new())
    }

    store_conformance::access!();
    store_conformance::catalog!();
    store_conformance::inboxes!();
    store_conformance::receipts!();
    store_conformance::sessions!();
    store_conformance::sign_in!();
    store_conformance::upkeep!();
    store_conformance::webhooks!();
}
