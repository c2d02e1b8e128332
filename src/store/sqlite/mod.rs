//! The embedded backend: one SQLite file, one writer thread that commits in groups, a few readers.
//!
//! The files here have the names of the contracts they fulfil; each statement stands beside the function that runs it.

mod columns;
mod database;
mod migrate;
mod subscriptions;

pub use database::{CommitObserver, Database, NoObserver, Settings};
