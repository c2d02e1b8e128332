//! The backend for many nodes: the contracts on PostgreSQL.
//!
//! The files here have the names of the contracts they fulfil, as in `store-sqlite`; each statement stands beside the
//! function that runs it. Any number of nodes use one database: whatever two of them must not do at once is decided by
//! row locks and unique indexes. Nothing lives in a session but prepared statements.

mod access;
mod address;
mod audit;
mod backup;
mod columns;
mod connection;
mod cross_checks;
mod database;
mod endpoints;
mod errors;
mod examine;
mod inboxes;
mod migrate;
mod policies;
mod prune;
mod receipts;
mod rekey;
mod services;
mod sessions;
mod sign_in;
mod tls;
mod unwell_webhooks;
mod upkeep;
mod users;
mod webhooks;
mod writer;

pub use database::{Database, Settings};
