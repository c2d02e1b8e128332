//! What an authenticator says of itself and of its person (WebAuthn, section 6.1): the part of each answer that it has signed.

use minicbor::Decoder;
use model::passkey::{Credential, MAX_CREDENTIAL_ID_BYTES, MAX_PUBLIC_KEY_BYTES};

use crate::PasskeyError;
use crate::public_key::PublicKey;

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

const HASH_BYTES: usize = 32;
/// The identifier of the authenticator's make, which nothing here depends on.
const AAGUID_BYTES: usize = 16;

/// An authenticator's words, not believed yet.
#[derive(Debug, PartialEq, Eq)]
pub struct AuthenticatorData {
    party_hash: Vec<u8>,
    flags: u8,
    /// How many signatures it has made; zero if it does not count.
    pub sign_count: u32,
    /// A credential that it has made.
    pub credential: Option<Credential>,
}

impl AuthenticatorData {
    /// Takes an authenticator's words apart.
    pub fn parse(bytes: &[u8]) -> Result<Self, PasskeyError> {
        let malformed = PasskeyError::NotBelieved("the authenticator's words cannot be read");
        let data = Self::read(bytes).ok_or(malformed)?;
        if data.has(BACKED_UP) && !data.has(BACKUP_ELIGIBLE) {
            return Err(malformed);
        }
        Ok(data)
    }

    /// Refuses what was made for another server, and what an authenticator did without knowing its person by finger, face or PIN.
    pub fn expect(&self, party_hash: &[u8]) -> Result<(), PasskeyError> {
        if self.party_hash != party_hash {
            return Err(PasskeyError::NotBelieved("it was made for another server"));
        }
        if !self.has(USER_PRESENT) || !self.has(USER_VERIFIED) {
            return Err(PasskeyError::NotBelieved(
                "the authenticator did not ask who its person is",
            ));
        }
        Ok(())
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (party_hash, rest) = bytes.split_at_checked(HASH_BYTES)?;
        let (&flags, rest) = rest.split_first()?;
        let (sign_count, mut rest) = rest.split_first_chunk()?;
        let sign_count = u32::from_be_bytes(*sign_count);
        let mut credential = None;
        if flags & HAS_CREDENTIAL != 0 {
            let (made, behind) = split_credential(rest, sign_count)?;
            (credential, rest) = (Some(made), behind);
        }
        if flags & HAS_EXTENSIONS != 0 {
            let mut extensions = Decoder::new(rest);
            extensions.skip().ok()?;
            rest = &rest[extensions.position()..];
        }
        rest.is_empty().then(|| Self {
            party_hash: party_hash.into(),
            flags,
            sign_count,
            credential,
        })
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A credential, and what stands behind it.
fn split_credential(bytes: &[u8], sign_count: u32) -> Option<(Credential, &[u8])> {
    let (_, rest) = bytes.split_at_checked(AAGUID_BYTES)?;
    let (length, rest) = rest.split_first_chunk()?;
    let (id, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let mut key = Decoder::new(rest);
    PublicKey::read(&mut key)?;
    let (public_key, rest) = rest.split_at(key.position());
    let is_sound =
        (1..=MAX_CREDENTIAL_ID_BYTES).contains(&id.len()) && public_key.len() <= MAX_PUBLIC_KEY_BYTES;
    let credential = Credential {
        id: id.into(),
        public_key: public_key.into(),
        sign_count,
    };
    is_sound.then_some((credential, rest))
}
