//! Messages and answers, without a server.

use super::*;
use crate::testing::{Judge, message_of, problem_fields, sample_of};
use model::attempt::{Disposition, Outcome};
use model::broker::BrokerAccount;
use model::broker::BrokerStage::{Connection, Message};
use model::exchange::FailureCode;

const KIND: &Judge = &Judge(&Amqp);

#[test]
fn exchange_and_routing_key_are_the_settings() {
    let sample = sample_of(&Amqp)
        .with_option("exchange", "events")
        .with_option("routingKey", "incidents")
        .with_option("suffix", "event");
    let (message, _) = message_of(&Amqp, &sample);
    let expected = BrokerAddress::Exchange {
        name: "events".to_owned(),
        routing_key: "incidents.incident.triggered".to_owned(),
    };
    assert_eq!(
        (message.address, message.account),
        (expected, BrokerAccount::Nobody)
    );
}

#[test]
fn what_no_server_has_is_refused_when_it_is_saved() {
    let sample = sample_of(&Amqp).with_option("routingKey", "incidents");
    assert_eq!(problem_fields(&Amqp, &sample), [""; 0]);
    let exchange = sample.clone().with_option("exchange", "a\0b");
    assert_eq!(problem_fields(&Amqp, &exchange), ["exchange"]);
    assert_eq!(problem_fields(&Amqp, &sample_of(&Amqp)), ["routingKey"]);
    let mut path = sample.clone();
    path.target.url = "amqp://queue.example.com/a/b".parse().unwrap();
    assert_eq!(problem_fields(&Amqp, &path), ["url"]);
    let password = sample.with_secret("password", "p");
    assert_eq!(problem_fields(&Amqp, &password), ["username"]);
}

#[test]
fn only_what_a_queue_has_is_delivered() {
    assert_eq!(KIND.of(200, Message, "basic.ack").outcome, Outcome::Delivered);
    let settings = (FailureCode::SettingsRefused, Disposition::NeedsOperator);
    let later = (FailureCode::ServerError, Disposition::Backoff);
    let refused = (FailureCode::MessageRefused, Disposition::Permanent);
    for (status, stage, words, expected) in [
        (312, Message, "NO_ROUTE", settings),
        (500, Message, "basic.nack", later),
        (403, Connection, "ACCESS_REFUSED - Login was refused", settings),
        (404, Message, "NOT_FOUND - no exchange 'events'", settings),
        (530, Connection, "NOT_ALLOWED - vhost x not found", settings),
        (406, Message, "PRECONDITION_FAILED - message too large", refused),
        (541, Message, "INTERNAL_ERROR", later),
        (506, Connection, "RESOURCE_ERROR", later),
    ] {
        assert_eq!(KIND.failure(status, stage, words), expected, "{words}");
    }
}
