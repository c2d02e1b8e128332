//! What the integration tests share: scripted receivers and their certificates.

pub mod certificates;
pub mod receiver;
