//! Incidents: the list, one of them, many at once, a new one, and acting from a message.

pub mod act;
pub mod bulk;
pub mod list;
pub mod new;
pub mod page;
pub mod parts;
pub mod sent;
pub mod tickets;
