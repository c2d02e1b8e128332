//! Incidents: the list, one of them, a new one, and acting from a message.

pub mod act;
pub mod list;
pub mod new;
pub mod page;
pub mod tickets;
