//! What is going on, at a glance.

pub mod badges;
pub mod chart;
pub mod dashboard;
pub mod wall;
