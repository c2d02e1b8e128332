//! What GitHub and GitLab have in common: projects with issues, people with rights, pages of lists, texts that call people
//! by name. Only the vendors' own forms are in their folders.

pub mod call;
pub mod people;
pub mod pings;
pub mod store;
pub mod waiting;
