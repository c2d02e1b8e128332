//! Signatures of events, checked for people.

pub mod signature_check;
