//! SHA-256 and HMAC-SHA-256: the one place that sets them up.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The length of a digest, in bytes.
pub const DIGEST_BYTES: usize = 32;
/// The length of a block of SHA-256, in bytes (FIPS 180-4).
const SHA256_BLOCK_BYTES: usize = 64;

/// The SHA-256 of some parts, one after another.
pub fn sha256<const PARTS: usize>(parts: [&[u8]; PARTS]) -> [u8; DIGEST_BYTES] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The SHA-256 of what comes bit by bit.
#[derive(Debug, Clone, Default)]
pub struct RunningDigest(Sha256);

impl RunningDigest {
    /// Takes in more.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest so far, in hexadecimal digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0.clone().finalize())
    }
}

/// The HMAC-SHA-256 of some parts, one after another, under a key of any length.
pub fn hmac_sha256<const PARTS: usize>(key: &[u8], parts: [&[u8]; PARTS]) -> [u8; DIGEST_BYTES] {
    let mut mac = keyed(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// An HMAC state that has taken in a key. RFC 2104: a key longer than a block is hashed, a shorter one is filled up with zeros. Written out because the
/// crate's way to take a key of any length returns a `Result` that never fails.
pub fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; SHA256_BLOCK_BYTES]);
    if key.len() <= SHA256_BLOCK_BYTES {
        block[..key.len()].copy_from_slice(key);
    } else {
        let digest = Sha256::digest(key);
        block[..digest.len()].copy_from_slice(&digest);
    }
    Hmac::new((&*block).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_the_standards_say() {
        // FIPS 180-4, "abc"; RFC 4231, test case 2.
        assert_eq!(
            hex::encode(sha256([b"a", b"bc"])),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let mut running = RunningDigest::default();
        [&b"a"[..], b"bc"]
            .into_iter()
            .for_each(|part| running.update(part));
        assert_eq!(running.to_hex(), hex::encode(sha256([b"abc"])));
        assert_eq!(
            hex::encode(hmac_sha256(b"Jefe", [b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
