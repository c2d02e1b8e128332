//! Connections that serve more than one request.

use model::exchange::FailureCode;

use super::{ScriptedResolver, client, client_resolving, code, post, post_to, response};
use crate::support::receiver::{OK, Receiver, Reply};

#[tokio::test]
async fn a_connection_is_used_again() {
    let receiver = Receiver::start(&[OK]).await;
    let client = client();
    client.send(post_to(receiver.address)).await;
    let second = client.send(post_to(receiver.address)).await;
    assert_eq!(response(&second).status, 200);
    assert_eq!(second.timings.connect_us, None);
    assert_eq!(second.remote_address, Some(receiver.address));
    assert_eq!(receiver.connection_count(), 1);
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced() {
    let close_later = Reply::RawThenClose("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let receiver = Receiver::start(&[close_later, OK]).await;
    let client = client();
    client.send(post_to(receiver.address)).await;
    let second = client.send(post_to(receiver.address)).await;
    assert_eq!(response(&second).status, 200);
    assert_eq!(receiver.connection_count(), 2);
}

#[tokio::test]
async fn a_reused_connection_that_closes_without_an_answer_is_replaced_once() {
    let mut receiver = Receiver::start(&[OK, Reply::Close, OK]).await;
    let client = client();
    client.send(post_to(receiver.address)).await;
    let second = client.send(post_to(receiver.address)).await;
    assert_eq!(response(&second).status, 200);
    assert_eq!(receiver.connection_count(), 2);
    let requests = [
        receiver.next_request().await,
        receiver.next_request().await,
        receiver.next_request().await,
    ];
    assert_eq!(requests[1], requests[2]);
    assert!(!receiver.has_further_requests());
}

#[tokio::test]
async fn a_receiver_that_closes_every_time_fails_after_the_second_try() {
    let mut receiver = Receiver::start(&[OK, Reply::Close]).await;
    let client = client();
    client.send(post_to(receiver.address)).await;
    let second = client.send(post_to(receiver.address)).await;
    assert_eq!(code(&second), FailureCode::ConnectionClosed);
    let requests = [
        receiver.next_request().await,
        receiver.next_request().await,
        receiver.next_request().await,
    ];
    assert_eq!(requests.len(), 3);
    assert!(!receiver.has_further_requests());
}

#[tokio::test]
async fn connection_close_is_heeded() {
    let last = Reply::Raw("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let receiver = Receiver::start(&[last, OK]).await;
    let client = client();
    client.send(post_to(receiver.address)).await;
    client.send(post_to(receiver.address)).await;
    assert_eq!(receiver.connection_count(), 2);
}

#[tokio::test]
async fn no_name_rides_on_the_connection_of_another() {
    let receiver = Receiver::start(&[OK]).await;
    let client = client_resolving(ScriptedResolver::new(&[&["127.0.0.1"]]));
    let port = receiver.address.port();
    client.send(post(&format!("http://one.example:{port}/"))).await;
    client.send(post(&format!("http://two.example:{port}/"))).await;
    assert_eq!(receiver.connection_count(), 2);
}
