//! Challenges: what a browser has to answer, once and soon. A challenge is signed for what it is to be used for, with a key that all
//! nodes share, so that every node knows its own and those of the others, and strangers can fill nothing by asking for them.

use std::time::Duration;

use model::digest::hmac_sha256;
use model::id::SessionId;
use model::time::Timestamp;
use subtle::ConstantTimeEq;

/// How long somebody may take to answer.
pub const CHALLENGE_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// What the signature begins with, so that it can be mistaken for no other.
const DOMAIN: &[u8] = b"opsknight passkey challenge 1\n";
const NONCE_BYTES: usize = 24;
const MAC_BYTES: usize = 32;
const CHALLENGE_BYTES: usize = 8 + NONCE_BYTES + MAC_BYTES;

/// What a challenge is for, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// To sign in, in the browser that holds this secret.
    SignIn { browser: &'a str },
    /// To add a passkey in a session in which the password was shown just now.
    Add { session: SessionId },
}

/// A challenge that is made now.
pub fn issue(key: &[u8], purpose: Purpose<'_>, now: Timestamp, nonce: [u8; NONCE_BYTES]) -> Vec<u8> {
    let at = now.as_millis().to_be_bytes();
    [&at[..], &nonce, &mac(key, purpose, &at, &nonce)].concat()
}

/// Whether a challenge was made for this purpose, and not too long ago. The clocks of nodes may differ: one that was made in the
/// future was made by a node that is ahead.
pub fn is_fresh(key: &[u8], purpose: Purpose<'_>, challenge: &[u8], now: Timestamp) -> bool {
    let Ok(challenge) = <&[u8; CHALLENGE_BYTES]>::try_from(challenge) else {
        return false;
    };
    let (at, rest) = challenge.split_at(8);
    let (nonce, given) = rest.split_at(NONCE_BYTES);
    let is_ours = bool::from(mac(key, purpose, at, nonce).as_slice().ct_eq(given));
    let made_at = at
        .first_chunk()
        .map(|at| Timestamp::from_millis(i64::from_be_bytes(*at)));
    is_ours && made_at.is_some_and(|made_at| now.since(made_at) < CHALLENGE_LIFETIME)
}

fn mac(key: &[u8], purpose: Purpose<'_>, at: &[u8], nonce: &[u8]) -> [u8; MAC_BYTES] {
    let whose = match purpose {
        Purpose::SignIn { browser } => format!("sign-in {browser}"),
        Purpose::Add { session } => format!("add {session}"),
    };
    hmac_sha256(key, [DOMAIN, at, nonce, whose.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_good_for_its_purpose_and_key_and_for_minutes() {
        let now = Timestamp::from_millis(1_000_000_000);
        let session = |byte| SessionId::from_bytes([byte; 16]);
        let mine = Purpose::SignIn { browser: "a" };
        let challenge = issue(b"key", mine, now, [7; NONCE_BYTES]);
        let is_good = |key: &[u8], purpose, at| is_fresh(key, purpose, &challenge, at);
        assert!(is_good(b"key", mine, now) && is_good(b"key", mine, now.minus(Duration::from_secs(1))));
        assert!(!is_good(b"key", mine, now.plus(CHALLENGE_LIFETIME)));
        assert!(!is_good(b"other", mine, now));
        for purpose in [
            Purpose::SignIn { browser: "" },
            Purpose::SignIn { browser: "b" },
            Purpose::Add { session: session(1) },
        ] {
            assert!(!is_good(b"key", purpose, now), "{purpose:?}");
        }
        let add = issue(
            b"key",
            Purpose::Add { session: session(1) },
            now,
            [7; NONCE_BYTES],
        );
        assert!(!is_fresh(b"key", Purpose::Add { session: session(2) }, &add, now));
        for byte in 0..challenge.len() {
            let mut changed = challenge.clone();
            changed[byte] ^= 1;
            assert!(!is_fresh(b"key", mine, &changed, now), "{byte}");
        }
        assert!(!is_fresh(b"key", mine, &[], now) && !is_fresh(b"key", mine, &challenge[1..], now));
    }
}
