//! Whether a request may have reached the receiver: what it had written to its connection says so, not what broke later.

use std::sync::Arc;

use model::exchange::{ConnectionUse, Exchange, FailureCode, OutboundRequest, Reach};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion};

use super::{
    ScriptedResolver, client, client_resolving, code, post, post_briefly, post_tls, post_to, response,
    strict_client,
};
use crate::fleet::postgres::free_port;
use crate::support::broken_tls::{Breakage, break_off};
use crate::support::certificates::{Authority, ClientCertificates};
use crate::support::receiver::{OK, Receiver, Reply};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn told(exchange: &Exchange) -> (FailureCode, Reach) {
    (code(exchange), exchange.reach)
}

async fn listener() -> (TcpListener, u16) {
    let port = free_port();
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    (listener, port)
}

/// A whole request: what the tests send ends in a brace.
async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) {
    while stream.read_u8().await.unwrap() != b'}' {}
}

/// What comes of a request that is read behind TLS of a version, and answered with a breakage.
async fn broken(version: &'static SupportedProtocolVersion, breakage: Breakage) -> Exchange {
    let authority = Authority::new();
    let config = authority.server_config_of(&[version], "localhost", ClientCertificates::Ignored);
    let (listener, port) = listener().await;
    let receiving = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        read_request(&mut stream).await;
        break_off(stream, breakage).await;
    };
    let client = client();
    let request = post_tls(port, Some(&authority.pem), None);
    tokio::join!(client.send(request), receiving).0
}

#[tokio::test]
async fn tls_that_breaks_when_the_request_was_read_may_have_brought_it() {
    for version in [&TLS12, &TLS13] {
        for (breakage, code) in [
            (Breakage::CorruptRecord, FailureCode::TlsBroken),
            (Breakage::FatalAlert, FailureCode::TlsBroken),
            (Breakage::Reset, FailureCode::ConnectionClosed),
            (Breakage::Close, FailureCode::ConnectionClosed),
        ] {
            let exchange = broken(version, breakage).await;
            let expected = (code, Reach::MaybeSent);
            assert_eq!(told(&exchange), expected, "{version:?} {breakage:?}");
        }
    }
}

#[tokio::test]
async fn a_receiver_that_resets_without_having_read_may_have_been_reached() {
    let (listener, port) = listener().await;
    let resetting = async {
        let (stream, _) = listener.accept().await.unwrap();
        stream.peek(&mut [0]).await.unwrap();
        stream.set_zero_linger().unwrap();
    };
    let client = client();
    let request = post(&format!("http://127.0.0.1:{port}/hook"));
    let (exchange, ()) = tokio::join!(client.send(request), resetting);
    assert_eq!(told(&exchange), (FailureCode::ConnectionClosed, Reach::MaybeSent));
}

#[tokio::test]
async fn an_answer_or_the_wait_for_one_means_that_the_request_may_have_come() {
    let receiver = Receiver::start(&[OK, Reply::Hang]).await;
    let client = client();
    let answered = client.send(post_to(receiver.address)).await;
    let late = client.send(post_briefly(receiver.address)).await;
    assert_eq!(answered.reach, Reach::MaybeSent);
    assert_eq!(told(&late), (FailureCode::ResponseTimeout, Reach::MaybeSent));
}

/// What comes of a request to whoever does this with its TCP connection.
async fn in_handshake(breaking: impl AsyncFn(TcpStream)) -> Exchange {
    let (listener, port) = listener().await;
    let receiving = async {
        let (stream, _) = listener.accept().await.unwrap();
        breaking(stream).await;
    };
    let client = client();
    tokio::join!(client.send(post_tls(port, None, None)), receiving).0
}

#[tokio::test]
async fn a_handshake_that_breaks_brought_nothing() {
    let reset = in_handshake(async |stream| {
        stream.peek(&mut [0]).await.unwrap();
        stream.set_zero_linger().unwrap();
    });
    let alert = in_handshake(async |mut stream| {
        let handshake_failure = [0x15, 3, 3, 0, 2, 2, 40];
        stream.write_all(&handshake_failure).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap_or_default();
    });
    for exchange in [reset.await, alert.await] {
        assert_eq!(told(&exchange), (FailureCode::TlsFailed, Reach::NotSent));
    }
}

async fn refused_by_tls(config: ServerConfig, ca_pem: Option<&str>) -> Exchange {
    let receiver = Receiver::start_tls(&[OK], config).await;
    client()
        .send(post_tls(receiver.address.port(), ca_pem, None))
        .await
}

#[tokio::test]
async fn a_receiver_that_is_not_trusted_or_speaks_another_protocol_is_sent_nothing() {
    let authority = Authority::new();
    let config = || authority.server_config("localhost", ClientCertificates::Ignored);
    let distrusted = refused_by_tls(config(), None).await;
    assert_eq!(told(&distrusted), (FailureCode::TlsFailed, Reach::NotSent));
    let mut http2 = config();
    http2.alpn_protocols = vec![b"h2".to_vec()];
    let other = refused_by_tls(http2, Some(&authority.pem)).await;
    assert_eq!(told(&other), (FailureCode::Http2Only, Reach::NotSent));
}

#[tokio::test]
async fn what_fails_before_there_is_a_connection_is_not_sent() {
    let (listener, port) = listener().await;
    drop(listener);
    let nowhere = client_resolving(ScriptedResolver::new(&[&[]]));
    let inward = strict_client(ScriptedResolver::new(&[&["127.0.0.1"]]));
    let failed = [
        client().send(post(&format!("http://127.0.0.1:{port}/"))).await,
        nowhere.send(post("http://receiver.example/")).await,
        inward.send(post("http://receiver.example/")).await,
        client().send(post("ftp://receiver.example/")).await,
        client().send(post_tls(port, Some("no pem"), None)).await,
    ];
    let expected = [
        FailureCode::ConnectRefused,
        FailureCode::DnsFailed,
        FailureCode::AddressNotAllowed,
        FailureCode::RequestInvalid,
        FailureCode::TlsSettingsInvalid,
    ];
    assert_eq!(
        failed.each_ref().map(told),
        expected.map(|code| (code, Reach::NotSent))
    );
}

#[tokio::test]
async fn what_an_idle_connection_swallowed_may_have_come_though_the_next_is_refused() {
    let (listener, port) = listener().await;
    let receiving = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(ANSWER).await.unwrap();
        read_request(&mut stream).await;
        drop(listener);
    };
    let client = client();
    let url = format!("http://127.0.0.1:{port}/hook");
    let sending = async { [client.send(post(&url)).await, client.send(post(&url)).await] };
    let ([first, second], ()) = tokio::join!(sending, receiving);
    assert_eq!(response(&first).status, 200);
    assert_eq!(told(&second), (FailureCode::ConnectRefused, Reach::MaybeSent));
}

#[tokio::test]
async fn a_fresh_connection_tells_the_same() {
    let receiver = Receiver::start(&[Reply::Close]).await;
    let fresh = OutboundRequest {
        connection: ConnectionUse::Fresh,
        ..post_to(receiver.address)
    };
    let exchange = client().send(fresh).await;
    assert_eq!(told(&exchange), (FailureCode::ConnectionClosed, Reach::MaybeSent));
}
