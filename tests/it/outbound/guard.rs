//! The SSRF rules at work, with names that resolve to whatever they like.

use std::sync::Arc;

use model::exchange::FailureCode;
use outbound::{AllowList, Client, LoopbackRule, OutboundSettings};

use super::{
    ScriptedResolver, SilentResolver, client_resolving, code, detail, post, post_to, response, settings,
    strict_client,
};
use crate::support::receiver::{OK, Receiver, Reply};

#[tokio::test]
async fn an_internal_literal_is_never_connected_to() {
    let receiver = Receiver::start(&[OK]).await;
    let exchange = strict_client(Arc::new(SilentResolver))
        .send(post_to(receiver.address))
        .await;
    assert_eq!(code(&exchange), FailureCode::AddressNotAllowed);
    assert_eq!(
        detail(&exchange),
        "127.0.0.1 is a loopback address, which this server may not connect to"
    );
    assert_eq!(receiver.connection_count(), 0);
}

#[tokio::test]
async fn a_name_that_resolves_to_an_internal_address_is_refused() {
    let receiver = Receiver::start(&[OK]).await;
    let url = format!("http://receiver.example:{}/", receiver.address.port());
    let exchange = strict_client(ScriptedResolver::new(&[&["127.0.0.1"]]))
        .send(post(&url))
        .await;
    assert_eq!(code(&exchange), FailureCode::AddressNotAllowed);
    assert_eq!(receiver.connection_count(), 0);
}

#[tokio::test]
async fn a_name_with_a_permitted_and_a_refused_address_is_dialled_at_the_permitted_one_and_says_so() {
    let receiver = Receiver::start(&[OK]).await;
    let url = format!("http://receiver.example:{}/", receiver.address.port());
    let mixed = ScriptedResolver::new(&[&["10.0.0.1", "127.0.0.1"]]);
    let exchange = client_resolving(mixed).send(post(&url)).await;
    assert_eq!(response(&exchange).status, 200);
    assert_eq!(exchange.remote_address, Some(receiver.address));
    assert_eq!(
        exchange.notice.as_deref(),
        Some(
            "the host name leads to several addresses, and 10.0.0.1 is a private address, which this server may not \
             connect to: another one was used"
        )
    );
}

#[tokio::test]
async fn a_refused_address_is_not_dialled_when_the_permitted_one_fails() {
    let receiver = Receiver::start(&[OK]).await;
    let url = format!("http://receiver.example:{}/", receiver.address.port());
    let client = Client::new(OutboundSettings {
        allow: AllowList::parse(["127.0.0.2"]).unwrap(),
        loopback: LoopbackRule::Refused,
        resolver: ScriptedResolver::new(&[&["127.0.0.1", "127.0.0.2"]]),
        ..settings()
    });
    let exchange = client.send(post(&url)).await;
    assert_eq!(code(&exchange), FailureCode::ConnectRefused);
    assert_eq!(receiver.connection_count(), 0);
}

#[tokio::test]
async fn a_name_that_turns_internal_is_refused_at_the_next_connection() {
    let closing = Reply::RawThenClose("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let receiver = Receiver::start(&[closing]).await;
    let url = format!("http://receiver.example:{}/", receiver.address.port());
    let client = client_resolving(ScriptedResolver::new(&[&["127.0.0.1"], &["169.254.169.254"]]));
    let first = client.send(post(&url)).await;
    let second = client.send(post(&url)).await;
    assert_eq!(response(&first).status, 200);
    assert_eq!(code(&second), FailureCode::AddressNotAllowed);
}

#[tokio::test]
async fn an_allowed_name_may_be_internal() {
    let receiver = Receiver::start(&[OK]).await;
    let client = Client::new(OutboundSettings {
        allow: AllowList::parse(["*.corp.example"]).unwrap(),
        loopback: LoopbackRule::Refused,
        resolver: ScriptedResolver::new(&[&["127.0.0.1"]]),
        ..settings()
    });
    let exchange = client
        .send(post(&format!(
            "http://jira.corp.example:{}/",
            receiver.address.port()
        )))
        .await;
    assert_eq!(response(&exchange).status, 200);
}

#[tokio::test]
async fn further_addresses_are_tried_when_the_first_refuses() {
    let receiver = Receiver::start(&[OK]).await;
    let url = format!("http://receiver.example:{}/", receiver.address.port());
    let exchange = client_resolving(ScriptedResolver::new(&[&["127.0.0.2", "127.0.0.1"]]))
        .send(post(&url))
        .await;
    assert_eq!(response(&exchange).status, 200);
    assert_eq!(exchange.remote_address, Some(receiver.address));
}

#[tokio::test]
async fn a_connection_to_an_own_inbox_serves_no_other_path() {
    let receiver = Receiver::start(&[OK]).await;
    let client = Client::new(OutboundSettings {
        allow: AllowList::default().with_own_inboxes(Some(receiver.address)),
        loopback: LoopbackRule::Refused,
        resolver: Arc::new(SilentResolver),
        ..settings()
    });
    let inbox = format!(
        "http://{}/in/inb_0190b6c88f3e7d2a8e4c5f6a7b8c9d0e",
        receiver.address
    );
    let first = client.send(post(&inbox)).await;
    let beside = client.send(post_to(receiver.address)).await;
    let second = client.send(post(&inbox)).await;
    assert_eq!(response(&first).status, 200);
    assert_eq!(code(&beside), FailureCode::AddressNotAllowed);
    assert_eq!(response(&second).status, 200);
    assert_eq!(receiver.connection_count(), 2);
}
