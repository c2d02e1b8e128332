//! Messages and answers, without a server.

use super::*;
use crate::testing::{Judge, message_of, problem_fields, sample_of};
use destination::sample::Sample;
use model::attempt::{Disposition, Outcome};
use model::broker::BrokerStage::{Connection, Message};
use model::exchange::FailureCode;

const KIND: &Judge = &Judge(&Nats);

#[test]
fn the_subject_is_the_setting_with_the_events_name_if_that_is_wanted() {
    let sample = sample_of(&Nats).with_option("subject", "ops.incidents");
    let address = |sample: &Sample| match message_of(&Nats, sample).0.address {
        BrokerAddress::Subject { name, stream } => (name, stream),
        other => panic!("{other:?}"),
    };
    assert_eq!(address(&sample), ("ops.incidents".to_owned(), None));
    let sample = sample
        .with_option("suffix", "event")
        .with_option("stream", "EVENTS");
    let expected = (
        "ops.incidents.incident.triggered".to_owned(),
        Some("EVENTS".to_owned()),
    );
    assert_eq!(address(&sample), expected);
}

#[test]
fn one_way_to_sign_in_is_used_and_more_are_refused() {
    let sample = sample_of(&Nats).with_option("subject", "ops");
    let token = sample.clone().with_secret("token", "t");
    assert!(matches!(
        message_of(&Nats, &token).0.account,
        BrokerAccount::Token(_)
    ));
    let both = token.with_option("username", "ada").with_secret("password", "p");
    assert_eq!(problem_fields(&Nats, &both), ["username"]);
    let alone = sample.with_option("username", "ada");
    assert_eq!(problem_fields(&Nats, &alone), ["password"]);
}

#[test]
fn a_subject_is_one_that_a_message_can_have() {
    let fields = |subject: &str| problem_fields(&Nats, &sample_of(&Nats).with_option("subject", subject));
    assert_eq!(fields("ops.incidents-1_x"), [""; 0]);
    for subject in ["ops.>", "*", "$JS.API", "a b", "a..b", ".a", "a\r\nPUB x 1", ""] {
        assert_eq!(fields(subject), ["subject"], "{subject:?}");
    }
}

#[test]
fn a_streams_word_means_what_it_says() {
    let delivered = KIND.of(200, Message, r#"{"stream":"EVENTS","seq":7,"duplicate":true}"#);
    assert_eq!(delivered.outcome, Outcome::Delivered);
    assert_eq!(
        delivered.note.as_deref(),
        Some("message 7 of stream EVENTS, which had it already")
    );
    let settings = (FailureCode::SettingsRefused, Disposition::NeedsOperator);
    let later = (FailureCode::ServerError, Disposition::Backoff);
    let refused = (FailureCode::MessageRefused, Disposition::Permanent);
    let error = |code: u64| format!(r#"{{"error":{{"code":400,"err_code":{code},"description":"words"}}}}"#);
    for (status, stage, body, expected) in [
        (401, Connection, "Authorization Violation".to_owned(), settings),
        (
            403,
            Message,
            "Permissions Violation for Publish".to_owned(),
            settings,
        ),
        (413, Message, "Maximum Payload Violation".to_owned(), refused),
        (503, Message, "no responders".to_owned(), later),
        (503, Connection, "maximum connections exceeded".to_owned(), later),
        (400, Message, error(OTHER_STREAM_CODE), settings),
        (400, Message, error(10_054), refused),
        (503, Message, error(10_077), later),
    ] {
        assert_eq!(KIND.failure(status, stage, &body), expected, "{status} {body}");
    }
    let invalid = (FailureCode::ResponseInvalid, Disposition::Backoff);
    assert_eq!(KIND.failure(200, Message, "hello"), invalid);
}

const OTHER_STREAM_CODE: u64 = 10_060;
