//! What arrives at the receiver.

use http::HeaderValue;
use model::exchange::FailureCode;

use super::{client, code, post, post_to, response};
use crate::support::receiver::{OK, Receiver};

#[tokio::test]
async fn a_request_arrives_whole_and_its_answer_comes_back() {
    let mut receiver = Receiver::start(&[OK]).await;
    let exchange = client().send(post_to(receiver.address)).await;
    let request = receiver.next_request().await;
    assert_eq!(response(&exchange).status, 200);
    assert_eq!(response(&exchange).body, "ok");
    assert!(!response(&exchange).body_is_truncated);
    assert_eq!(exchange.remote_address, Some(receiver.address));
    assert!(exchange.timings.connect_us.is_some() && exchange.timings.first_byte_us.is_some());
    assert!(request.starts_with("POST /hook?token=t0ps3cret HTTP/1.1\r\n"));
    assert!(request.contains(&format!("\r\nhost: {}\r\n", receiver.address)));
    assert!(request.contains("\r\ncontent-length: 30\r\n"));
    assert!(request.ends_with("\r\n\r\n{\"event\":\"incident.triggered\"}"));
}

#[tokio::test]
async fn headers_that_frame_the_message_cannot_be_overridden() {
    let mut receiver = Receiver::start(&[OK]).await;
    let mut request = post_to(receiver.address);
    let framing = [
        "host",
        "content-length",
        "connection",
        "transfer-encoding",
        "upgrade",
        "x-own",
    ];
    request.headers = framing
        .map(|name| (name.parse().unwrap(), HeaderValue::from_static("9")))
        .into_iter()
        .collect();
    client().send(request).await;
    let head = receiver.next_request().await;
    assert!(head.contains(&format!("\r\nhost: {}\r\n", receiver.address)));
    assert!(head.contains("\r\ncontent-length: 30\r\n"));
    assert!(head.contains("\r\nx-own: 9\r\n"));
    assert_eq!(
        ["connection:", "transfer-encoding:", "upgrade:"].map(|name| head.contains(name)),
        [false; 3]
    );
}

#[tokio::test]
async fn a_url_that_is_not_one_of_http_is_never_sent() {
    let ftp = client().send(post("ftp://127.0.0.1/")).await;
    let credentials = client().send(post("http://user:pw@127.0.0.1/")).await;
    assert_eq!(code(&ftp), FailureCode::RequestInvalid);
    assert_eq!(code(&credentials), FailureCode::RequestInvalid);
}

#[tokio::test]
async fn localhost_is_known_without_dns() {
    let receiver = Receiver::start(&[OK]).await;
    let exchange = client()
        .send(post(&format!("http://localhost:{}/", receiver.address.port())))
        .await;
    assert_eq!(response(&exchange).status, 200);
    assert!(exchange.timings.dns_us.is_some());
}

#[tokio::test]
async fn a_request_without_a_body_says_nothing_of_its_length_unless_its_method_wants_one() {
    let mut receiver = Receiver::start(&[OK]).await;
    let mut heads = Vec::new();
    for method in [http::Method::GET, http::Method::DELETE, http::Method::POST] {
        let mut request = post_to(receiver.address);
        request.method = method;
        request.body = bytes::Bytes::new();
        client().send(request).await;
        heads.push(receiver.next_request().await.contains("content-length"));
    }
    assert_eq!(heads, [false, false, true]);
}
