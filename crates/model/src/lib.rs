//! The words of the product and its decisions, as pure types and functions.
//!
//! Nothing here reads a clock, draws a random number, opens a file or a socket: all of that comes in as
//! arguments, so that tests and the simulation decide what happens.

pub mod access;
pub mod action_link;
pub mod activity;
pub mod attempt;
pub mod audit;
pub mod broker;
pub mod capacity;
pub mod client_address;
pub mod delivery;
pub mod device;
pub mod digest;
pub mod display;
pub mod escalation;
pub mod event;
pub mod event_type;
pub mod exchange;
pub mod expression;
pub mod filter;
pub mod id;
pub mod identity;
pub mod inbox;
pub mod incident;
pub mod incident_number;
pub mod insight;
pub mod insight_period;
pub mod insight_report;
pub mod network;
pub mod operational;
pub mod outage;
pub mod passkey;
pub mod patch;
pub mod receiver_link;
pub mod restriction;
pub mod retry;
pub mod schema;
pub mod second_factor;
pub mod secret;
pub mod service;
pub mod session;
pub mod signal;
pub mod source;
pub mod source_kind;
pub mod standard_secret;
pub mod stream_token;
pub mod ticket;
pub mod time;
pub mod transport;
pub mod user;
pub mod webhook;
pub mod webhook_file;
pub mod webhook_kind;
