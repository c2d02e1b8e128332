//! What receivers get: the catalog of events, their JSON Schemas, and signatures checked for people.

pub mod catalog;
pub mod explanation;
pub mod samples;
pub mod schema_file;
pub mod signature_check;
