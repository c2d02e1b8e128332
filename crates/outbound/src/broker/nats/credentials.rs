//! A credentials file of NATS: a JWT that names a key, and the seed of that key, which signs what the server asks. Read whether its
//! lines were kept or became one.

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The letters of base 32 (RFC 4648).
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// The bytes of a seed: what it is for, the key, a checksum.
const SEED_BYTES: usize = 36;

/// What a file holds.
pub(super) struct Credentials {
    pub(super) jwt: String,
    key: Ed25519KeyPair,
}

impl Credentials {
    /// Nothing if the text is no such file.
    pub(super) fn read(file: &str) -> Option<Self> {
        let jwt = between(file, "-----BEGIN NATS USER JWT-----", "------END NATS USER JWT")?;
        let seed = between(file, "-----BEGIN USER NKEY SEED-----", "------END USER NKEY SEED")?;
        let decoded = decode(&seed).filter(|bytes| bytes.len() == SEED_BYTES)?;
        let key = Ed25519KeyPair::from_seed_unchecked(decoded.get(2..34)?).ok()?;
        Some(Self { jwt, key })
    }

    /// The proof that its holder was asked just now.
    pub(super) fn sign(&self, nonce: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.key.sign(nonce.as_bytes()))
    }
}

/// What stands between two marks, without white space.
fn between(file: &str, begin: &str, end: &str) -> Option<String> {
    let (_, rest) = file.split_once(begin)?;
    let (found, _) = rest.split_once(end)?;
    Some(found.split_whitespace().collect())
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut buffer, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        buffer = (buffer << 5) | u32::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 0xff).ok()?);
            buffer &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "-----BEGIN NATS USER JWT-----\neyJ0eXAi.eyJqdGki.c2ln-_\n------END NATS USER JWT------\n\n\
                        ************************* IMPORTANT *************************\n\n\
                        -----BEGIN USER NKEY SEED-----\nSUAAVWRZG6M5FA5VRRGWSCIHKTOJC7EWNIT4JV3FTOIPO4OBFR5WA7X5TE\n------END USER NKEY SEED------\n";

    #[test]
    fn a_file_is_read_whether_or_not_its_lines_are_kept() {
        let signatures = [FILE.to_owned(), FILE.replace('\n', "")].map(|file| {
            let credentials = Credentials::read(&file).unwrap();
            assert_eq!(credentials.jwt, "eyJ0eXAi.eyJqdGki.c2ln-_");
            credentials.sign("PXoWU7zWAMt75FY")
        });
        assert_eq!(signatures[0], signatures[1]);
        assert!(Credentials::read("eyJ0eXAi").is_none());
        assert!(Credentials::read(&FILE.replace("SUAAVW", "SUAA1W")).is_none());
    }

    #[test]
    fn base_32_is_decoded() {
        assert_eq!(decode("MZXW6YTBOI").unwrap(), b"foobar");
        assert_eq!(decode("mzxw6"), None);
    }
}
