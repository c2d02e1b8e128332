//! Wants of this server's own, which no receiver is to blame for.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use model::exchange::{FailureCode, Reach};
use outbound::resolver::ResolveError;
use outbound::{Client, OutboundSettings, PhaseLimits, Resolve};

use super::{SHORT, client_resolving, code, detail, post, response, settings};
use crate::support::receiver::{OK, Receiver, Reply};

/// Lacks descriptors for so many look-ups, and then finds loopback.
struct ShortFor(AtomicU64);

#[async_trait]
impl Resolve for ShortFor {
    async fn resolve(&self, _host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let is_short = |left: u64| left.checked_sub(1);
        match self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_short) {
            Ok(_) => Err(ResolveError::Shortage("file descriptors".into())),
            Err(_) => Ok(vec![[127, 0, 0, 1].into()]),
        }
    }
}

#[tokio::test]
async fn a_request_waits_for_what_this_server_lacks_and_is_then_sent() {
    let mut receiver = Receiver::start(&[OK]).await;
    let client = client_resolving(Arc::new(ShortFor(AtomicU64::new(2))));
    let url = format!("http://receiver.example:{}/", receiver.address.port());
    let exchange = client.send(post(&url)).await;
    assert_eq!(response(&exchange).status, 200);
    receiver.next_request().await;
    let counts = client.shortages();
    assert_eq!((counts.total, counts.waiting), (1, 0));
    assert_eq!(counts.what.as_deref(), Some("file descriptors"));
}

/// Finds loopback once, and lacks descriptors then.
struct ShortAfterOne(AtomicU64);

#[async_trait]
impl Resolve for ShortAfterOne {
    async fn resolve(&self, _host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(vec![[127, 0, 0, 1].into()]),
            _ => Err(ResolveError::Shortage("file descriptors".into())),
        }
    }
}

#[tokio::test]
async fn what_an_idle_connection_swallowed_was_an_attempt_though_this_server_cannot_send_it_again() {
    let receiver = Receiver::start(&[OK, Reply::Close]).await;
    let client = Client::new(OutboundSettings {
        resolver: Arc::new(ShortAfterOne(AtomicU64::new(0))),
        limits: PhaseLimits {
            shortage: SHORT,
            ..PhaseLimits::default()
        },
        ..settings()
    });
    let url = format!("http://receiver.example:{}/", receiver.address.port());
    let first = client.send(post(&url)).await;
    let second = client.send(post(&url)).await;
    assert_eq!(response(&first).status, 200);
    assert_eq!(
        (code(&second), second.reach),
        (FailureCode::ConnectionClosed, Reach::MaybeSent)
    );
}

#[tokio::test]
async fn what_stays_lacking_is_named_and_not_put_on_the_receiver() {
    let client = Client::new(OutboundSettings {
        resolver: Arc::new(ShortFor(AtomicU64::new(u64::MAX))),
        limits: PhaseLimits {
            shortage: SHORT,
            ..PhaseLimits::default()
        },
        ..settings()
    });
    let exchange = client.send(post("http://receiver.example/")).await;
    assert_eq!(code(&exchange), FailureCode::ServerExhausted);
    assert_eq!(exchange.reach, Reach::NotSent);
    assert_eq!(
        detail(&exchange),
        "this server lacked file descriptors: nothing was sent"
    );
    assert!(!code(&exchange).means_unreachable());
}
