//! The adapter against the fake: what is rendered is taken, messages follow their incidents, refusals find their way.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::*;
use crate::telegram::Telegram;
use crate::telegram::settings::sample;
use destination::Adapter;
use destination::sample::Sample;
use destination::shown::Part;
use destination::task::{ActLink, Classification};
use model::attempt::{Disposition, Outcome};
use model::event::EventName;
use model::exchange::{Exchange, FailureCode, PhaseTimings, Response};
use model::incident::IncidentAction;
use model::patch::Patch;

/// Sends a sample's task to the fake, judges the answer and keeps what the engine would keep.
fn deliver(fake: &mut TelegramFake, sample: &mut Sample) -> Classification {
    let rendered = Telegram.step(&sample.task()).request().unwrap();
    let answer = fake.answer(&FakeRequest {
        method: &rendered.method,
        target: rendered.url.path(),
        headers: &rendered.headers,
        body: &rendered.body,
        now: sample.now,
    });
    let headers = answer.headers.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )
    });
    let exchange = Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        result: Ok(Response {
            status: answer.status,
            headers: HeaderMap::from_iter(headers),
            body: answer.body.into(),
            body_is_truncated: false,
        }),
    };
    let judgement = Telegram.classify(&sample.task(), &exchange, sample.now);
    keep(&mut sample.memory, &judgement.message_ref);
    keep(&mut sample.progress, &judgement.continuation);
    sample.target.discovered_settings = judgement
        .discovered_settings
        .clone()
        .or(sample.target.discovered_settings.take());
    judgement
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

fn failed(judgement: &Classification) -> (FailureCode, Disposition) {
    let failure = judgement.outcome.failure().unwrap();
    (failure.code, failure.disposition)
}

fn headings(fake: &TelegramFake) -> Vec<String> {
    let first = |shown: Shown| shown.text().lines().next().unwrap().to_owned();
    fake.messages().into_iter().map(first).collect()
}

#[test]
fn one_message_follows_its_incident() {
    let mut fake = TelegramFake::default();
    let mut triggered = with_acts(sample(EventName::Triggered));
    assert_eq!(deliver(&mut fake, &mut triggered).outcome, Outcome::Delivered);
    let mut acknowledged = then(&triggered, EventName::Acknowledged);
    assert_eq!(deliver(&mut fake, &mut acknowledged).outcome, Outcome::Delivered);
    assert_eq!(headings(&fake), ["🟡 Database connection timeout"]);
    let mut resolved = then(&acknowledged, EventName::Resolved);
    assert_eq!(deliver(&mut fake, &mut resolved).outcome, Outcome::Delivered);
    assert_eq!(headings(&fake), ["🟢 Database connection timeout"]);
    assert_eq!(deliver(&mut fake, &mut resolved).outcome, Outcome::Delivered);
}

#[test]
fn replies_and_separate_messages_add_up() {
    let mut fake = TelegramFake::default();
    let mut triggered = sample(EventName::Triggered).with_option("messages", "thread");
    deliver(&mut fake, &mut triggered);
    let mut resolved = then(&triggered, EventName::Resolved);
    deliver(&mut fake, &mut resolved);
    assert_eq!(fake.messages[1].body["reply_parameters"]["message_id"], 1);
    let mut separate = then(&triggered, EventName::Resolved).with_option("messages", "separate");
    deliver(&mut fake, &mut separate);
    assert_eq!(fake.messages[2].body.get("reply_parameters"), None);
}

#[test]
fn a_deleted_message_is_posted_anew() {
    let mut fake = TelegramFake::default();
    let mut triggered = sample(EventName::Triggered);
    deliver(&mut fake, &mut triggered);
    let mut resolved = then(&triggered, EventName::Resolved);
    assert!(fake.fail_next("deleted"));
    let judgement = deliver(&mut fake, &mut resolved);
    assert_eq!(
        failed(&judgement),
        (FailureCode::MessageLost, Disposition::Immediate)
    );
    assert_eq!(resolved.memory, None);
    assert_eq!(deliver(&mut fake, &mut resolved).outcome, Outcome::Delivered);
    assert_eq!(headings(&fake), ["🟢 Database connection timeout"]);
    assert!(resolved.memory.is_some());
}

#[test]
fn a_message_too_old_to_edit_is_posted_anew() {
    let mut fake = TelegramFake::default();
    let mut triggered = sample(EventName::Triggered);
    deliver(&mut fake, &mut triggered);
    let mut resolved = then(&triggered, EventName::Resolved);
    fake.fail_next("cannot_edit");
    assert_eq!(
        failed(&deliver(&mut fake, &mut resolved)),
        (FailureCode::MessageLost, Disposition::Immediate)
    );
    assert_eq!(deliver(&mut fake, &mut resolved).outcome, Outcome::Delivered);
    assert_eq!(fake.messages.len(), 2);
}

#[test]
fn a_reply_to_a_deleted_message_is_posted_without_it() {
    let mut fake = TelegramFake::default();
    let mut triggered = sample(EventName::Triggered).with_option("messages", "thread");
    deliver(&mut fake, &mut triggered);
    let mut resolved = then(&triggered, EventName::Resolved);
    fake.fail_next("deleted");
    assert_eq!(deliver(&mut fake, &mut resolved).outcome, Outcome::Delivered);
}

#[test]
fn a_moved_chat_is_followed() {
    let mut fake = TelegramFake::default();
    let mut triggered = sample(EventName::Triggered).with_option("chat", "-55");
    deliver(&mut fake, &mut triggered);
    let mut resolved = then(&triggered, EventName::Resolved);
    fake.fail_next("moved");
    assert_eq!(
        failed(&deliver(&mut fake, &mut resolved)),
        (FailureCode::ChatMoved, Disposition::Immediate)
    );
    assert_eq!(deliver(&mut fake, &mut resolved).outcome, Outcome::Delivered);
    assert_eq!(fake.messages[1].chat, MOVED_TO.to_string());
}

#[test]
fn a_refused_message_is_sent_plain() {
    let mut fake = TelegramFake::default();
    let mut triggered = with_acts(sample(EventName::Triggered));
    fake.fail_next("entities");
    assert_eq!(
        failed(&deliver(&mut fake, &mut triggered)),
        (FailureCode::MessageRefused, Disposition::Immediate)
    );
    assert_eq!(deliver(&mut fake, &mut triggered).outcome, Outcome::Delivered);
    assert_eq!(headings(&fake), ["Triggered: Database connection timeout"]);
}

#[test]
fn every_fault_is_judged_as_what_it_is() {
    let mut fake = TelegramFake::default();
    let mut meet = |fault: &str| {
        assert!(fake.fail_next(fault));
        deliver(&mut fake, &mut sample(EventName::Triggered))
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
    assert!(!fake.fail_next("nonsense"));
}

#[test]
fn a_mention_calls_exactly_whom_the_settings_name() {
    let mut fake = TelegramFake::default();
    let mut triggered = sample(EventName::Triggered)
        .about(|incident| incident.title = "@everyone ping @admin".into())
        .with_option("mention", "@ada_l @bob_b");
    deliver(&mut fake, &mut triggered);
    let parts = fake.messages().remove(0).parts;
    assert_eq!(
        parts[2..],
        [Part::Mention("@ada_l".into()), Part::Mention("@bob_b".into())]
    );
}

#[test]
fn the_other_methods_are_there() {
    let mut fake = TelegramFake::default();
    let mut call = |method: &str, body: Value| {
        let headers = HeaderMap::from_iter([(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )]);
        let target = format!("/bot1:{}/{method}", "a".repeat(35));
        let body = body.to_string();
        let request = FakeRequest {
            method: &http::Method::POST,
            target: &target,
            headers: &headers,
            body: body.as_bytes(),
            now: model::time::Timestamp::EPOCH,
        };
        fake.answer(&request).status
    };
    assert_eq!(call("getMe", json!({})), 200);
    assert_eq!(
        call(
            "setWebhook",
            json!({ "url": "https://a.example/x", "secret_token": "a-b_c" })
        ),
        200
    );
    assert_eq!(call("setWebhook", json!({ "url": "http://a.example/x" })), 400);
    assert_eq!(
        call(
            "answerCallbackQuery",
            json!({ "callback_query_id": "1", "text": "x".repeat(201) })
        ),
        400
    );
    assert_eq!(call("deleteEverything", json!({})), 404);
}

#[test]
fn queries_forms_and_json_say_the_same() {
    let mut fake = TelegramFake::default();
    let target = "/bot123456789:AAF-made_up_made_up_made_up_made_u/sendMessage";
    let mut send = |query: &str, content_type: &'static str, body: &str| {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        let answer = fake.answer(&FakeRequest {
            method: &Method::POST,
            target: &format!("{target}{query}"),
            headers: &headers,
            body: body.as_bytes(),
            now: model::time::Timestamp::EPOCH,
        });
        answer.shown.map(|shown| shown.text()).ok_or(answer.body)
    };
    let expected = Ok("12".to_owned());
    let form = "chat_id=4711&text=12&disable_notification=true&entities=%5B%5D";
    assert_eq!(send("", "application/x-www-form-urlencoded", form), expected);
    let multipart = "--X\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n4711\r\n\
                     --X\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n12\r\n--X--\r\n";
    assert_eq!(send("", "multipart/form-data; boundary=X", multipart), expected);
    assert_eq!(send("?chat_id=4711&text=12", "text/plain", ""), expected);
    assert_eq!(
        send("?chat_id=4711", "application/json", r#"{"text":"12"}"#),
        expected
    );
    let odd = send(
        "",
        "application/x-www-form-urlencoded",
        "chat_id=4711&text=a&entities=bold",
    );
    assert!(odd.unwrap_err().contains("can't parse entities"));
}

#[test]
fn a_probe_asks_about_the_chat() {
    let mut fake = TelegramFake::default();
    let target = sample(EventName::Triggered).target;
    let mut refuses = |fault: Option<&str>| {
        fault.into_iter().for_each(|fault| assert!(fake.fail_next(fault)));
        let probe = Telegram.probe(&target).unwrap();
        let answer = fake.answer(&FakeRequest {
            method: &probe.method,
            target: probe.url.path(),
            headers: &probe.headers,
            body: &probe.body,
            now: model::time::Timestamp::EPOCH,
        });
        Telegram.refuses(&Response {
            status: answer.status,
            headers: HeaderMap::new(),
            body: answer.body.into(),
            body_is_truncated: false,
        })
    };
    let refused = [Some("unauthorized"), Some("blocked"), Some("chat_not_found")];
    assert_eq!(refused.map(&mut refuses), [true; 3]);
    assert_eq!(
        [None, Some("internal"), Some("gateway"), Some("flood")].map(&mut refuses),
        [false; 4]
    );
    assert!(fake.messages().is_empty());
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
        let mut fake = TelegramFake::default();
        let assignee = model::user::UserRef {
            id: model::id::UserId::new(model::time::Timestamp::EPOCH, [1; 10]),
            name: person,
        };
        let sample = with_acts(sample(EventName::Triggered)).about(|incident| {
            incident.title = title.repeat(repeat);
            incident.service.name = service.repeat(repeat);
            incident.assignee = Some(assignee);
        });
        let mut sample = sample.with_option("actions", choice);
        prop_assert_eq!(deliver(&mut fake, &mut sample).outcome, Outcome::Delivered);
        let shown = fake.messages().remove(0);
        prop_assert!(!shown.parts.iter().any(|part| matches!(part, Part::Mention(_))));
        sample.progress = Some("plain".into());
        prop_assert_eq!(deliver(&mut fake, &mut sample).outcome, Outcome::Delivered);
    }
}
