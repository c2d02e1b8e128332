//! What happened over weeks and years: charts with a table behind each, and the same as files.

pub mod charts;
pub mod drawing;
pub mod file;
pub mod page;
pub mod report_rows;
pub mod table;
