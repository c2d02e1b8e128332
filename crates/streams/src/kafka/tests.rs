//! Records and answers, without a broker.

use super::*;
use crate::testing::{Judge, message_of, problem_fields, sample_of};
use model::attempt::{Disposition, Outcome};
use model::broker::BrokerAccount;
use model::broker::BrokerStage::{Connection, Message};
use model::exchange::FailureCode;

const KIND: &Judge = &Judge(&Kafka);

#[test]
fn the_key_is_the_incident() {
    let sample = sample_of(&Kafka)
        .with_option("topic", "incidents")
        .with_option("username", "ada")
        .with_option("mechanism", "scram_sha_512")
        .with_secret("password", "p");
    let (message, _) = message_of(&Kafka, &sample);
    let expected = BrokerAddress::Topic {
        name: "incidents".to_owned(),
        key: sample.event.incident_id.to_string(),
    };
    assert_eq!(message.address, expected);
    let BrokerAccount::Password { mechanism, .. } = message.account else {
        panic!("{:?}", message.account);
    };
    assert_eq!(mechanism, SignInMechanism::ScramSha512);
}

#[test]
fn a_topic_is_one_that_can_be() {
    let fields = |topic: &str| problem_fields(&Kafka, &sample_of(&Kafka).with_option("topic", topic));
    assert_eq!(fields("ops.incidents-1_x"), [""; 0]);
    for topic in ["", "..", "a b", "a/b", "ä"] {
        assert_eq!(fields(topic), ["topic"], "{topic}");
    }
}

#[test]
fn an_error_means_what_kafka_says() {
    let delivered = KIND.of(200, Message, "partition 3, offset 42");
    assert_eq!(delivered.outcome, Outcome::Delivered);
    assert_eq!(delivered.note.as_deref(), Some("partition 3, offset 42"));
    let settings = (FailureCode::SettingsRefused, Disposition::NeedsOperator);
    let later = (FailureCode::ServerError, Disposition::Backoff);
    let refused = (FailureCode::MessageRefused, Disposition::Permanent);
    for (status, stage, words, expected) in [
        (3, Connection, "3 UNKNOWN_TOPIC_OR_PARTITION", settings),
        (5, Connection, "5 LEADER_NOT_AVAILABLE", later),
        (7, Message, "7 REQUEST_TIMED_OUT", later),
        (10, Message, "10 MESSAGE_TOO_LARGE", refused),
        (19, Message, "19 NOT_ENOUGH_REPLICAS", later),
        (29, Message, "29 TOPIC_AUTHORIZATION_FAILED", settings),
        (58, Connection, "58 SASL_AUTHENTICATION_FAILED", settings),
        (500, Message, "-1 UNKNOWN_SERVER_ERROR", later),
    ] {
        assert_eq!(KIND.failure(status, stage, words), expected, "{words}");
    }
    let slower = (FailureCode::RateLimited, Disposition::RateLimited);
    assert_eq!(KIND.failure(89, Message, "89 THROTTLING_QUOTA_EXCEEDED"), slower);
}
