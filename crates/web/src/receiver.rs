//! The receiver's page: what whoever holds a link sees of one webhook, and may do with it.

pub mod delivery;
pub mod guard;
pub mod open;
pub mod page;
