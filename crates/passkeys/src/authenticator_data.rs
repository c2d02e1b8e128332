//! What an authenticator says of itself and of its person (WebAuthn, section 6.1): the part of each answer that it has signed.

use model::passkey::{Credential, MAX_CREDENTIAL_ID_BYTES, MAX_PUBLIC_KEY_BYTES};

use crate::PasskeyError;
use crate::cbor::Reader;
use crate::public_key::PublicKey;

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

const HASH_BYTES: u64 = 32;
/// The identifier of the authenticator's make, which nothing here depends on.
const AAGUID_BYTES: u64 = 16;

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
        let mut reader = Reader(bytes);
        let data = Self::read(&mut reader).ok_or(malformed)?;
        if !reader.0.is_empty() || data.has(BACKED_UP) && !data.has(BACKUP_ELIGIBLE) {
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

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let party_hash = reader.take(HASH_BYTES)?.into();
        let [flags] = *reader.take(1)?.first_chunk()?;
        let sign_count = u32::from_be_bytes(*reader.take(4)?.first_chunk()?);
        let credential = match flags & HAS_CREDENTIAL {
            0 => None,
            _ => Some(read_credential(reader, sign_count)?),
        };
        if flags & HAS_EXTENSIONS != 0 {
            reader.skip()?;
        }
        Some(Self {
            party_hash,
            flags,
            sign_count,
            credential,
        })
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

fn read_credential(reader: &mut Reader<'_>, sign_count: u32) -> Option<Credential> {
    reader.take(AAGUID_BYTES)?;
    let length = u16::from_be_bytes(*reader.take(2)?.first_chunk()?);
    let id = reader.take(u64::from(length))?;
    let before = reader.0;
    PublicKey::read(reader)?;
    let public_key = before.strip_suffix(reader.0)?;
    let is_sound =
        (1..=MAX_CREDENTIAL_ID_BYTES).contains(&id.len()) && public_key.len() <= MAX_PUBLIC_KEY_BYTES;
    is_sound.then(|| Credential {
        id: id.into(),
        public_key: public_key.into(),
        sign_count,
    })
}
