//! TLS settings of outgoing connections: the public authorities, plus what a webhook brings along. Certificates are
//! always verified; there is no switch to turn that off.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::tls_words::ClientCertificate;
use super::trust::{Trust, public_authorities};
use limit::bounded_map::BoundedMap;
use model::exchange::TlsProfile;

/// How many profiles are kept ready: the last used ones. Others are built anew.
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
    #[error(
        "the client identity cannot be used: its key is not that of its certificate, or of an unknown sort"
    )]
    Identity,
    /// The TLS library refused its own defaults.
    #[error("TLS cannot be set up on this server")]
    Library,
}

/// Checks a webhook's TLS settings, as when they are saved.
pub fn check_tls_profile(profile: &TlsProfile) -> Result<(), TlsSettingsError> {
    client_config(Some(profile)).map(|_| ())
}

/// Client configurations by profile. Sharing them shares the sessions they may resume.
pub(super) struct TlsConfigs(Mutex<BoundedMap<Option<Arc<TlsProfile>>, Arc<ClientConfig>>>);

impl Default for TlsConfigs {
    fn default() -> Self {
        Self(Mutex::new(BoundedMap::new(CONFIG_CACHE_LIMIT)))
    }
}

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
        configs.insert(key, Arc::clone(&config));
        Ok(config)
    }
}

/// The TLS error inside an I/O error, if that is what it is.
pub(super) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

tokio::task_local! {
    /// What became of the client certificate in the handshake of this task.
    static CLIENT_CERTIFICATE: Cell<ClientCertificate>;
}

/// Runs a handshake; says beside its result whether the receiver wanted to see a client certificate.
pub(super) async fn noting_client_certificate<T>(
    handshake: impl Future<Output = T>,
) -> (T, ClientCertificate) {
    let noted = async {
        let result = handshake.await;
        (result, CLIENT_CERTIFICATE.with(Cell::get))
    };
    CLIENT_CERTIFICATE
        .scope(Cell::new(ClientCertificate::NotAsked), noted)
        .await
}

/// Notes that a receiver asked for a client certificate, since the library does not tell.
#[derive(Debug)]
struct Noting(Arc<dyn ResolvesClientCert>);

impl ResolvesClientCert for Noting {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let found = self.0.resolve(authorities, schemes);
        let certificate = match found {
            Some(_) => ClientCertificate::Shown,
            None => ClientCertificate::Missing,
        };
        // Outside of a handshake of ours nobody wants to know.
        let _ = CLIENT_CERTIFICATE.try_with(|noted| noted.set(certificate));
        found
    }

    fn only_raw_public_keys(&self) -> bool {
        self.0.only_raw_public_keys()
    }

    fn has_certs(&self) -> bool {
        self.0.has_certs()
    }
}

fn client_config(profile: Option<&TlsProfile>) -> Result<ClientConfig, TlsSettingsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| TlsSettingsError::Library)?;
    let builder = match profile.and_then(|profile| profile.ca_pem.as_deref()) {
        None => builder.with_root_certificates(public_authorities()),
        Some(pem) => {
            let given = certificates(pem).ok_or(TlsSettingsError::Authority)?;
            let trust = Trust::new(given, &provider)?;
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(trust))
        }
    };
    let mut config = match profile.and_then(|profile| profile.identity_pem.as_deref()) {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let chain = certificates(pem).ok_or(TlsSettingsError::IdentityCertificate)?;
            let key =
                PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| TlsSettingsError::IdentityKey)?;
            let config = builder.with_client_auth_cert(chain, key);
            config.map_err(|_| TlsSettingsError::Identity)?
        }
    };
    config.client_auth_cert_resolver = Arc::new(Noting(config.client_auth_cert_resolver));
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
        assert_eq!(verdict, Err(TlsSettingsError::Identity));
    }

    #[test]
    fn equal_profiles_share_a_configuration() {
        let configs = TlsConfigs::default();
        let first = configs.get(Some(&Arc::new(profile(None, None)))).unwrap();
        let second = configs.get(Some(&Arc::new(profile(None, None)))).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }
}
