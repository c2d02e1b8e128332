//! What an installation is set to, and how it is.

pub mod api_keys;
pub mod audit;
pub mod escalation_policies;
pub mod services;
pub mod system;
