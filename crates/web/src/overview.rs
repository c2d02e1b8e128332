//! What is going on, at a glance.

pub mod chart;
pub mod dashboard;
pub mod wall;
