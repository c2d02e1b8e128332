//! OpsKnight: holds incidents and sends their events to webhooks, without losing one.
//!
//! ARCHITECTURE.md at the top of the repository says what lives in which folder.

pub mod actions;
pub mod adapters;
pub mod api;
pub mod app;
pub mod bounded_map;
pub mod cli;
pub mod client_address;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod inbound;
pub mod limit;
pub mod master_key;
pub mod model;
pub mod outbound;
pub mod renderer;
pub mod secret_file;
pub mod store;
pub mod supervisor;
pub mod telemetry;
pub mod wakeup;
pub mod web;
