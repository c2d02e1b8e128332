//! Kinds that make tickets. A kind here knows no other one.

pub mod jira;
pub mod servicenow;
mod workflow;
