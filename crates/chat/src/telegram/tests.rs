//! Telegram's adapter against the simulated Bot API: what is rendered is taken, messages follow their incidents, refusals find their way.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use crate::simulated::{ask, exchange, platform};
use crate::telegram::Telegram;
use crate::telegram::settings::sample;
use destination::Adapter;
use destination::sample::Sample;
use destination::task::{ActLink, Classification};
use model::attempt::{Disposition, Outcome};
use model::event::EventName;
use model::exchange::FailureCode;
use model::incident::IncidentAction;
use model::patch::Patch;
use model::time::Timestamp;
use simulators::Simulator;

/// Sends a sample's task to the API, judges the answer and keeps what the engine would keep.
fn deliver(api: &mut dyn Simulator, sample: &mut Sample) -> Classification {
    let rendered = Telegram.step(&sample.task()).into_request().unwrap();
    let answer = ask(api, &rendered, sample.now);
    let exchange = exchange(answer.status, &answer.headers, &answer.body);
    let classification = Telegram
        .step(&sample.task())
        .classify(&sample.task(), &exchange, sample.now);
    keep(&mut sample.memory, &classification.message_ref);
    keep(&mut sample.progress, &classification.continuation);
    sample.target.discovered_settings = classification
        .discovered_settings
        .clone()
        .or(sample.target.discovered_settings.take());
    classification
}

/// What is sent next.
fn body(sample: &Sample) -> Value {
    let rendered = Telegram.step(&sample.task()).into_request().unwrap();
    serde_json::from_slice(&rendered.body).unwrap()
}

fn keep(kept: &mut Option<String>, keeping: &Patch<String>) {
    match keeping {
        Patch::Keep => {}
        Patch::Set(text) => *kept = Some(text.clone()),
        Patch::Clear => *kept = None,
    }
}

/// The next event of the incident that a sample is about.
fn then(before: &Sample, event: EventName) -> Sample {
    let mut next = sample(event);
    next.target = before.target.clone();
    next.memory = before.memory.clone();
    next
}

fn with_acts(mut sample: Sample) -> Sample {
    sample.links.incident = Some("https://ops.example.com/incidents/inc_1".into());
    let act = |action| ActLink {
        action,
        token: "t".repeat(55),
        page: Some("https://ops.example.com/act/t".into()),
    };
    sample.links.acts = vec![act(IncidentAction::Acknowledge), act(IncidentAction::Resolve)];
    sample
}

fn failed(classification: &Classification) -> (FailureCode, Disposition) {
    let failure = classification.outcome.failure().unwrap();
    (failure.code, failure.disposition)
}

fn headings(api: &dyn Simulator) -> Vec<String> {
    let first = |message: simulators::Message| message.text().lines().next().unwrap().to_owned();
    api.messages().into_iter().map(first).collect()
}

#[test]
fn one_message_follows_its_incident() {
    let api = &mut *platform("telegram");
    let mut triggered = with_acts(sample(EventName::Triggered));
    assert_eq!(deliver(api, &mut triggered).outcome, Outcome::Delivered);
    let mut acknowledged = then(&triggered, EventName::Acknowledged);
    assert_eq!(deliver(api, &mut acknowledged).outcome, Outcome::Delivered);
    assert_eq!(headings(api), ["🟡 Database connection timeout"]);
    let mut resolved = then(&acknowledged, EventName::Resolved);
    assert_eq!(deliver(api, &mut resolved).outcome, Outcome::Delivered);
    assert_eq!(headings(api), ["🟢 Database connection timeout"]);
    assert_eq!(deliver(api, &mut resolved).outcome, Outcome::Delivered);
}

#[test]
fn replies_and_separate_messages_add_up() {
    let api = &mut *platform("telegram");
    let mut triggered = sample(EventName::Triggered).with_option("messages", "thread");
    deliver(api, &mut triggered);
    let mut resolved = then(&triggered, EventName::Resolved);
    assert_eq!(body(&resolved)["reply_parameters"]["message_id"], 1);
    deliver(api, &mut resolved);
    let mut separate = then(&triggered, EventName::Resolved).with_option("messages", "separate");
    assert_eq!(body(&separate).get("reply_parameters"), None);
    deliver(api, &mut separate);
    assert_eq!(api.messages().len(), 3);
}

#[test]
fn a_deleted_message_is_posted_anew() {
    let api = &mut *platform("telegram");
    let mut triggered = sample(EventName::Triggered);
    deliver(api, &mut triggered);
    let mut resolved = then(&triggered, EventName::Resolved);
    assert!(api.fail_next("deleted"));
    let classification = deliver(api, &mut resolved);
    assert_eq!(
        failed(&classification),
        (FailureCode::MessageLost, Disposition::Immediate)
    );
    assert_eq!(resolved.memory, None);
    assert_eq!(deliver(api, &mut resolved).outcome, Outcome::Delivered);
    assert_eq!(headings(api), ["🟢 Database connection timeout"]);
    assert!(resolved.memory.is_some());
}

#[test]
fn a_message_too_old_to_edit_is_posted_anew() {
    let api = &mut *platform("telegram");
    let mut triggered = sample(EventName::Triggered);
    deliver(api, &mut triggered);
    let mut resolved = then(&triggered, EventName::Resolved);
    api.fail_next("cannot_edit");
    assert_eq!(
        failed(&deliver(api, &mut resolved)),
        (FailureCode::MessageLost, Disposition::Immediate)
    );
    assert_eq!(deliver(api, &mut resolved).outcome, Outcome::Delivered);
    assert_eq!(api.messages().len(), 2);
}

#[test]
fn a_reply_to_a_deleted_message_is_posted_without_it() {
    let api = &mut *platform("telegram");
    let mut triggered = sample(EventName::Triggered).with_option("messages", "thread");
    deliver(api, &mut triggered);
    let mut resolved = then(&triggered, EventName::Resolved);
    api.fail_next("deleted");
    assert_eq!(deliver(api, &mut resolved).outcome, Outcome::Delivered);
}

#[test]
fn a_moved_chat_is_followed() {
    let api = &mut *platform("telegram");
    let mut triggered = sample(EventName::Triggered).with_option("chat", "-55");
    deliver(api, &mut triggered);
    let mut resolved = then(&triggered, EventName::Resolved);
    api.fail_next("moved");
    assert_eq!(
        failed(&deliver(api, &mut resolved)),
        (FailureCode::ChatMoved, Disposition::Immediate)
    );
    assert_eq!(body(&resolved)["chat_id"], -1_009_999_999_999_i64);
    assert_eq!(deliver(api, &mut resolved).outcome, Outcome::Delivered);
}

#[test]
fn a_refused_message_is_sent_plain() {
    let api = &mut *platform("telegram");
    let mut triggered = with_acts(sample(EventName::Triggered));
    api.fail_next("entities");
    assert_eq!(
        failed(&deliver(api, &mut triggered)),
        (FailureCode::MessageRefused, Disposition::Immediate)
    );
    assert_eq!(deliver(api, &mut triggered).outcome, Outcome::Delivered);
    assert_eq!(headings(api), ["Triggered: Database connection timeout"]);
}

#[test]
fn every_fault_is_judged_as_what_it_is() {
    let api = &mut *platform("telegram");
    let mut meet = |fault: &str| {
        assert!(api.fail_next(fault));
        deliver(api, &mut sample(EventName::Triggered))
    };
    let person = (FailureCode::SettingsRefused, Disposition::NeedsOperator);
    let flood = meet("flood");
    assert_eq!(
        flood.pause.as_ref().map(|pause| pause.wait),
        Some(Duration::from_secs(3))
    );
    assert_eq!(
        failed(&flood),
        (FailureCode::RateLimited, Disposition::RateLimited)
    );
    assert_eq!(
        failed(&meet("flood_html")),
        (FailureCode::RateLimited, Disposition::RateLimited)
    );
    assert_eq!(failed(&meet("unauthorized")), person);
    assert_eq!(failed(&meet("blocked")), person);
    assert_eq!(failed(&meet("chat_not_found")), person);
    assert_eq!(failed(&meet("topic_closed")), person);
    assert_eq!(
        failed(&meet("internal")),
        (FailureCode::ServerError, Disposition::Backoff)
    );
    assert_eq!(
        failed(&meet("gateway")),
        (FailureCode::ServerError, Disposition::Backoff)
    );
    assert!(!api.fail_next("nonsense"));
}

#[test]
fn a_mention_calls_exactly_whom_the_settings_name() {
    let api = &mut *platform("telegram");
    let mut triggered = sample(EventName::Triggered)
        .about(|incident| incident.title = "@everyone ping @admin".into())
        .with_option("mention", "@ada_l @bob_b");
    deliver(api, &mut triggered);
    assert_eq!(api.messages()[0].mentions, ["@ada_l", "@bob_b"]);
}

#[test]
fn a_probe_asks_about_the_chat() {
    let api = &mut *platform("telegram");
    let target = sample(EventName::Triggered).target;
    let mut refuses = |fault: Option<&str>| {
        fault.into_iter().for_each(|fault| assert!(api.fail_next(fault)));
        let probe = Telegram.probe(&target).unwrap();
        let answer = ask(api, &probe, Timestamp::EPOCH);
        Telegram.refuses(&exchange(answer.status, &[], &answer.body).result.unwrap())
    };
    let refused = [Some("unauthorized"), Some("blocked"), Some("chat_not_found")];
    assert_eq!(refused.map(&mut refuses), [true; 3]);
    assert_eq!(
        [None, Some("internal"), Some("gateway"), Some("flood")].map(&mut refuses),
        [false; 4]
    );
    assert!(api.messages().is_empty());
}

proptest! {
    #[test]
    fn whatever_people_write_is_taken_and_calls_nobody(
        title in "\\PC{0,80}|.{0,80}|[@#$/.:a-z ]{0,60}",
        service in ".{0,40}",
        person in ".{0,40}",
        choice in prop::sample::select(&["links", "buttons"][..]),
        repeat in 1usize..60,
    ) {
        let api = &mut *platform("telegram");
        let assignee = model::user::UserRef {
            id: model::id::UserId::new(Timestamp::EPOCH, [1; 10]),
            name: person,
        };
        let sample = with_acts(sample(EventName::Triggered)).about(|incident| {
            incident.title = title.repeat(repeat);
            incident.service.name = service.repeat(repeat);
            incident.assignee = Some(assignee);
        });
        let mut sample = sample.with_option("actions", choice);
        prop_assert_eq!(deliver(api, &mut sample).outcome, Outcome::Delivered);
        prop_assert!(api.messages()[0].mentions.is_empty());
        sample.progress = Some("plain".into());
        prop_assert_eq!(deliver(api, &mut sample).outcome, Outcome::Delivered);
    }
}
