//! Certificates: the receiver's, the webhook's authority and its identity.

use opsknight::model::exchange::{FailureCode, OutboundRequest};
use tokio::net::TcpListener;

use super::{SHORT, client, code, detail, post_tls, response};
use crate::support::certificates::{Authority, ClientCertificates};
use crate::support::receiver::{OK, Receiver};

async fn receiver(authority: &Authority, client_certificates: ClientCertificates) -> Receiver {
    Receiver::start_tls(&[OK], authority.server_config("localhost", client_certificates)).await
}

#[tokio::test]
async fn an_authority_nobody_knows_is_not_trusted() {
    let receiver = receiver(&Authority::new(), ClientCertificates::Ignored).await;
    let exchange = client().send(post_tls(receiver.address.port(), None, None)).await;
    assert_eq!(code(&exchange), FailureCode::TlsFailed);
    assert_eq!(
        detail(&exchange),
        "the certificate comes from an authority that is not trusted here"
    );
    assert_eq!(exchange.remote_address, Some(receiver.address));
}

#[tokio::test]
async fn the_webhooks_own_authority_is_trusted_and_the_connection_kept() {
    let authority = Authority::new();
    let receiver = receiver(&authority, ClientCertificates::Ignored).await;
    let client = client();
    let request = post_tls(receiver.address.port(), Some(&authority.pem), None);
    let first = client.send(request.clone()).await;
    let second = client.send(request).await;
    assert_eq!(response(&first).status, 200);
    assert!(first.timings.tls_us.is_some());
    assert_eq!(second.timings.tls_us, None);
    assert_eq!(receiver.connection_count(), 1);
}

#[tokio::test]
async fn other_tls_settings_get_a_connection_of_their_own() {
    let authority = Authority::new();
    let receiver = receiver(&authority, ClientCertificates::Ignored).await;
    let client = client();
    let trusting = client
        .send(post_tls(receiver.address.port(), Some(&authority.pem), None))
        .await;
    let distrusting = client.send(post_tls(receiver.address.port(), None, None)).await;
    assert_eq!(response(&trusting).status, 200);
    assert_eq!(code(&distrusting), FailureCode::TlsFailed);
}

#[tokio::test]
async fn a_certificate_of_another_name_fails() {
    let authority = Authority::new();
    let config = authority.server_config("other.example", ClientCertificates::Ignored);
    let receiver = Receiver::start_tls(&[OK], config).await;
    let exchange = client()
        .send(post_tls(receiver.address.port(), Some(&authority.pem), None))
        .await;
    assert_eq!(code(&exchange), FailureCode::TlsFailed);
    assert_eq!(detail(&exchange), "the certificate belongs to another host name");
}

#[tokio::test]
async fn a_receiver_that_demands_a_certificate_gets_the_webhooks_identity() {
    let authority = Authority::new();
    let receiver = receiver(&authority, ClientCertificates::Required).await;
    let identity = authority.identity("opsknight.example");
    let port = receiver.address.port();
    let with_identity = client()
        .send(post_tls(port, Some(&authority.pem), Some(&identity)))
        .await;
    let without = client().send(post_tls(port, Some(&authority.pem), None)).await;
    assert_eq!(response(&with_identity).status, 200);
    assert_eq!(code(&without), FailureCode::TlsFailed);
    assert_eq!(
        detail(&without),
        "the receiver ended the TLS handshake: CertificateRequired"
    );
}

#[tokio::test]
async fn settings_that_are_no_pem_fail_before_connecting() {
    let receiver = receiver(&Authority::new(), ClientCertificates::Ignored).await;
    let exchange = client()
        .send(post_tls(receiver.address.port(), Some("no pem"), None))
        .await;
    assert_eq!(code(&exchange), FailureCode::TlsSettingsInvalid);
    assert_eq!(receiver.connection_count(), 0);
}

#[tokio::test]
async fn a_receiver_that_never_shakes_hands_times_out() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let exchange = client()
        .send(OutboundRequest {
            timeout: SHORT,
            ..post_tls(port, None, None)
        })
        .await;
    assert_eq!(code(&exchange), FailureCode::TlsTimeout);
}

#[tokio::test]
async fn a_receiver_that_speaks_plain_http_fails_with_a_reason() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = client();
    let answer_in_plain_text = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        stream
    };
    let (exchange, _stream) = tokio::join!(client.send(post_tls(port, None, None)), answer_in_plain_text);
    assert_eq!(code(&exchange), FailureCode::TlsFailed);
    assert_eq!(detail(&exchange), "the receiver does not speak TLS on this port");
}
