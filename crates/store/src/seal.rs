//! Sealing secrets at rest: XChaCha20-Poly1305 under the master key, bound to the row they belong to.
//!
//! A sealed value is: one byte of format, four bytes of key id, 24 bytes of nonce, ciphertext with tag.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use model::digest::sha256;
use zeroize::Zeroizing;

const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 1 + 4 + NONCE_BYTES;

/// A 256-bit key that seals all secrets of an installation.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads a key written as 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut_slice()).ok()?;
        Some(Self(bytes))
    }

    /// The key as 64 hexadecimal digits, for the key file.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0.as_slice()))
    }

    /// Names the key without telling it: the first four bytes of its hash.
    fn id(&self) -> [u8; 4] {
        let hash = sha256([self.0.as_slice()]);
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

/// Why a sealed value could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Sealed under a key that was not given.
    #[error(
        "sealed under another master key ({0}); give that key as OPSKNIGHT_PREVIOUS_MASTER_KEY and run `opsknight rekey`"
    )]
    UnknownKey(String),
    /// Changed, cut off, or moved to another row.
    #[error("a sealed value is damaged")]
    Damaged,
}

/// Seals and opens.
#[derive(Clone)]
pub struct Sealer {
    current: ([u8; 4], XChaCha20Poly1305),
    previous: Option<([u8; 4], XChaCha20Poly1305)>,
}

impl Sealer {
    /// Seals under `current`; opens what `current` or `previous` sealed.
    pub fn new(current: &MasterKey, previous: Option<&MasterKey>) -> Self {
        let cipher = |key: &MasterKey| (key.id(), XChaCha20Poly1305::new(&Key::from(*key.0)));
        Self {
            current: cipher(current),
            previous: previous.map(cipher),
        }
    }

    /// Seals a value for the row and field that `place` names.
    pub fn seal(&self, place: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        // The operating system's generator cannot fail on a system that could start this program.
        #[expect(clippy::expect_used)]
        getrandom::fill(&mut nonce).expect("the system has randomness");
        let payload = Payload {
            msg: plain,
            aad: place,
        };
        // Encryption fails only beyond 256 GiB.
        #[expect(clippy::expect_used)]
        let ciphertext = self
            .current
            .1
            .encrypt(&XNonce::from(nonce), payload)
            .expect("the value is small");
        let mut sealed = Vec::with_capacity(HEAD_BYTES + ciphertext.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&self.current.0);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        sealed
    }

    /// Whether the key that a value was sealed under is at hand.
    pub fn knows_key_of(&self, sealed: &[u8]) -> Result<(), SealError> {
        self.cipher_of(sealed).map(|_| ())
    }

    /// Opens a value sealed for the same place.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let cipher = self.cipher_of(sealed)?;
        let nonce: [u8; NONCE_BYTES] = sealed[5..HEAD_BYTES].try_into().map_err(|_| SealError::Damaged)?;
        let payload = Payload {
            msg: &sealed[HEAD_BYTES..],
            aad: place,
        };
        cipher
            .decrypt(&XNonce::from(nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| SealError::Damaged)
    }

    fn cipher_of(&self, sealed: &[u8]) -> Result<&XChaCha20Poly1305, SealError> {
        if sealed.len() < HEAD_BYTES || sealed[0] != FORMAT {
            return Err(SealError::Damaged);
        }
        let candidates = std::iter::once(&self.current).chain(self.previous.as_ref());
        let found = candidates.into_iter().find(|(id, _)| *id == sealed[1..5]);
        found
            .map(|(_, cipher)| cipher)
            .ok_or_else(|| SealError::UnknownKey(hex::encode(&sealed[1..5])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&MasterKey::new([byte; 32]), None)
    }

    #[test]
    fn a_sealed_value_opens_only_in_its_place_and_under_its_key() {
        let sealed = sealer(1).seal(b"row 1", b"secret");
        assert_eq!(sealer(1).open(b"row 1", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(sealer(1).open(b"row 2", &sealed), Err(SealError::Damaged));
        assert!(matches!(
            sealer(2).open(b"row 1", &sealed),
            Err(SealError::UnknownKey(_))
        ));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let sealed = sealer(1).seal(b"row", b"secret");
        let changed = |index: usize| {
            let mut copy = sealed.clone();
            copy[index] ^= 1;
            sealer(1).open(b"row", &copy).is_err()
        };
        assert!((0..sealed.len()).all(changed));
        assert!((0..sealed.len()).all(|length| sealer(1).open(b"row", &sealed[..length]).is_err()));
    }

    #[test]
    fn the_key_before_opens_what_it_sealed() {
        let sealed = sealer(1).seal(b"row", b"secret");
        let both = Sealer::new(&MasterKey::new([2; 32]), Some(&MasterKey::new([1; 32])));
        assert_eq!(both.open(b"row", &sealed).unwrap().as_slice(), b"secret");
    }
}
