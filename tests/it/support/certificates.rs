//! Certificates of a made-up authority, and TLS settings of receivers that use them.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{DEFAULT_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// An authority that only the tests know.
pub struct Authority {
    /// Its certificate.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What a receiver does about client certificates.
#[derive(Clone, Copy)]
pub enum ClientCertificates {
    /// It asks for none.
    Ignored,
    /// It talks only to clients with one of the authority's.
    Required,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for a name, and its key, in one PEM text.
    pub fn identity(&self, name: &str) -> String {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &self.issuer).unwrap().pem() + &key.serialize_pem()
    }

    /// TLS settings of a receiver with that name.
    pub fn server_config(&self, name: &str, client_certificates: ClientCertificates) -> ServerConfig {
        self.server_config_of(DEFAULT_VERSIONS, name, client_certificates)
    }

    /// The same with these versions of TLS only.
    pub fn server_config_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        name: &str,
        client_certificates: ClientCertificates,
    ) -> ServerConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(versions).unwrap();
        let builder = match client_certificates {
            ClientCertificates::Ignored => builder.with_no_client_auth(),
            ClientCertificates::Required => {
                let mut roots = RootCertStore::empty();
                roots
                    .add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap())
                    .unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let identity = self.identity(name);
        let chain = CertificateDer::from_pem_slice(identity.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.as_bytes()).unwrap();
        builder.with_single_cert(vec![chain], key).unwrap()
    }
}
