//! Whom TLS believes: the public authorities, those that a webhook brings along, and every certificate that it brings
//! along itself, byte for byte, whatever sort of certificate that is.
//!
//! `openssl req -x509` makes certificates that call themselves authorities, or (as version 1) cannot say what they are.
//! The library refuses both at the end of a chain. Whoever pastes one into a webhook means that very receiver, so that its
//! name and dates are looked at here, and nothing else.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::tls::TlsSettingsError;

/// See the module.
#[derive(Debug)]
pub(super) struct Trust {
    chains: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Trust {
    /// The public authorities and these certificates.
    pub(super) fn new(
        given: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsSettingsError> {
        let mut roots = public_authorities();
        for certificate in &given {
            // One of version 1 is no authority to the library, but may be the receiver's own.
            let is_authority = roots.add(certificate.clone()).is_ok();
            if !is_authority && parse(certificate).is_err() {
                return Err(TlsSettingsError::Authority);
            }
        }
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        Ok(Self {
            chains: chains.build().map_err(|_| TlsSettingsError::Library)?,
            given,
            algorithms: provider.signature_verification_algorithms,
        })
    }

    fn is_given(&self, certificate: &CertificateDer<'_>) -> bool {
        self.given.iter().any(|given| given == certificate)
    }
}

/// What every system trusts.
pub(super) fn public_authorities() -> RootCertStore {
    RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned())
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.is_given(end_entity) {
            return self.chains.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            );
        }
        let certificate = parse(end_entity)?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let validity = certificate.validity();
        if now < validity.not_before.timestamp() {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > validity.not_after.timestamp() {
            return Err(CertificateError::Expired.into());
        }
        if !is_named(&certificate, server_name) {
            return Err(CertificateError::NotValidForName.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.is_given(certificate) {
            return self.chains.verify_tls12_signature(message, certificate, signed);
        }
        let key = key_of(certificate)?;
        let key = webpki::RawPublicKeyEntity::try_from(&key).map_err(|_| CertificateError::BadEncoding)?;
        let mut schemes = self.algorithms.mapping.iter();
        let (_, algorithms) = schemes
            .find(|(scheme, _)| *scheme == signed.scheme)
            .ok_or(CertificateError::BadSignature)?;
        let is_valid = algorithms.iter().any(|algorithm| {
            key.verify_signature(*algorithm, message, signed.signature())
                .is_ok()
        });
        match is_valid {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(CertificateError::BadSignature.into()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.is_given(certificate) {
            return self.chains.verify_tls13_signature(message, certificate, signed);
        }
        verify_tls13_signature_with_raw_key(message, &key_of(certificate)?, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, CertificateError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    Ok(parsed)
}

fn key_of(certificate: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, CertificateError> {
    Ok(SubjectPublicKeyInfoDer::from(
        parse(certificate)?.public_key().raw.to_vec(),
    ))
}

/// Whether a certificate names a host: among its alternative names, or, if it has none, as its common name, which is all that
/// one of version 1 has.
fn is_named(certificate: &X509Certificate<'_>, wanted: &ServerName<'_>) -> bool {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let is_wanted = |text: &str| match wanted {
        ServerName::DnsName(name) => covers(text, name.as_ref()),
        ServerName::IpAddress(address) => text.parse::<IpAddr>().ok() == Some(IpAddr::from(*address)),
        _ => false,
    };
    match alternatives {
        Some(names) => names.value.general_names.iter().any(|name| match name {
            GeneralName::DNSName(text) => matches!(wanted, ServerName::DnsName(_)) && is_wanted(text),
            GeneralName::IPAddress(bytes) => match wanted {
                ServerName::IpAddress(address) => *bytes == octets(IpAddr::from(*address)).as_slice(),
                _ => false,
            },
            _ => false,
        }),
        None => {
            let mut names = certificate.subject().iter_common_name();
            names.any(|name| name.as_str().is_ok_and(is_wanted))
        }
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Whether a name of a certificate, perhaps `*.example.com`, covers a host: RFC 9525, 6.3.
fn covers(pattern: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    match pattern.strip_prefix("*.") {
        None => pattern.eq_ignore_ascii_case(host),
        Some(parent) => host
            .split_once('.')
            .is_some_and(|(_, rest)| parent.contains('.') && parent.eq_ignore_ascii_case(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_one_label() {
        assert!(covers("hooks.example.com", "HOOKS.example.com."));
        assert!(covers("*.example.com", "hooks.example.com"));
        let refused = ["example.com", "a.b.example.com", "hooks.example.org"];
        assert!(!refused.iter().any(|host| covers("*.example.com", host)));
        assert!(!covers("*.com", "example.com"));
    }
}
