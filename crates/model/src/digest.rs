//! SHA-256 and HMAC-SHA-256: the one place that computes them, but for the signer, which keeps its keys ready.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The length of a digest, in bytes.
pub const DIGEST_BYTES: usize = 32;

/// The SHA-256 of some parts, one after another.
pub fn sha256<const PARTS: usize>(parts: [&[u8]; PARTS]) -> [u8; DIGEST_BYTES] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The HMAC-SHA-256 of some parts, one after another, under a key of any length.
pub fn hmac_sha256<const PARTS: usize>(key: &[u8], parts: [&[u8]; PARTS]) -> [u8; DIGEST_BYTES] {
    // It takes keys of every length; if it did not, what a caller compares would be equal for all keys.
    #[expect(clippy::expect_used)]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
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
        assert_eq!(
            hex::encode(hmac_sha256(b"Jefe", [b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
