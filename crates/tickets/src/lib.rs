//! Kinds that make tickets. A kind here knows no other one.

mod forge;
pub mod github;
pub mod gitlab;
pub mod jira;
pub mod servicenow;
mod workflow;
