//! The simulated Google Chat by itself.

use super::*;
use http::HeaderMap;
use model::time::Timestamp;

fn raw(google_chat: &mut GoogleChat, query: &str, body: &str) -> Response {
    google_chat.answer(&Request {
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

#[test]
fn who_does_not_know_key_and_token_is_refused() {
    let mut google_chat = GoogleChat::default();
    let body = r#"{"text":"hello"}"#;
    assert_eq!(raw(&mut google_chat, "key=guess", body).status, 400);
    assert_eq!(
        raw(&mut google_chat, &format!("key={KEY}&token=guess"), body).status,
        403
    );
    assert_eq!(raw(&mut google_chat, &credentials(), body).status, 200);
}

#[test]
fn a_query_that_google_does_not_know_is_refused() {
    let mut google_chat = GoogleChat::default();
    let body = r#"{"text":"hello"}"#;
    let statuses = [
        "requestId=1",
        "messageReplyOption=REPLY",
        "colour=red",
        "alt=odd",
        "alt=json",
    ]
    .map(|extra| raw(&mut google_chat, &format!("{}&{extra}", credentials()), body).status);
    assert_eq!(statuses, [400, 400, 400, 400, 200]);
}

#[test]
fn without_an_option_the_key_of_a_thread_is_ignored_and_one_that_must_exist_may_be_missed() {
    let mut google_chat = GoogleChat::default();
    let body = r#"{"text":"hello","thread":{"threadKey":"inc_1"}}"#;
    let sentence = raw(&mut google_chat, &credentials(), body).sentence;
    assert_eq!(sentence, "posted message 1, which opens a thread");
    let or_fail = format!("{}&messageReplyOption=REPLY_MESSAGE_OR_FAIL", credentials());
    assert_eq!(raw(&mut google_chat, &or_fail, body).status, 404);
}
