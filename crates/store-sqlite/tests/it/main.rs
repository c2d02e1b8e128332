//! The conformance suite on SQLite, and what is true of SQLite's file alone.

// Clippy's exception for tests covers test functions only, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backend;
mod condition;
mod earlier;
mod file;
mod history;
mod leases;
mod plans;
mod transfer;
mod upgrade;

mod conformance {
    //! What every store must do.

    use std::sync::Arc;

    store_conformance::conformance!(|| Arc::new(crate::backend::SqliteBackend::new()));
    store_conformance::backups!();
}
