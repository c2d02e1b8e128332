//! What answers of the Bot API mean.

use super::*;
use crate::telegram::settings::sample;
use bytes::Bytes;
use destination::sample::Sample;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};
use model::event::EventName;
use model::exchange::{PhaseTimings, Reach, SendFailure};

fn judged(sample: &Sample, status: u16, body: &str) -> Classification {
    let response = Response {
        status,
        headers: HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("9"))]),
        body: Bytes::copy_from_slice(body.as_bytes()),
        body_is_truncated: false,
    };
    classify(
        Action::new(&sample.task()),
        &sample.task(),
        &exchange(Ok(response)),
        sample.now,
    )
}

fn exchange(result: Result<Response, SendFailure>) -> Exchange {
    Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        reach: Reach::MaybeSent,
        result,
    }
}

fn refusal(sample: &Sample, code: u16, description: &str) -> Classification {
    let body = serde_json::json!({ "ok": false, "error_code": code, "description": description });
    judged(sample, code, &body.to_string())
}

fn verdict(classification: &Classification) -> (FailureCode, Disposition) {
    let failure = classification.outcome.failure().unwrap();
    (failure.code, failure.disposition)
}

fn post() -> Sample {
    sample(EventName::Triggered)
}

fn edit() -> Sample {
    let mut sample = sample(EventName::Resolved);
    sample.memory = Some(r#"{"chat":"-1001234567890","message":7}"#.into());
    sample
}

const PERSON: (FailureCode, Disposition) = (FailureCode::SettingsRefused, Disposition::NeedsOperator);
const SENT: &str = r#"{"ok":true,"result":{"message_id":7,"chat":{"id":-1001234567890}}}"#;

#[test]
fn a_posted_message_is_remembered_unless_messages_are_separate() {
    let classification = judged(&post(), 200, SENT);
    assert_eq!(classification.outcome, Outcome::Delivered);
    let memory = Patch::Set(r#"{"chat":"-1001234567890","message":7}"#.into());
    assert_eq!(classification.message_ref, memory);
    assert_eq!(
        judged(&post().with_option("messages", "separate"), 200, SENT).message_ref,
        Patch::Keep
    );
    assert_eq!(judged(&edit(), 200, SENT).message_ref, Patch::Keep);
    assert_eq!(
        judged(&edit().with_option("messages", "thread"), 200, SENT).message_ref,
        Patch::Keep
    );
}

#[test]
fn an_edit_that_changes_nothing_is_delivered() {
    let classification = refusal(
        &edit(),
        400,
        "Bad Request: message is not modified: specified new message content",
    );
    assert_eq!(classification.outcome, Outcome::Delivered);
}

#[test]
fn a_message_that_cannot_be_changed_any_more_is_posted_anew() {
    let classification = refusal(&edit(), 400, "Bad Request: message to edit not found");
    assert_eq!(
        verdict(&classification),
        (FailureCode::MessageLost, Disposition::Immediate)
    );
    assert_eq!(classification.message_ref, Patch::Clear);
    let lost = (FailureCode::MessageLost, Disposition::Immediate);
    assert_eq!(
        verdict(&refusal(&edit(), 400, "Bad Request: message can't be edited")),
        lost
    );
    assert_eq!(
        verdict(&refusal(
            &edit(),
            400,
            "Bad Request: message to be replied not found"
        )),
        lost
    );
}

#[test]
fn a_moved_chat_is_learned() {
    let body = r#"{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-10099}}"#;
    let classification = judged(&post(), 400, body);
    assert_eq!(
        verdict(&classification),
        (FailureCode::ChatMoved, Disposition::Immediate)
    );
    assert_eq!(
        classification.discovered_settings.as_deref(),
        Some(r#"{"from":"-1001234567890","to":-10099}"#)
    );
    assert_eq!(classification.message_ref, Patch::Clear);
}

#[test]
fn a_rate_limit_is_waited_for_and_pauses_the_chat() {
    let body = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 17","parameters":{"retry_after":17}}"#;
    let classification = judged(&post(), 429, body);
    assert_eq!(
        verdict(&classification),
        (FailureCode::RateLimited, Disposition::RateLimited)
    );
    let pause = Pause {
        bucket: "telegram:123456789:-1001234567890".into(),
        wait: Duration::from_secs(17),
    };
    assert_eq!(
        classification.outcome.failure().unwrap().retry_after,
        Some(pause.wait)
    );
    assert_eq!(classification.pause, Some(pause));
    let by_header = judged(&post(), 429, "<html>slow down</html>");
    assert_eq!(
        by_header.outcome.failure().unwrap().retry_after,
        Some(Duration::from_secs(9))
    );
}

#[test]
fn what_only_a_person_can_mend_says_how() {
    assert_eq!(verdict(&refusal(&post(), 401, "Unauthorized")), PERSON);
    assert_eq!(verdict(&refusal(&post(), 404, "Not Found")), PERSON);
    assert_eq!(
        verdict(&refusal(
            &post(),
            403,
            "Forbidden: bot was kicked from the group chat"
        )),
        PERSON
    );
    let rights = "Bad Request: not enough rights to send text messages to the chat";
    assert_eq!(verdict(&refusal(&post(), 400, rights)), PERSON);
    assert_eq!(
        verdict(&refusal(&post(), 400, "Bad Request: TOPIC_CLOSED")),
        PERSON
    );
    assert_eq!(
        verdict(&refusal(&edit(), 400, "Bad Request: message thread not found")),
        PERSON
    );
    let classification = refusal(&post(), 400, "Bad Request: chat not found");
    assert_eq!(verdict(&classification), PERSON);
    let detail =
        "telegram refuses the chat (Bad Request: chat not found): check the chat, and that the bot is in it";
    assert_eq!(classification.outcome.failure().unwrap().detail, detail);
}

#[test]
fn a_refused_message_is_sent_plain_once() {
    let mut sample = post();
    let classification = refusal(&sample, 400, "Bad Request: can't parse entities");
    assert_eq!(
        verdict(&classification),
        (FailureCode::MessageRefused, Disposition::Immediate)
    );
    assert_eq!(classification.continuation, Patch::Set("plain".into()));
    assert_eq!(verdict(&judged(&sample, 413, "")).0, FailureCode::MessageRefused);
    sample.progress = Some("plain".into());
    let again = refusal(&sample, 400, "Bad Request: message is too long");
    assert_eq!(
        verdict(&again),
        (FailureCode::MessageRefused, Disposition::Permanent)
    );
}

#[test]
fn faults_of_the_server_and_the_network_are_tried_again() {
    let schedule = (FailureCode::ServerError, Disposition::Backoff);
    assert_eq!(
        verdict(&judged(&post(), 502, "<html>502 Bad Gateway</html>")),
        schedule
    );
    assert_eq!(verdict(&refusal(&post(), 500, "Internal Server Error")), schedule);
    let failure = SendFailure {
        code: FailureCode::ResponseTimeout,
        detail: "no answer".into(),
    };
    let classification = classify(
        Action::new(&post().task()),
        &post().task(),
        &exchange(Err(failure)),
        Timestamp::EPOCH,
    );
    assert_eq!(
        verdict(&classification),
        (FailureCode::ResponseTimeout, Disposition::Backoff)
    );
}

#[test]
fn an_answer_that_is_not_the_bot_apis_is_no_delivery() {
    let odd = (FailureCode::ResponseInvalid, Disposition::Backoff);
    assert_eq!(verdict(&judged(&post(), 200, "<html>welcome</html>")), odd);
    let alone = (FailureCode::ClientError, Disposition::Backoff);
    let bodies = [
        "<html>nothing here</html>",
        r#"{"ok":false}"#,
        r#"{"error":"blocked"}"#,
    ];
    let others =
        bodies.map(|body| [401, 403, 404, 410].map(|status| verdict(&judged(&post(), status, body))));
    assert_eq!(others, [[alone; 4]; 3]);
    assert_eq!(
        verdict(&judged(&post(), 302, "")),
        (FailureCode::Redirect, Disposition::Backoff)
    );
}

#[test]
fn no_sentence_repeats_the_token() {
    let token = post().target.secret("token").to_owned();
    let classification = refusal(
        &post(),
        400,
        &format!("no method /bot{token}/sendMessage\n{}", "x".repeat(500)),
    );
    let detail = classification.outcome.failure().unwrap().detail.clone();
    assert!(!detail.contains(&token) && detail.contains("/bot***/") && detail.chars().count() < 300);
}
