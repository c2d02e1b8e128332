//! What is made of answers, long and slow ones among them.

use std::time::Duration;

use model::exchange::BODY_CAP_BYTES;

use super::{GIBIBYTE, IN_FLIGHT_LIMIT_BYTES, client, patient_client, post_to, response};
use crate::support::receiver::{Receiver, Reply};

#[tokio::test]
async fn an_answer_without_a_body_is_whole() {
    let receiver = Receiver::start(&[Reply::Raw("HTTP/1.1 204 No Content\r\n\r\n")]).await;
    let exchange = client().send(post_to(receiver.address)).await;
    assert_eq!(response(&exchange).status, 204);
    assert!(!response(&exchange).body_is_truncated);
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let answer = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::start(&[Reply::Raw(answer)]).await;
    let exchange = client().send(post_to(receiver.address)).await;
    assert_eq!(response(&exchange).status, 202);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let redirect = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::start(&[Reply::Raw(redirect)]).await;
    let exchange = client().send(post_to(receiver.address)).await;
    assert_eq!(response(&exchange).status, 302);
    assert_eq!(response(&exchange).headers["location"], "http://169.254.169.254/");
    assert_eq!(exchange.remote_address, Some(receiver.address));
}

#[tokio::test]
async fn a_compressed_body_is_kept_as_it_came() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nbomb";
    let receiver = Receiver::start(&[Reply::Raw(answer)]).await;
    let exchange = client().send(post_to(receiver.address)).await;
    assert_eq!(response(&exchange).body, "bomb");
}

#[tokio::test]
async fn an_endless_body_is_cut_and_the_connection_dropped() {
    let mut receiver = Receiver::start(&[Reply::Flood(GIBIBYTE)]).await;
    let request = post_to(receiver.address);
    let exchange = patient_client().send(request).await;
    assert_eq!(response(&exchange).status, 200);
    assert_eq!(response(&exchange).body.len(), BODY_CAP_BYTES);
    assert!(response(&exchange).body_is_truncated);
    assert!(receiver.bytes_written_at_end().await < IN_FLIGHT_LIMIT_BYTES);
}

#[tokio::test]
async fn a_body_of_just_the_cap_is_whole() {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {BODY_CAP_BYTES}\r\n\r\n{}",
        "x".repeat(BODY_CAP_BYTES)
    );
    let receiver = Receiver::start(&[Reply::Raw(answer.leak())]).await;
    let exchange = patient_client().send(post_to(receiver.address)).await;
    assert_eq!(response(&exchange).body.len(), BODY_CAP_BYTES);
    assert!(!response(&exchange).body_is_truncated);
}

#[tokio::test]
async fn a_body_that_drips_counts_by_its_status() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegin";
    let mut receiver = Receiver::start(&[Reply::Drip(head, Duration::from_millis(20))]).await;
    let exchange = client().send(post_to(receiver.address)).await;
    assert_eq!(response(&exchange).status, 200);
    assert!(response(&exchange).body.starts_with(b"begin"));
    assert!(response(&exchange).body_is_truncated);
    receiver.bytes_written_at_end().await;
}

#[tokio::test]
async fn a_body_that_stops_counts_by_its_status() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegin";
    let mut receiver = Receiver::start(&[Reply::Raw(head)]).await;
    let exchange = client().send(post_to(receiver.address)).await;
    assert_eq!(response(&exchange).body, "begin");
    assert!(response(&exchange).body_is_truncated);
    receiver.bytes_written_at_end().await;
}

#[tokio::test]
async fn a_body_that_is_broken_off_counts_by_its_status() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegin";
    let receiver = Receiver::start(&[Reply::RawThenClose(head)]).await;
    let exchange = client().send(post_to(receiver.address)).await;
    assert_eq!(response(&exchange).body, "begin");
    assert!(response(&exchange).body_is_truncated);
}
