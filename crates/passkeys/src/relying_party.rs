//! This server, as authenticators know it: the host name and the origin that passkeys are bound to. What is asked of browsers, and the
//! checks of their answers in the order of WebAuthn, sections 7.1 and 7.2.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minicbor::Decoder;
use serde_json::{Value, json};
use url::{Host, Url};

use model::digest::sha256;
use model::passkey::Credential;
use model::time::Timestamp;

use crate::authenticator_data::AuthenticatorData;
use crate::challenge::{self, CHALLENGE_LIFETIME};
use crate::client_data::{Ceremony, challenge_of};
use crate::public_key::{ALGORITHMS, PublicKey};
use crate::{PasskeyError, Purpose, UnfitAddress};

/// What people see of the server while they make a passkey.
const NAME: &str = "OpsKnight";
/// The most members of what an authenticator says of a new credential.
const MAX_MEMBERS: u64 = 8;

/// A server that passkeys are for.
pub struct RelyingParty {
    /// The host's name.
    id: String,
    /// Scheme, host and port of its pages.
    origin: String,
    /// What signs challenges, the same on every node.
    key: [u8; 32],
}

/// Whom a new passkey is for.
#[derive(Debug, Clone, Copy)]
pub struct CredentialOwner<'a> {
    /// What the authenticator gives back when they sign in. It tells nothing of the person.
    pub handle: &'a [u8],
    /// What they sign in with otherwise.
    pub email: &'a str,
    pub name: &'a str,
}

/// A new credential, and the challenge that was answered with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Registered {
    pub credential: Credential,
    pub challenge: Vec<u8>,
}

/// What a browser brings that has made a passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    pub client_data: Vec<u8>,
    /// What the authenticator says, and what vouches for it.
    pub object: Vec<u8>,
}

/// What a browser brings to sign in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// The credential, by its name.
    pub credential_id: Vec<u8>,
    pub client_data: Vec<u8>,
    pub authenticator_data: Vec<u8>,
    pub signature: Vec<u8>,
    /// Whose credential it is, in the authenticator's words.
    pub owner_handle: Vec<u8>,
}

/// What a believed answer says, and the challenge that was answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    pub sign_count: u32,
    pub challenge: Vec<u8>,
}

impl Attestation {
    /// What stands in the fields of a form; nothing if one of them is no base64url.
    pub fn read<'a>(field: impl Fn(&str) -> &'a str) -> Option<Self> {
        Some(Self {
            client_data: bytes(field("clientData"))?,
            object: bytes(field("attestation"))?,
        })
    }
}

impl Assertion {
    /// What stands in the fields of a form; nothing if one of them is no base64url.
    pub fn read<'a>(field: impl Fn(&str) -> &'a str) -> Option<Self> {
        Some(Self {
            credential_id: bytes(field("id"))?,
            client_data: bytes(field("clientData"))?,
            authenticator_data: bytes(field("authenticatorData"))?,
            signature: bytes(field("signature"))?,
            owner_handle: bytes(field("userHandle"))?,
        })
    }
}

impl RelyingParty {
    /// The server at a public address, or why passkeys cannot be for it.
    pub fn new(public_url: Option<&Url>, key: [u8; 32]) -> Result<Self, UnfitAddress> {
        let url = public_url.ok_or(UnfitAddress::Missing)?;
        let Some(Host::Domain(name)) = url.host() else {
            return Err(UnfitAddress::NoName);
        };
        let is_local = name == "localhost" || name.ends_with(".localhost");
        if url.scheme() != "https" && !is_local {
            return Err(UnfitAddress::Plain);
        }
        Ok(Self {
            id: name.to_owned(),
            origin: url.origin().ascii_serialization(),
            key,
        })
    }

    /// Where its passkeys work: scheme, host and port.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What a browser is asked to make a passkey with, in the form of `PublicKeyCredentialCreationOptionsJSON`. No authenticator makes a
    /// second one beside those that are known.
    pub fn creation_options(
        &self,
        purpose: Purpose<'_>,
        now: Timestamp,
        nonce: [u8; 24],
        owner: CredentialOwner<'_>,
        known: &[Vec<u8>],
    ) -> Value {
        let algorithms = ALGORITHMS.map(|algorithm| json!({"type": "public-key", "alg": algorithm}));
        let known = known
            .iter()
            .map(|id| json!({"type": "public-key", "id": text(id)}));
        json!({
            "rp": {"id": self.id, "name": NAME},
            "user": {"id": text(owner.handle), "name": owner.email, "displayName": owner.name},
            "challenge": text(&challenge::issue(&self.key, purpose, now, nonce)),
            "pubKeyCredParams": algorithms,
            "timeout": timeout_ms(),
            "excludeCredentials": known.collect::<Vec<_>>(),
            "authenticatorSelection":
                {"residentKey": "required", "requireResidentKey": true, "userVerification": "required"},
            "attestation": "none",
        })
    }

    /// What a browser is asked to sign in with, in the form of `PublicKeyCredentialRequestOptionsJSON`: any passkey for this server.
    pub fn request_options(&self, purpose: Purpose<'_>, now: Timestamp, nonce: [u8; 24]) -> Value {
        json!({
            "rpId": self.id,
            "challenge": text(&challenge::issue(&self.key, purpose, now, nonce)),
            "timeout": timeout_ms(),
            "allowCredentials": [],
            "userVerification": "required",
        })
    }

    /// The credential of a browser's answer to [`RelyingParty::creation_options`]. Who made the authenticator is neither asked nor
    /// looked at: whoever adds a passkey has shown their password, and may choose what keeps it.
    pub fn register(
        &self,
        purpose: Purpose<'_>,
        now: Timestamp,
        given: &Attestation,
    ) -> Result<Registered, PasskeyError> {
        let challenge = self.answered(Ceremony::Create, purpose, now, &given.client_data)?;
        let words = authenticator_words(&given.object);
        let words = words.ok_or(PasskeyError::NotBelieved("the new passkey cannot be read"))?;
        let data = AuthenticatorData::parse(words)?;
        data.expect(&self.hash())?;
        let credential = data
            .credential
            .ok_or(PasskeyError::NotBelieved("there is no new passkey"))?;
        Ok(Registered {
            credential,
            challenge,
        })
    }

    /// What a browser's answer to [`RelyingParty::request_options`] says, if the key that belongs to its credential has signed it. Whether
    /// the challenge was used before, and whether the counter goes on, is the caller's to see.
    pub fn verify(
        &self,
        purpose: Purpose<'_>,
        now: Timestamp,
        given: &Assertion,
        public_key: &[u8],
    ) -> Result<Verified, PasskeyError> {
        let challenge = self.answered(Ceremony::Get, purpose, now, &given.client_data)?;
        let data = AuthenticatorData::parse(&given.authenticator_data)?;
        data.expect(&self.hash())?;
        let key = PublicKey::parse(public_key);
        let key = key.ok_or(PasskeyError::NotBelieved("the stored key cannot be read"))?;
        let signed = [&given.authenticator_data[..], &sha256([&given.client_data[..]])].concat();
        if !key.verifies(&signed, &given.signature) {
            return Err(PasskeyError::NotBelieved("the signature is wrong"));
        }
        Ok(Verified {
            sign_count: data.sign_count,
            challenge,
        })
    }

    /// The challenge that a browser answers, if it is one of ours for this purpose.
    fn answered(
        &self,
        ceremony: Ceremony,
        purpose: Purpose<'_>,
        now: Timestamp,
        client_data: &[u8],
    ) -> Result<Vec<u8>, PasskeyError> {
        let challenge = challenge_of(client_data, ceremony, &self.origin)?;
        match challenge::is_fresh(&self.key, purpose, &challenge, now) {
            true => Ok(challenge),
            false => Err(PasskeyError::Stale),
        }
    }

    fn hash(&self) -> [u8; 32] {
        sha256([self.id.as_bytes()])
    }
}

/// The authenticator's words in an attestation object (WebAuthn, section 6.5). What vouches for the authenticator is skipped.
pub(crate) fn authenticator_words(attestation: &[u8]) -> Option<&[u8]> {
    let mut decoder = Decoder::new(attestation);
    // What is of no definite length, no authenticator writes.
    let members = decoder.map().ok()?.filter(|members| *members <= MAX_MEMBERS)?;
    let mut words = None;
    for _ in 0..members {
        match decoder.str().ok()? {
            "authData" if words.is_none() => words = Some(decoder.bytes().ok()?),
            "authData" => return None,
            _ => decoder.skip().ok()?,
        }
    }
    words.filter(|_| decoder.position() == attestation.len())
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn timeout_ms() -> u64 {
    CHALLENGE_LIFETIME.as_secs() * 1000
}
