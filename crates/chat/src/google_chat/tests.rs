//! Google Chat's adapter against the simulated space.

use super::*;
use crate::simulated::{ask, exchange, platform};
use destination::sample::Sample;
use destination::task::Classification;
use model::attempt::{Disposition, Outcome};
use model::event::EventName;
use model::patch::Patch;
use model::time::Timestamp;
use model::webhook::WebhookKind;
use simulators::{Response, Simulator};

const URL: &str = "https://chat.googleapis.com/v1/spaces/AAQA1/messages?key=k&token=t";

/// A task for the space.
pub(super) fn sample(event: EventName) -> Sample {
    let url = platform("google_chat").url("http://127.0.0.1:9").parse().unwrap();
    let at = Timestamp::from_millis(1_705_314_600_000);
    Sample::new(WebhookKind::new("google_chat"), url, event, at)
}

/// What a fresh space answers to a task.
pub(super) fn post(sample: &Sample) -> Response {
    send(&mut *platform("google_chat"), sample)
}

fn send(space: &mut dyn Simulator, sample: &Sample) -> Response {
    let rendered = GoogleChat.step(&sample.task()).into_request().unwrap();
    ask(space, &rendered, sample.now)
}

fn judge(sample: &Sample, answer: &Response) -> Classification {
    let exchange = exchange(answer.status, &answer.headers, &answer.body);
    GoogleChat
        .step(&sample.task())
        .classify(&sample.task(), &exchange, sample.now)
}

/// The number of the thread that a posted message stands in.
fn thread(answer: &Response) -> u64 {
    let message: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let (_, number) = message["thread"]["name"]
        .as_str()
        .unwrap()
        .rsplit_once('/')
        .unwrap();
    number.parse().unwrap()
}

/// Samples of all events whose deliveries differ, as they do in life: by the time in their ids.
fn samples() -> [Sample; 5] {
    let mut millis = 0;
    std::array::from_fn(|index| {
        let mut sample = sample(EventName::ALL[index]);
        millis += 1;
        let incident = sample.event.incident().unwrap();
        sample.event.at = Timestamp::from_millis(sample.event.at.as_millis() + millis);
        sample.about(|changed| *changed = incident)
    })
}

#[test]
fn all_events_of_an_incident_stand_in_one_thread() {
    let space = &mut *platform("google_chat");
    let told = samples().map(|sample| {
        let answer = send(space, &sample);
        (judge(&sample, &answer).outcome, thread(&answer))
    });
    assert_eq!(
        told,
        [const { Outcome::Delivered }; 5].map(|outcome| (outcome, 1))
    );
}

#[test]
fn separate_messages_stand_in_threads_of_their_own() {
    let space = &mut *platform("google_chat");
    let answers = samples().map(|sample| send(space, &sample.with_option("messages", "separate")));
    let told = answers.map(|answer| (answer.status, thread(&answer)));
    assert_eq!(told, [1, 2, 3, 4, 5].map(|thread| (200, thread)));
}

#[test]
fn a_repeat_after_a_lost_answer_posts_nothing_new() {
    let space = &mut *platform("google_chat");
    let sample = sample(EventName::Triggered);
    let (first, second) = (send(space, &sample), send(space, &sample));
    assert_eq!((first.body == second.body, space.messages().len()), (true, 1));
    assert_eq!(judge(&sample, &second).outcome, Outcome::Delivered);
}

#[test]
fn every_fault_is_understood() {
    let sample = sample(EventName::Triggered);
    let space = &mut *platform("google_chat");
    let mut remedies = Vec::new();
    for fault in space.faults() {
        assert!(space.fail_next(fault.name));
        let classification = judge(&sample, &send(space, &sample));
        remedies.push((fault.name, classification.outcome.failure().unwrap().disposition));
    }
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
    let space = &mut *platform("google_chat");
    let [mut first, second, ..] = samples();
    space.fail_next("refused_message");
    let answer = send(space, &first);
    assert_eq!(judge(&first, &answer).continuation, Patch::Set(PLAIN.into()));
    first.progress = Some(PLAIN.into());
    assert_eq!(send(space, &first).status, 200);
    assert_eq!(send(space, &second).sentence, "posted message 2 in thread 1");
}

#[test]
fn a_refused_request_id_is_left_out() {
    let space = &mut *platform("google_chat");
    let mut sample = sample(EventName::Triggered);
    space.fail_next("refused_request_id");
    let answer = send(space, &sample);
    assert_eq!(judge(&sample, &answer).continuation, Patch::Set(UNNAMED.into()));
    sample.progress = Some(UNNAMED.into());
    let rendered = GoogleChat.step(&sample.task()).into_request().unwrap();
    assert!(!rendered.url.query().unwrap().contains("requestId"));
    assert_eq!(ask(space, &rendered, sample.now).status, 200);
}

fn target(url: &str, mention: &str) -> Target {
    let kind = WebhookKind::new("google_chat");
    Sample::new(
        kind,
        Url::parse(url).unwrap(),
        EventName::Triggered,
        Timestamp::EPOCH,
    )
    .with_option("mention", mention)
    .target
}

fn fields(target: &Target) -> Vec<&'static str> {
    GoogleChat
        .check(target)
        .iter()
        .map(|problem| problem.field)
        .collect()
}

#[test]
fn a_space_takes_one_message_per_second() {
    let buckets = GoogleChat.buckets(&target(URL, ""));
    assert_eq!(buckets.len(), 1);
    assert_eq!(
        (buckets[0].key.as_str(), buckets[0].rate),
        ("google_chat:space:AAQA1", Some(RATE))
    );
}

#[test]
fn a_url_of_another_form_is_a_problem() {
    assert_eq!(fields(&target(URL, "")), [""; 0]);
    let others = [
        "https://chat.googleapis.com/v1/spaces/AAQA1/messages?key=k",
        "https://chat.googleapis.com/v1/spaces/AAQA1/messages?key=&token=t",
        "https://chat.googleapis.com/v1/spaces/AAQA1?key=k&token=t",
        "https://chat.google.com/room/AAQA1",
    ];
    assert_eq!(others.map(|url| fields(&target(url, ""))), [const { ["url"] }; 4]);
}

#[test]
fn a_mention_of_another_form_is_a_problem() {
    assert_eq!(fields(&target(URL, "all")), [""; 0]);
    assert_eq!(fields(&target(URL, "users/123, users/456")), [""; 0]);
    assert_eq!(fields(&target(URL, "<users/all>")), ["mention"]);
}
