//! Certificates: the receiver's, the webhook's authority and its identity.

use std::sync::Arc;

use model::exchange::{FailureCode, OutboundRequest};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::{SHORT, client, code, detail, post_tls, response};
use crate::support::certificates::{Authority, ClientCertificates};
use crate::support::receiver::{OK, Receiver};

/// What `openssl x509 -req -signkey` makes of a request without extensions, valid for a hundred years, with its key.
const VERSION_1: &str = include_str!("version_1.pem");

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
    assert_eq!(code(&without), FailureCode::ClientCertificateRefused);
    assert_eq!(
        detail(&without),
        "the receiver wants a client certificate, and the webhook has none"
    );
}

/// A receiver with this very certificate, whatever it is.
async fn receiver_with(pem: &str) -> Receiver {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let certified = CertifiedKey::new(vec![chain], key);
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    Receiver::start_tls(&[OK], config).await
}

/// A certificate as `openssl req -x509` makes it, and its key.
fn self_signed_authority(name: &str, not_after: i32) -> (String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = date_time_ymd(not_after, 1, 1);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (pem.clone(), pem + &key.serialize_pem())
}

#[tokio::test]
async fn a_certificate_that_the_webhook_names_itself_is_trusted_though_it_is_an_authority_or_of_version_1() {
    let (given, identity) = self_signed_authority("localhost", 2125);
    let authority = receiver_with(&identity).await;
    let exchange = client()
        .send(post_tls(authority.address.port(), Some(&given), None))
        .await;
    assert_eq!(response(&exchange).status, 200);
    let version_1 = receiver_with(VERSION_1).await;
    let exchange = client()
        .send(post_tls(version_1.address.port(), Some(VERSION_1), None))
        .await;
    assert_eq!(response(&exchange).status, 200);
}

#[tokio::test]
async fn a_certificate_that_the_webhook_names_itself_must_have_the_name_and_be_in_date() {
    for (name, year, sentence) in [
        (
            "other.example",
            2125,
            "the certificate belongs to another host name",
        ),
        ("localhost", 2001, "the certificate has expired"),
    ] {
        let (given, identity) = self_signed_authority(name, year);
        let receiver = receiver_with(&identity).await;
        let exchange = client()
            .send(post_tls(receiver.address.port(), Some(&given), None))
            .await;
        assert_eq!(code(&exchange), FailureCode::TlsFailed);
        assert_eq!(detail(&exchange), sentence);
    }
}

#[tokio::test]
async fn a_certificate_like_the_given_one_but_for_its_bytes_is_not_trusted() {
    let (given, _) = self_signed_authority("localhost", 2125);
    let (_, identity) = self_signed_authority("localhost", 2125);
    let receiver = receiver_with(&identity).await;
    let exchange = client()
        .send(post_tls(receiver.address.port(), Some(&given), None))
        .await;
    assert_eq!(code(&exchange), FailureCode::TlsFailed);
}

#[tokio::test]
async fn a_receiver_that_speaks_only_http2_over_tls_is_named_as_that() {
    let authority = Authority::new();
    let mut config = authority.server_config("localhost", ClientCertificates::Ignored);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let receiver = Receiver::start_tls(&[OK], config).await;
    let exchange = client()
        .send(post_tls(receiver.address.port(), Some(&authority.pem), None))
        .await;
    assert_eq!(code(&exchange), FailureCode::Http2Only);
}

#[tokio::test]
async fn tls_that_breaks_after_the_handshake_is_no_failure_of_it() {
    let authority = Authority::new();
    let config = authority.server_config("localhost", ClientCertificates::Ignored);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let breaking = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap();
        let record_that_cannot_be_decrypted = [0x17, 3, 3, 0, 20]
            .into_iter()
            .chain([0; 20])
            .collect::<Vec<u8>>();
        let (tcp, _) = stream.get_mut();
        tokio::io::AsyncWriteExt::write_all(tcp, &record_that_cannot_be_decrypted)
            .await
            .unwrap();
        stream
    };
    let client = client();
    let (exchange, _stream) = tokio::join!(client.send(post_tls(port, Some(&authority.pem), None)), breaking);
    assert_eq!(code(&exchange), FailureCode::TlsBroken);
    assert_eq!(
        detail(&exchange),
        "TLS broke after the handshake: what the receiver sent cannot be decrypted"
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
