//! The played Google Chat against the product and against itself.

use super::*;
use crate::google_chat::{GoogleChat, PLAIN, UNNAMED};
use bytes::Bytes;
use destination::Adapter;
use destination::sample::Sample;
use destination::task::Classification;
use http::{HeaderMap, HeaderName, HeaderValue};
use model::attempt::{Disposition, Outcome};
use model::event::EventName;
use model::exchange::{Exchange, PhaseTimings, Response};
use model::patch::Patch;
use model::time::Timestamp;
use model::webhook::WebhookKind;

/// A task for the fake.
pub(crate) fn sample(event: EventName) -> Sample {
    let url = FakeGoogleChat::default()
        .url("http://127.0.0.1:9")
        .parse()
        .unwrap();
    let at = Timestamp::from_millis(1_705_314_600_000);
    Sample::new(WebhookKind::of("google_chat"), url, event, at)
}

/// An answer as an exchange.
pub(crate) fn exchange(status: u16, headers: &[(&'static str, String)], body: &str) -> Exchange {
    let pairs = headers.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )
    });
    let response = Response {
        status,
        headers: pairs.collect(),
        body: Bytes::from(body.to_owned()),
        body_is_truncated: false,
    };
    Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        result: Ok(response),
    }
}

/// What a fresh fake answers to a task.
pub(crate) fn post(sample: &Sample) -> FakeAnswer {
    send(&mut FakeGoogleChat::default(), sample)
}

fn send(fake: &mut FakeGoogleChat, sample: &Sample) -> FakeAnswer {
    let rendered = GoogleChat.step(&sample.task()).request().unwrap();
    fake.answer(&FakeRequest {
        method: &rendered.method,
        target: &rendered.url[url::Position::BeforePath..],
        headers: &rendered.headers,
        body: &rendered.body,
        now: sample.now,
    })
}

fn judge(sample: &Sample, answer: &FakeAnswer) -> Classification {
    let exchange = exchange(answer.status, &answer.headers, &answer.body);
    GoogleChat.classify(&sample.task(), &exchange, sample.now)
}

fn raw(fake: &mut FakeGoogleChat, query: &str, body: &str) -> FakeAnswer {
    fake.answer(&FakeRequest {
        method: &Method::POST,
        target: &format!("{PATH}?{query}"),
        headers: &HeaderMap::new(),
        body: body.as_bytes(),
        now: Timestamp::EPOCH,
    })
}

fn credentials() -> String {
    format!("key={KEY}&token={TOKEN}")
}

/// Samples of all events whose deliveries differ, as they do in life: by the time in their ids.
fn samples() -> [Sample; 5] {
    let mut millis = 0;
    EventName::ALL.map(|event| {
        let mut sample = sample(event);
        millis += 1;
        let incident = sample.event.incident().unwrap();
        sample.event.at = Timestamp::from_millis(sample.event.at.as_millis() + millis);
        sample.about(|changed| *changed = incident)
    })
}

#[test]
fn all_events_of_an_incident_stand_in_one_thread() {
    let mut fake = FakeGoogleChat::default();
    let outcomes = samples().map(|sample| {
        let answer = send(&mut fake, &sample);
        judge(&sample, &answer).outcome
    });
    assert_eq!(outcomes, [const { Outcome::Delivered }; 5]);
    let threads: Vec<_> = fake.messages.iter().map(|posted| posted.thread).collect();
    assert_eq!(threads, [1; 5]);
}

#[test]
fn separate_messages_stand_in_threads_of_their_own() {
    let mut fake = FakeGoogleChat::default();
    let answers = samples().map(|sample| send(&mut fake, &sample.with_option("messages", "separate")));
    assert_eq!(answers.map(|answer| answer.status), [200; 5]);
    let threads: Vec<_> = fake.messages.iter().map(|posted| posted.thread).collect();
    assert_eq!(threads, [1, 2, 3, 4, 5]);
}

#[test]
fn a_repeat_after_a_lost_answer_posts_nothing_new() {
    let mut fake = FakeGoogleChat::default();
    let sample = sample(EventName::Triggered);
    let (first, second) = (send(&mut fake, &sample), send(&mut fake, &sample));
    assert_eq!((first.body == second.body, fake.messages().len()), (true, 1));
    assert_eq!(judge(&sample, &second).outcome, Outcome::Delivered);
}

#[test]
fn every_fault_is_understood() {
    let sample = sample(EventName::Triggered);
    let remedies: Vec<_> = FAULTS
        .iter()
        .map(|fault| {
            let mut fake = FakeGoogleChat::default();
            assert!(fake.fail_next(fault.name));
            let judgement = judge(&sample, &send(&mut fake, &sample));
            (fault.name, judgement.outcome.failure().unwrap().disposition)
        })
        .collect();
    let expected = [
        ("rate_limit", Disposition::RateLimited),
        ("rate_limit_told", Disposition::RateLimited),
        ("bad_key", Disposition::NeedsOperator),
        ("unauthenticated", Disposition::NeedsOperator),
        ("bad_token", Disposition::NeedsOperator),
        ("no_space", Disposition::NeedsOperator),
        ("refused_message", Disposition::Immediate),
        ("refused_request_id", Disposition::Immediate),
        ("internal", Disposition::Backoff),
        ("unavailable", Disposition::Backoff),
        ("html", Disposition::Backoff),
        ("sign_in", Disposition::Backoff),
    ];
    assert_eq!(remedies, expected);
}

#[test]
fn a_refused_message_is_followed_by_text_in_the_same_thread() {
    let mut fake = FakeGoogleChat::default();
    let [mut first, second, ..] = samples();
    fake.fail_next("refused_message");
    let answer = send(&mut fake, &first);
    assert_eq!(judge(&first, &answer).continuation, Patch::Set(PLAIN.into()));
    first.progress = Some(PLAIN.into());
    assert_eq!(send(&mut fake, &first).status, 200);
    assert_eq!(send(&mut fake, &second).sentence, "posted message 2 in thread 1");
}

#[test]
fn a_refused_request_id_is_left_out() {
    let mut fake = FakeGoogleChat::default();
    let mut sample = sample(EventName::Triggered);
    fake.fail_next("refused_request_id");
    let answer = send(&mut fake, &sample);
    assert_eq!(judge(&sample, &answer).continuation, Patch::Set(UNNAMED.into()));
    sample.progress = Some(UNNAMED.into());
    assert_eq!(send(&mut fake, &sample).status, 200);
    assert_eq!(fake.messages[0].request_id, None);
}

#[test]
fn who_does_not_know_key_and_token_is_refused() {
    let mut fake = FakeGoogleChat::default();
    let body = r#"{"text":"hello"}"#;
    assert_eq!(raw(&mut fake, "key=guess", body).status, 400);
    assert_eq!(
        raw(&mut fake, &format!("key={KEY}&token=guess"), body).status,
        403
    );
    assert_eq!(raw(&mut fake, &credentials(), body).status, 200);
}

#[test]
fn a_query_that_google_does_not_know_is_refused() {
    let mut fake = FakeGoogleChat::default();
    let body = r#"{"text":"hello"}"#;
    let statuses = [
        "requestId=1",
        "messageReplyOption=REPLY",
        "colour=red",
        "alt=odd",
        "alt=json",
    ]
    .map(|extra| raw(&mut fake, &format!("{}&{extra}", credentials()), body).status);
    assert_eq!(statuses, [400, 400, 400, 400, 200]);
}

#[test]
fn without_an_option_the_key_of_a_thread_is_ignored_and_one_that_must_exist_may_be_missed() {
    let mut fake = FakeGoogleChat::default();
    let body = r#"{"text":"hello","thread":{"threadKey":"inc_1"}}"#;
    let sentence = raw(&mut fake, &credentials(), body).sentence;
    assert_eq!(sentence, "posted message 1, which opens a thread");
    let or_fail = format!("{}&messageReplyOption=REPLY_MESSAGE_OR_FAIL", credentials());
    assert_eq!(raw(&mut fake, &or_fail, body).status, 404);
}
