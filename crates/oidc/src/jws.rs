//! Signed tokens (RFC 7515) and the keys to verify them (RFC 7517). Only signatures with a public key are known: `none` and
//! those with a shared secret are as good as no signature here.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, EcdsaVerificationAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::OidcError;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 256 * 1024;
/// The most keys of a provider that are kept.
const MAX_KEYS: usize = 100;

/// A key of the provider, as it publishes it.
#[derive(Debug, Clone, Deserialize)]
pub struct Key {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys of a published set that can be read. Others do not matter: providers publish kinds that we do not know.
pub fn read_keys(set: &Value) -> Vec<Key> {
    let keys = set.get("keys").and_then(Value::as_array);
    let keys = keys.into_iter().flatten().take(MAX_KEYS);
    keys.filter_map(|key| Key::deserialize(key).ok()).collect()
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// A token in its parts, not believed yet.
pub struct Token<'a> {
    header: Header,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// What came of looking for the key of a token.
pub enum Verified {
    /// Its signature is right: what it says.
    Payload(Value),
    /// None of the keys is the one that it names.
    UnknownKey,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    pub fn parse(text: &'a str) -> Result<Self, OidcError> {
        let malformed = || OidcError::NotBelieved("the token is not one");
        if text.len() > MAX_TOKEN_BYTES {
            return Err(OidcError::NotBelieved("the token is too long"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or_else(malformed)?;
        let header = decode(header).ok_or_else(malformed)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| malformed())?;
        if header.crit.is_some() {
            return Err(OidcError::NotBelieved("the token asks for an extension"));
        }
        Ok(Self {
            header,
            signed,
            payload: decode(payload).ok_or_else(malformed)?,
            signature: decode(signature).ok_or_else(malformed)?,
        })
    }

    /// Verifies the signature with the key that the token names, or, if it names none, with any that fits its algorithm.
    pub fn verify(&self, keys: &[Key]) -> Result<Verified, OidcError> {
        let algorithm = Algorithm::parse(&self.header.alg);
        let algorithm = algorithm.ok_or(OidcError::NotBelieved("the token is signed in no accepted way"))?;
        let is_named = |key: &&Key| self.header.kid.is_none() || key.kid == self.header.kid;
        let mut candidates = keys
            .iter()
            .filter(is_named)
            .filter(|key| key.may_verify(&self.header.alg))
            .peekable();
        if candidates.peek().is_none() {
            return Ok(Verified::UnknownKey);
        }
        if !candidates.any(|key| algorithm.accepts(key, self.signed.as_bytes(), &self.signature)) {
            return Err(OidcError::NotBelieved("the token's signature is wrong"));
        }
        serde_json::from_slice(&self.payload)
            .map(Verified::Payload)
            .map_err(|_| OidcError::NotBelieved("the token is not one"))
    }
}

impl Key {
    fn may_verify(&self, algorithm: &str) -> bool {
        self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.alg.as_deref().is_none_or(|own| own == algorithm)
    }
}

/// How a token may be signed.
enum Algorithm {
    Rsa(&'static RsaParameters),
    /// With the curve, and how many bytes a coordinate has.
    Ecdsa(&'static EcdsaVerificationAlgorithm, &'static str, usize),
    Ed25519,
}

impl Algorithm {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            "RS384" => Self::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            "RS512" => Self::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            "PS256" => Self::Rsa(&RSA_PSS_2048_8192_SHA256),
            "PS384" => Self::Rsa(&RSA_PSS_2048_8192_SHA384),
            "PS512" => Self::Rsa(&RSA_PSS_2048_8192_SHA512),
            "ES256" => Self::Ecdsa(&ECDSA_P256_SHA256_FIXED, "P-256", 32),
            "ES384" => Self::Ecdsa(&ECDSA_P384_SHA384_FIXED, "P-384", 48),
            "EdDSA" | "Ed25519" => Self::Ed25519,
            _ => return None,
        })
    }

    /// Whether a signature is this key's. A key of another kind accepts nothing.
    fn accepts(&self, key: &Key, signed: &[u8], signature: &[u8]) -> bool {
        let part = |text: &Option<String>| text.as_deref().and_then(decode);
        let accepted = || match self {
            Self::Rsa(parameters) => {
                (key.kty == "RSA").then_some(())?;
                let (n, e) = (part(&key.n)?, part(&key.e)?);
                RsaPublicKeyComponents { n, e }
                    .verify(parameters, signed, signature)
                    .ok()
            }
            Self::Ecdsa(algorithm, curve, bytes) => {
                (key.kty == "EC" && key.crv.as_deref() == Some(*curve)).then_some(())?;
                let (x, y) = (part(&key.x)?, part(&key.y)?);
                (x.len() == *bytes && y.len() == *bytes).then_some(())?;
                // An uncompressed point (SEC 1, section 2.3.3).
                let point = [&[4][..], &x, &y].concat();
                UnparsedPublicKey::new(*algorithm, point)
                    .verify(signed, signature)
                    .ok()
            }
            Self::Ed25519 => {
                (key.kty == "OKP" && key.crv.as_deref() == Some("Ed25519")).then_some(())?;
                UnparsedPublicKey::new(&ED25519, part(&key.x)?)
                    .verify(signed, signature)
                    .ok()
            }
        };
        accepted().is_some()
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// RFC 8037, appendix A.4.
    const ED25519_TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    /// RFC 7515, appendix A.3.
    const ES256_TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn es256_key() -> Value {
        json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
    }

    fn verify(token: &str, keys: &[Value]) -> Result<Option<Value>, OidcError> {
        let keys = read_keys(&json!({"keys": keys}));
        Token::parse(token)?.verify(&keys).map(|verified| match verified {
            Verified::Payload(payload) => Some(payload),
            Verified::UnknownKey => None,
        })
    }

    #[test]
    fn the_signatures_of_the_rfcs_are_verified() {
        let payload = verify(ES256_TOKEN, &[es256_key()]).unwrap().unwrap();
        assert_eq!(payload["iss"], "joe");
        // Its payload is no JSON, but the signature before it is right.
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519_X});
        assert_eq!(
            verify(ED25519_TOKEN, &[key]),
            Err(OidcError::NotBelieved("the token is not one"))
        );
    }

    #[test]
    fn a_changed_token_or_another_key_is_refused() {
        let wrong = Err(OidcError::NotBelieved("the token's signature is wrong"));
        let changed = ES256_TOKEN.replace(".eyJpc3Mi", ".eyJpc3Nj");
        assert_eq!(verify(&changed, &[es256_key()]), wrong);
        let mut other = es256_key();
        other["x"] = es256_key()["y"].clone();
        assert_eq!(verify(ES256_TOKEN, &[other]), wrong);
        let ed25519 = json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519_X});
        assert_eq!(verify(ES256_TOKEN, &[ed25519]), wrong);
    }

    #[test]
    fn unsigned_tokens_and_those_of_shared_secrets_are_refused_whatever_the_keys() {
        let (_, rest) = ES256_TOKEN.split_once('.').unwrap();
        let payload = rest.split('.').next().unwrap();
        for algorithm in ["none", "None", "HS256", "HS512", ""] {
            let header = URL_SAFE_NO_PAD.encode(format!("{{\"alg\":\"{algorithm}\"}}"));
            let refused = Err(OidcError::NotBelieved("the token is signed in no accepted way"));
            assert_eq!(verify(&format!("{header}.{payload}."), &[es256_key()]), refused);
        }
        let critical = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","crit":["b64"],"b64":false}"#);
        assert!(verify(&format!("{critical}.{payload}.AA"), &[es256_key()]).is_err());
        for text in ["", "a.b", "a.b.c", "...", "\u{e9}.x.y"] {
            assert!(verify(text, &[es256_key()]).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_that_is_not_named_or_meant_for_something_else_is_unknown() {
        let with = |name: &str, value: &str| {
            let mut key = es256_key();
            key[name] = value.into();
            key
        };
        assert_eq!(verify(ES256_TOKEN, &[with("use", "enc")]), Ok(None));
        assert_eq!(verify(ES256_TOKEN, &[with("alg", "ES384")]), Ok(None));
        assert_eq!(verify(ES256_TOKEN, &[json!({"kty": 5}), json!(null)]), Ok(None));
        assert!(
            verify(ES256_TOKEN, &[with("kid", "a"), with("kid", "b")])
                .unwrap()
                .is_some()
        );
    }
}
