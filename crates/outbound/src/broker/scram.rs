//! SCRAM (RFC 5802, RFC 7677): proves that a name's password is known, without telling it, and has the broker prove the same.

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::num::NonZeroU32;

use super::super::connector::failure;
use super::wire::invalid;
use model::exchange::{FailureCode, SendFailure};

/// The fewest rounds (RFC 7677): fewer would let somebody in between guess the password cheaply.
const MIN_ITERATIONS: u32 = 4096;
/// The most rounds that a broker may ask for: each is work of this server.
const MAX_ITERATIONS: u32 = 200_000;
/// Random bytes in what is said first.
const NONCE_BYTES: usize = 18;
/// `n,,`: no channel binding, and nobody else's name.
const NO_BINDING: &str = "n,,";

/// Which hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// A sign-in that has begun.
pub(super) struct Scram {
    hash: Hash,
    nonce: String,
    /// What was said first, without `n,,`.
    first: String,
}

impl Scram {
    /// Begins, with random bits of its own.
    pub(super) fn new(hash: Hash, name: &str) -> Result<Self, SendFailure> {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce).map_err(|_| {
            let detail = "this server has no random bits";
            failure(FailureCode::ServerExhausted, detail)
        })?;
        Ok(Self::with_nonce(hash, name, STANDARD.encode(nonce)))
    }

    fn with_nonce(hash: Hash, name: &str, nonce: String) -> Self {
        let name = name.replace('=', "=3D").replace(',', "=2C");
        Self {
            hash,
            first: format!("n={name},r={nonce}"),
            nonce,
        }
    }

    /// What is said first.
    pub(super) fn first_message(&self) -> String {
        format!("{NO_BINDING}{}", self.first)
    }

    /// What is said to the broker's challenge, and what it has to say to that.
    pub(super) fn answer(&self, challenge: &str, password: &str) -> Result<(String, String), SendFailure> {
        let broken = || invalid("the broker's challenge cannot be read");
        let part = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name));
        let nonce = part("r=")
            .filter(|nonce| nonce.len() > self.nonce.len() && nonce.starts_with(&self.nonce))
            .ok_or_else(broken)?;
        let salt = part("s=")
            .and_then(|salt| STANDARD.decode(salt).ok())
            .ok_or_else(broken)?;
        let iterations = part("i=")
            .and_then(|count| count.parse::<NonZeroU32>().ok())
            .filter(|count| (MIN_ITERATIONS..=MAX_ITERATIONS).contains(&count.get()))
            .ok_or_else(broken)?;
        let length = self.hash.digest().output_len();
        let mut salted = vec![0; length];
        pbkdf2::derive(
            self.hash.pbkdf2(),
            iterations,
            &salt,
            password.as_bytes(),
            &mut salted,
        );
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(self.hash.hmac(), key), text);
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(self.hash.digest(), client_key.as_ref());
        let last = format!("c={},r={nonce}", STANDARD.encode(NO_BINDING));
        let said = format!("{},{challenge},{last}", self.first);
        let signature = sign(stored_key.as_ref(), said.as_bytes());
        let pairs = client_key.as_ref().iter().zip(signature.as_ref());
        let proof: Vec<_> = pairs.map(|(one, other)| one ^ other).collect();
        let server_key = sign(&salted, b"Server Key");
        let expected = sign(server_key.as_ref(), said.as_bytes());
        Ok((
            format!("{last},p={}", STANDARD.encode(proof)),
            format!("v={}", STANDARD.encode(expected)),
        ))
    }
}

/// Whether the broker said what only one who knows the password can say.
pub(super) fn is_proven(said: &str, expected: &str) -> bool {
    constant_time::verify_slices_are_equal(said.as_bytes(), expected.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    #[test]
    fn a_proof_is_that_of_the_standard() {
        let scram = Scram::with_nonce(Hash::Sha256, "user", "rOprNGfwEbeRWgbNEkqO".to_owned());
        assert_eq!(scram.first_message(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let challenge =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (said, expected) = scram.answer(challenge, "pencil").unwrap();
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(said, last);
        assert!(is_proven(
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            &expected
        ));
    }

    #[test]
    fn a_challenge_of_somebody_else_or_of_too_much_work_is_refused() {
        let scram = Scram::with_nonce(Hash::Sha512, "a,b=c", "abc".to_owned());
        assert_eq!(scram.first_message(), "n,,n=a=2Cb=3Dc,r=abc");
        for challenge in [
            "r=xyz123,s=AAAA,i=4096",
            "r=abc,s=AAAA,i=4096",
            "r=abcd,s=AAAA,i=4000000000",
            "",
        ] {
            assert!(scram.answer(challenge, "x").is_err(), "{challenge}");
        }
    }
}
