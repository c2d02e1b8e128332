//! What a provider says of itself (OpenID Connect Discovery 1.0).

use serde_json::Value;
use url::{Host, Url};

use crate::OidcError;

/// The parts of a provider's description that are used.
#[derive(Debug, Clone)]
pub struct Metadata {
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    pub userinfo_endpoint: Option<Url>,
    pub jwks_uri: Url,
    /// Whether the client's secret goes into the body, since the provider takes it nowhere else.
    pub takes_secret_in_body: bool,
    /// Whether every answer names the issuer (RFC 9207).
    pub names_issuer: bool,
}

impl Metadata {
    /// Where an issuer describes itself.
    pub fn address(issuer: &str) -> Option<Url> {
        let issuer = issuer.trim_end_matches('/');
        Url::parse(&format!("{issuer}/.well-known/openid-configuration")).ok()
    }

    /// Reads the description that an issuer gives of itself. One that names another issuer is not believed.
    pub fn read(issuer: &str, document: &Value) -> Result<Self, OidcError> {
        let bad = OidcError::NotBelieved;
        if document["issuer"].as_str() != Some(issuer) {
            return Err(bad(
                "its description names another issuer than the setting oidc.issuer",
            ));
        }
        let url = |name: &str| {
            let url = document[name].as_str().and_then(|text| Url::parse(text).ok());
            url.filter(is_protected)
        };
        let incomplete = || bad("its description lacks an address, or has one without TLS");
        let methods = document["token_endpoint_auth_methods_supported"].as_array();
        let takes = |name: &str| {
            methods.is_some_and(|methods| methods.iter().any(|method| method.as_str() == Some(name)))
        };
        Ok(Self {
            authorization_endpoint: url("authorization_endpoint").ok_or_else(incomplete)?,
            token_endpoint: url("token_endpoint").ok_or_else(incomplete)?,
            userinfo_endpoint: url("userinfo_endpoint"),
            jwks_uri: url("jwks_uri").ok_or_else(incomplete)?,
            takes_secret_in_body: takes("client_secret_post") && !takes("client_secret_basic"),
            names_issuer: document["authorization_response_iss_parameter_supported"] == true,
        })
    }
}

/// Whether nobody on the way can read or change what goes there: by TLS, or since it stays on this machine.
pub fn is_protected(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({"issuer": "https://id.example/a", "authorization_endpoint": "https://id.example/auth",
            "token_endpoint": "https://id.example/token", "jwks_uri": "https://id.example/keys"})
    }

    #[test]
    fn a_description_is_believed_of_its_own_issuer_only() {
        assert!(Metadata::read("https://id.example/a", &document()).is_ok());
        assert!(Metadata::read("https://id.example/a/", &document()).is_err());
        let address = Metadata::address("https://id.example/a/").unwrap();
        assert_eq!(
            address.as_str(),
            "https://id.example/a/.well-known/openid-configuration"
        );
    }

    #[test]
    fn an_address_without_tls_elsewhere_than_here_is_refused() {
        for (url, is_taken) in [
            ("http://id.example/token", false),
            ("ftp://localhost/token", false),
            ("http://localhost:9/token", true),
            ("http://127.0.0.1/token", true),
        ] {
            let mut document = document();
            document["token_endpoint"] = url.into();
            assert_eq!(
                Metadata::read("https://id.example/a", &document).is_ok(),
                is_taken,
                "{url}"
            );
        }
    }
}
