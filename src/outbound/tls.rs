//! TLS settings of outgoing connections: the public authorities, plus what a webhook brings along. Certificates are
//! always verified; there is no switch to turn that off.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::aws_lc_rs;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::model::exchange::TlsProfile;

/// How many profiles are kept ready; more than that are built anew now and then.
const CONFIG_CACHE_LIMIT: usize = 256;

/// Why a webhook's TLS settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsSettingsError {
    /// The authorities hold no certificate that can be read.
    #[error("the additional authority is not a PEM certificate")]
    Authority,
    /// The client certificate cannot be read.
    #[error("the client identity holds no PEM certificate")]
    IdentityCertificate,
    /// The private key cannot be read.
    #[error("the client identity holds no PEM private key")]
    IdentityKey,
    /// Certificate and key do not fit each other, or are of an unknown sort.
    #[error("the client identity cannot be used: {0}")]
    Identity(String),
    /// The TLS library refused its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Library(String),
}

/// Checks a webhook's TLS settings, as when they are saved.
pub fn check_tls_profile(profile: &TlsProfile) -> Result<(), TlsSettingsError> {
    client_config(Some(profile)).map(|_| ())
}

/// Client configurations by profile. Sharing them shares the sessions they may resume.
#[derive(Default)]
pub(super) struct TlsConfigs(Mutex<HashMap<Option<Arc<TlsProfile>>, Arc<ClientConfig>>>);

impl TlsConfigs {
    pub(super) fn get(
        &self,
        profile: Option<&Arc<TlsProfile>>,
    ) -> Result<Arc<ClientConfig>, TlsSettingsError> {
        let key = profile.cloned();
        if let Some(config) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(client_config(profile.map(Arc::as_ref))?);
        let mut configs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if configs.len() >= CONFIG_CACHE_LIMIT {
            configs.clear();
        }
        configs.insert(key, Arc::clone(&config));
        Ok(config)
    }
}

/// One sentence about a failed handshake.
pub(super) fn explain(error: &rustls::Error) -> String {
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage};
    match error {
        InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the certificate comes from an authority that is not trusted here".to_owned()
        }
        InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the certificate has expired".to_owned()
        }
        InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "the certificate is not valid yet".to_owned()
        }
        InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the certificate belongs to another host name".to_owned(),
        InvalidMessage(_) => "the receiver does not speak TLS on this port".to_owned(),
        AlertReceived(alert) => format!("the receiver ended the TLS handshake: {alert:?}"),
        other => format!("the TLS handshake failed: {other}"),
    }
}

/// The TLS error inside an I/O error, if that is what it is.
pub(super) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn client_config(profile: Option<&TlsProfile>) -> Result<ClientConfig, TlsSettingsError> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(pem) = profile.and_then(|profile| profile.ca_pem.as_deref()) {
        let authorities = certificates(pem).ok_or(TlsSettingsError::Authority)?;
        for authority in authorities {
            roots.add(authority).map_err(|_| TlsSettingsError::Authority)?;
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsSettingsError::Library(error.to_string()))?
        .with_root_certificates(roots);
    let mut config = match profile.and_then(|profile| profile.identity_pem.as_deref()) {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let chain = certificates(pem).ok_or(TlsSettingsError::IdentityCertificate)?;
            let key =
                PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| TlsSettingsError::IdentityKey)?;
            let config = builder.with_client_auth_cert(chain, key);
            config.map_err(|error| TlsSettingsError::Identity(error.to_string()))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificates in a PEM text; none if it holds none or a broken one.
fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .ok()?;
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(ca_pem: Option<&str>, identity_pem: Option<&str>) -> TlsProfile {
        TlsProfile {
            ca_pem: ca_pem.map(str::to_owned),
            identity_pem: identity_pem.map(str::to_owned),
        }
    }

    #[test]
    fn certificate_and_key_that_belong_together_are_accepted() {
        let own = rcgen::generate_simple_self_signed(["receiver.example".to_owned()]).unwrap();
        let identity = own.cert.pem() + &own.signing_key.serialize_pem();
        assert_eq!(
            check_tls_profile(&profile(Some(&own.cert.pem()), Some(&identity))),
            Ok(())
        );
    }

    #[test]
    fn texts_that_are_not_what_they_should_be_are_refused() {
        let own = rcgen::generate_simple_self_signed(["receiver.example".to_owned()]).unwrap();
        let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
        assert_eq!(
            check_tls_profile(&profile(Some("no pem"), None)),
            Err(TlsSettingsError::Authority)
        );
        assert_eq!(
            check_tls_profile(&profile(None, Some(&key))),
            Err(TlsSettingsError::IdentityCertificate)
        );
        assert_eq!(
            check_tls_profile(&profile(None, Some(&certificate))),
            Err(TlsSettingsError::IdentityKey)
        );
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let own = rcgen::generate_simple_self_signed(["receiver.example".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["other.example".to_owned()]).unwrap();
        let mixed = own.cert.pem() + &other.signing_key.serialize_pem();
        let verdict = check_tls_profile(&profile(None, Some(&mixed)));
        assert!(matches!(verdict, Err(TlsSettingsError::Identity(_))));
    }

    #[test]
    fn equal_profiles_share_a_configuration() {
        let configs = TlsConfigs::default();
        let first = configs.get(Some(&Arc::new(profile(None, None)))).unwrap();
        let second = configs.get(Some(&Arc::new(profile(None, None)))).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }
}
