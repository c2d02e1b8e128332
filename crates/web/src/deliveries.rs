//! What was sent and what came of it.

pub mod attempt;
pub mod dead;
pub mod list;
pub mod message;
pub mod page;
