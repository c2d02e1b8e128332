//! Addresses on this server that keep what is sent to them, to look at.

pub mod list;
pub mod page;
pub mod receiver;
pub mod snippets;
