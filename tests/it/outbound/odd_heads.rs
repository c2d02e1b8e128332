//! Answers whose heads are written oddly: they count, unless nobody could tell how long they are.

use model::exchange::FailureCode;

use super::{client, code, detail, post_to, response};
use crate::support::receiver::{OK, Receiver, Reply};

/// Asks twice, so that what stays of the first answer would harm the second.
async fn statuses(head: &str) -> Vec<u16> {
    let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\ncontent-length: 2\r\n\r\nok");
    let receiver = Receiver::start(&[Reply::Raw(answer.leak()), OK]).await;
    let client = client();
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let exchange = client.send(post_to(receiver.address)).await;
        assert_eq!(response(&exchange).body, "ok", "{head}");
        statuses.push(response(&exchange).status);
    }
    assert_eq!(receiver.connection_count(), 1, "{head}");
    statuses
}

#[tokio::test]
async fn a_head_that_is_written_oddly_counts_by_its_status() {
    let many: String = (0..150).map(|index| format!("x-{index}: {index}\r\n")).collect();
    let odd = [
        "Set-Cookie: a=\x01",
        "Set-Cookie: a=\0b",
        "X-Name : 1",
        "X-Folded: one\r\n two",
        "a line without a colon",
        "X Y: 1",
        "X-Bare: a\rb",
        many.trim_end(),
    ];
    for head in odd {
        assert_eq!(statuses(head).await, [200, 200], "{head:?}");
    }
}

#[tokio::test]
async fn headers_that_are_many_are_all_kept() {
    let many: String = (0..150).map(|index| format!("x-{index}: {index}\r\n")).collect();
    let answer = format!("HTTP/1.1 503 Busy\r\n{many}Retry-After: 7\r\ncontent-length: 0\r\n\r\n");
    let receiver = Receiver::start(&[Reply::Raw(answer.leak())]).await;
    let exchange = client().send(post_to(receiver.address)).await;
    assert_eq!(response(&exchange).headers["retry-after"], "7");
    assert_eq!(response(&exchange).headers["x-149"], "149");
}

#[tokio::test]
async fn an_answer_of_which_nobody_can_tell_how_long_it_is_is_invalid_and_says_so() {
    let ambiguous = [
        "content-length: 2\r\ncontent-length: 5",
        "content-length: 2\x01",
        "content-length 2",
        "transfer-encoding: chunked, identity\r\ncontent-length: 2",
    ];
    for head in ambiguous {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nok");
        let receiver = Receiver::start(&[Reply::Raw(answer.leak())]).await;
        let exchange = client().send(post_to(receiver.address)).await;
        assert_eq!(code(&exchange), FailureCode::ResponseInvalid, "{head}");
        assert!(
            detail(&exchange).starts_with("the receiver's answer does not say plainly how long it is"),
            "{}",
            detail(&exchange)
        );
    }
}

#[tokio::test]
async fn a_length_that_a_coding_overrides_ends_the_connection() {
    let chunked =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 9\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let receiver = Receiver::start(&[Reply::Raw(chunked)]).await;
    let client = client();
    for _ in 0..2 {
        let exchange = client.send(post_to(receiver.address)).await;
        assert_eq!(response(&exchange).body, "ok");
    }
    assert_eq!(receiver.connection_count(), 2);
}

#[tokio::test]
async fn a_receiver_that_speaks_http2_only_is_told_from_one_that_speaks_nonsense() {
    let settings = Reply::RawThenClose("\0\0\0\x04\0\0\0\0\0");
    let receiver = Receiver::start(&[settings]).await;
    let exchange = client().send(post_to(receiver.address)).await;
    assert_eq!(code(&exchange), FailureCode::Http2Only);
    let nonsense = Receiver::start(&[Reply::RawThenClose("220 mail.example ESMTP\r\n\r\n")]).await;
    let exchange = client().send(post_to(nonsense.address)).await;
    assert_eq!(code(&exchange), FailureCode::ResponseInvalid);
    assert_eq!(detail(&exchange), "the receiver's answer is not HTTP");
}
