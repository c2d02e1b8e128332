//! How Kafka presents itself to whoever sets up a webhook.

use destination::about::{Confirmation, Field, Input, KindDescription, Need, Signature, UrlField};

use crate::broker::{PASSWORD, SERVERS, USERNAME};
use crate::format::FORMAT;

/// What the pages, the API and the documents say about this kind.
pub static ABOUT: KindDescription = KindDescription {
    kind: "kafka",
    name: "Apache Kafka",
    summary: "Each event as a record of a topic, in order for each incident, on all replicas in sync.",
    url: UrlField::Server {
        schemes: &["kafka+ssl", "kafka"],
        placeholder: "kafka+ssl://queue.example.com:9093",
        hint: "One of your brokers: kafka+ssl:// with TLS (port 9093 unless another is given), kafka:// without (9092).",
    },
    fields: &[TOPIC, USERNAME, PASSWORD, MECHANISM, FORMAT, SERVERS],
    steps: &[
        "Make the topic: kafka-topics.sh --create --topic incidents. It is not made by itself.",
        "Put its name into Topic.",
        "Let OpsKnight's user write to it: kafka-acls.sh --add --allow-principal User:opsknight --producer --idempotent --topic incidents.",
        "Put user name and password (SASL) into their fields, and choose how the brokers want them.",
        "Send a test, and read it with kafka-console-consumer.sh --topic incidents --from-beginning.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};

const TOPIC: Field = Field {
    name: "topic",
    label: "Topic",
    hint: "The key of its records is the incident's id.",
    placeholder: "incidents",
    need: Need::Required,
    ..Field::LINE
};

const MECHANISM: Field = Field {
    name: "mechanism",
    label: "Sign-in",
    hint: "How user name and password are proven (SASL).",
    input: Input::Choice(&[
        ("plain", "PLAIN: the broker is told the password"),
        ("scram_sha_256", "SCRAM-SHA-256"),
        ("scram_sha_512", "SCRAM-SHA-512"),
    ]),
    default: "plain",
    ..Field::LINE
};
