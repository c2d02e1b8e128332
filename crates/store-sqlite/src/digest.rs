//! SHA-256: the one place here that computes it.

use sha2::{Digest, Sha256};

/// The digest of some parts, one after another.
pub fn sha256<const PARTS: usize>(parts: [&[u8]; PARTS]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
