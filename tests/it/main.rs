//! The integration tests: one binary, so that they link once.

// Clippy's exception for tests covers test functions only, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod alerting;
mod api;
mod bench;
mod chat;
mod cli;
mod client_address;
mod config;
mod crash;
mod damage;
mod delivery;
mod deploy;
mod fleet;
mod outbound;
mod receivers;
mod renderer;
mod server;
mod sources;
mod streams;
mod support;
mod tickets;
mod tidy;
mod web;
