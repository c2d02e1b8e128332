//! Alert sources: where alerts come from, how a sender is set up, and what became of what it sent.

pub mod edit;
pub mod list;
mod mapping;
pub mod new;
pub mod page;
mod requests;
