//! The HTTP API from outside: a real server over a real store, one file per area.

mod access;
mod cors;
mod deliveries;
mod events;
mod exports;
mod generated_client;
mod idempotency;
mod idempotency_faults;
mod incident_lists;
mod incidents;
mod openapi;
pub mod parquet;
mod problems;
mod restricted_keys;
mod server;
mod stream_tokens;
mod system;
mod webhooks;
