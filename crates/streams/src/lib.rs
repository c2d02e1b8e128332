//! Kinds that take events as data, for other programs to read: a folder per kind.

mod aws;
pub mod batch;
pub mod sqs;
