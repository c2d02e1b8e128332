//! What is made of receivers that give no answer.

use std::sync::Arc;
use std::time::Duration;

use model::exchange::{FailureCode, OutboundRequest};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::{
    SHORT, ScriptedResolver, SilentResolver, client, client_resolving, code, detail, post, post_briefly,
    post_to, strict_client,
};
use crate::fleet::postgres::free_port;
use crate::support::receiver::{Receiver, Reply};

#[tokio::test]
async fn a_closed_port_refuses() {
    let address = ([127, 0, 0, 1], free_port()).into();
    let exchange = client().send(post_to(address)).await;
    assert_eq!(code(&exchange), FailureCode::ConnectRefused);
    assert_eq!(detail(&exchange), "127.0.0.1 refused the connection");
    assert_eq!(exchange.remote_address, None);
}

#[tokio::test]
async fn a_receiver_that_never_answers_times_out_and_is_hung_up_on() {
    let mut receiver = Receiver::start(&[Reply::Hang]).await;
    let exchange = client().send(post_briefly(receiver.address)).await;
    assert_eq!(code(&exchange), FailureCode::ResponseTimeout);
    assert_eq!(exchange.remote_address, Some(receiver.address));
    receiver.bytes_written_at_end().await;
}

#[tokio::test]
async fn a_head_that_drips_times_out() {
    let drip = Reply::Drip("HTTP/1.1 200 OK\r\nx-long: ", Duration::from_millis(20));
    let mut receiver = Receiver::start(&[drip]).await;
    let exchange = client().send(post_briefly(receiver.address)).await;
    assert_eq!(code(&exchange), FailureCode::ResponseTimeout);
    receiver.bytes_written_at_end().await;
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_fails_after_one_request() {
    let mut receiver = Receiver::start(&[Reply::Close]).await;
    let exchange = client().send(post_to(receiver.address)).await;
    assert_eq!(code(&exchange), FailureCode::ConnectionClosed);
    receiver.next_request().await;
    assert!(!receiver.has_further_requests());
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_invalid() {
    let receiver = Receiver::start(&[Reply::RawThenClose("220 mail.example ESMTP\r\n\r\n")]).await;
    let exchange = client().send(post_to(receiver.address)).await;
    assert_eq!(code(&exchange), FailureCode::ResponseInvalid);
}

#[tokio::test]
async fn a_head_without_end_is_invalid() {
    let head = format!("HTTP/1.1 200 OK\r\nx-long: {}", "x".repeat(1 << 20));
    let receiver = Receiver::start(&[Reply::Raw(head.leak())]).await;
    let exchange = client().send(post_to(receiver.address)).await;
    assert_eq!(code(&exchange), FailureCode::ResponseInvalid);
}

#[tokio::test]
async fn a_silent_name_server_times_out() {
    let exchange = client_resolving(Arc::new(SilentResolver))
        .send(OutboundRequest {
            timeout: SHORT,
            ..post("http://receiver.example/")
        })
        .await;
    assert_eq!(code(&exchange), FailureCode::DnsTimeout);
}

#[tokio::test]
async fn a_name_without_addresses_fails_in_dns() {
    let exchange = client_resolving(ScriptedResolver::new(&[&[]]))
        .send(post("http://receiver.example/"))
        .await;
    assert_eq!(code(&exchange), FailureCode::DnsFailed);
}

#[tokio::test]
async fn sentences_never_tell_the_path_or_the_query() {
    let receiver = Receiver::start(&[Reply::Close, Reply::Raw("nonsense\r\n\r\n"), Reply::Hang]).await;
    let client = client();
    let closed = client.send(post_to(receiver.address)).await;
    let invalid = client.send(post_to(receiver.address)).await;
    let late = client.send(post_briefly(receiver.address)).await;
    let refused = strict_client(Arc::new(SilentResolver))
        .send(post_to(receiver.address))
        .await;
    let sentences = [&closed, &invalid, &late, &refused].map(detail);
    assert!(
        sentences
            .iter()
            .all(|sentence| !sentence.contains("hook") && !sentence.contains("t0ps3cret"))
    );
}

#[tokio::test]
async fn a_server_that_speaks_first_is_no_http_receiver() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let request = post_to(listener.local_addr().unwrap());
    let greet = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await.unwrap();
        stream
    };
    let client = client();
    let (exchange, _stream) = tokio::join!(client.send(request), greet);
    assert_eq!(code(&exchange), FailureCode::ResponseInvalid);
}
