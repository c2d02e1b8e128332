//! Kinds that tell people: the default format, chats, and bots by template. A kind here knows no other one.

pub mod custom;
pub mod discord;
pub mod generic;
pub mod google_chat;
#[cfg(test)]
mod simulated;
pub mod slack;
pub mod teams;
pub mod telegram;
