//! The embedded backend: one SQLite file, one writer thread that commits in groups, a few readers.
//!
//! The files here have the names of the contracts they fulfil; each statement stands beside the function that runs it.

mod access;
mod audit;
mod backup;
mod columns;
mod database;
mod endpoints;
mod examine;
mod migrate;
mod pages;
mod policies;
mod prune;
mod readers;
mod receipts;
mod refusals;
mod rekey;
mod sealed;
mod services;
mod statements;
mod subscriptions;
mod upkeep;
mod users;
mod webhook_columns;
mod webhooks;

pub use database::{CommitObserver, Database, NoObserver, Settings};
