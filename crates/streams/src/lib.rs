//! Kinds that take events as data, for other programs to read: a folder per kind.

pub mod amqp;
mod aws;
pub mod batch;
mod broker;
mod cloud_event;
mod format;
pub mod kafka;
mod lines;
pub mod nats;
pub mod s3;
mod size;
pub mod sqs;
#[cfg(test)]
mod testing;
