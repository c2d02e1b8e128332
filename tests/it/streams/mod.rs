//! Kinds that take events as data, from edge to edge. What holds for every kind is in [`crate::chat`].

mod amqp;
mod batch;
mod brokers;
mod clickhouse;
mod kafka;
mod nats;
mod s3;
mod s3_gateway;
mod sqs;
mod victoria_logs;

use serde_json::{Value, json};

/// What each kind needs beside its URL.
pub fn needed(kind: &str) -> Value {
    match kind {
        "s3" | "sqs" => json!({
            "accessKeyId": "AKIDEXAMPLE",
            "secretAccessKey": "made/up/secret/access/key/of/forty/chars",
            "region": "us-east-1",
        }),
        _ => json!({}),
    }
}
