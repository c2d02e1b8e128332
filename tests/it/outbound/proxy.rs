//! The outbound proxy: what it is asked for, and what comes of it.

use std::net::SocketAddr;
use std::sync::Arc;

use model::exchange::{FailureCode, Reach};
use outbound::{AllowList, Client, LoopbackRule, OutboundSettings, Proxy, Resolve};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::{ScriptedResolver, SilentResolver, code, detail, post, post_tls, post_to, response, settings};
use crate::support::certificates::{Authority, ClientCertificates};
use crate::support::receiver::{OK, Receiver};

/// A proxy that answers every CONNECT alike, and opens the tunnel to one receiver if that was a good answer.
struct PlayedProxy {
    address: SocketAddr,
    asked: mpsc::UnboundedReceiver<String>,
}

impl PlayedProxy {
    async fn start(answer: &'static str, receiver: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                sender.send(String::from_utf8(head).unwrap()).unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(receiver).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut far).await;
                });
            }
        });
        Self { address, asked }
    }

    fn client(&self, allow: &[&str], resolver: Arc<dyn Resolve>) -> Client {
        Client::new(OutboundSettings {
            allow: AllowList::parse(allow).unwrap(),
            loopback: LoopbackRule::Refused,
            resolver,
            proxy: Some(Proxy::parse(&format!("http://me:p%40ss@{}", self.address)).unwrap()),
            ..settings()
        })
    }
}

const OPEN: &str = "HTTP/1.1 200 Connection established\r\nX-Proxy: 1\r\n\r\n";

#[tokio::test]
async fn what_the_proxy_is_asked_for_is_the_address_that_was_tested() {
    let receiver = Receiver::start(&[OK]).await;
    let mut proxy = PlayedProxy::start(OPEN, receiver.address).await;
    let client = proxy.client(&["127.0.0.1"], ScriptedResolver::new(&[&["93.184.216.34"]]));
    let exchange = client.send(post("http://receiver.example/hook")).await;
    assert_eq!(response(&exchange).status, 200);
    let asked = proxy.asked.recv().await.unwrap();
    assert!(
        asked.starts_with("CONNECT 93.184.216.34:80 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("Proxy-Authorization: Basic bWU6cEBzcw==\r\n"),
        "{asked}"
    );
}

#[tokio::test]
async fn tls_goes_through_the_tunnel_to_the_receiver_itself() {
    let authority = Authority::new();
    let config = authority.server_config("localhost", ClientCertificates::Ignored);
    let receiver = Receiver::start_tls(&[OK], config).await;
    let mut proxy = PlayedProxy::start(OPEN, receiver.address).await;
    let client = proxy.client(&["127.0.0.1"], ScriptedResolver::new(&[&["127.0.0.1"]]));
    let request = post_tls(receiver.address.port(), Some(&authority.pem), None);
    let exchange = client.send(request).await;
    assert_eq!(response(&exchange).status, 200);
    let target = format!("CONNECT {} ", receiver.address);
    assert!(proxy.asked.recv().await.unwrap().starts_with(&target));
}

#[tokio::test]
async fn the_guard_tests_what_the_proxy_would_be_asked_for() {
    let receiver = Receiver::start(&[OK]).await;
    let mut proxy = PlayedProxy::start(OPEN, receiver.address).await;
    let client = proxy.client(&["127.0.0.1"], ScriptedResolver::new(&[&["169.254.169.254"]]));
    let by_name = client.send(post("http://metadata.example/")).await;
    let by_address = client.send(post("http://10.0.0.1/")).await;
    assert_eq!(
        [code(&by_name), code(&by_address)],
        [FailureCode::AddressNotAllowed; 2]
    );
    assert!(proxy.asked.try_recv().is_err());
}

#[tokio::test]
async fn a_name_that_is_allowed_wherever_it_leads_is_left_to_the_proxy() {
    let receiver = Receiver::start(&[OK]).await;
    let mut proxy = PlayedProxy::start(OPEN, receiver.address).await;
    let client = proxy.client(&["127.0.0.1", "*.chat.example"], Arc::new(SilentResolver));
    let exchange = client.send(post("http://hooks.chat.example/T0")).await;
    assert_eq!(response(&exchange).status, 200);
    assert!(
        proxy
            .asked
            .recv()
            .await
            .unwrap()
            .starts_with("CONNECT hooks.chat.example:80 ")
    );
}

#[tokio::test]
async fn an_internal_proxy_must_be_allowed_itself() {
    let receiver = Receiver::start(&[OK]).await;
    let mut proxy = PlayedProxy::start(OPEN, receiver.address).await;
    let client = proxy.client(&[], ScriptedResolver::new(&[&["93.184.216.34"]]));
    let exchange = client.send(post("http://receiver.example/")).await;
    assert_eq!(code(&exchange), FailureCode::ProxyFailed);
    assert_eq!(exchange.reach, Reach::NotSent);
    assert!(
        detail(&exchange).ends_with("allow it under [outbound] allow"),
        "{}",
        detail(&exchange)
    );
    assert!(proxy.asked.try_recv().is_err());
}

#[tokio::test]
async fn what_is_left_out_of_the_proxy_is_reached_directly() {
    let receiver = Receiver::start(&[OK]).await;
    let mut proxy = PlayedProxy::start(OPEN, receiver.address).await;
    let address = format!("http://{}", proxy.address);
    let client = Client::new(OutboundSettings {
        proxy: Some(
            Proxy::parse(&address)
                .unwrap()
                .but_for(AllowList::parse(["127.0.0.0/8"]).unwrap()),
        ),
        ..settings()
    });
    let exchange = client.send(post_to(receiver.address)).await;
    assert_eq!(response(&exchange).status, 200);
    assert!(proxy.asked.try_recv().is_err());
}

#[tokio::test]
async fn what_the_proxy_refuses_is_told_from_what_it_cannot_do() {
    let cases = [
        ("HTTP/1.1 407 Who are you\r\n\r\n", FailureCode::ProxyRefused),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", FailureCode::ProxyRefused),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", FailureCode::ProxyFailed),
        ("220 mail.example ESMTP\r\n\r\n", FailureCode::ProxyFailed),
    ];
    let receiver = Receiver::start(&[OK]).await;
    for (answer, expected) in cases {
        let proxy = PlayedProxy::start(answer, receiver.address).await;
        let client = proxy.client(&["127.0.0.1"], ScriptedResolver::new(&[&["93.184.216.34"]]));
        let exchange = client.send(post("http://receiver.example/")).await;
        assert_eq!(code(&exchange), expected, "{answer}");
        assert!(!detail(&exchange).contains("ss@"), "{}", detail(&exchange));
    }
}
