//! Known devices: browsers that somebody has signed in with. Their tries to sign in count apart from everybody else's, so
//! that nobody locks a person out of a browser of theirs (OWASP calls it device cookies).
//!
//! The token is signed with the person's hashed password, so that nothing is stored, and a new password ends all of
//! them. It opens nothing: the password is asked for all the same.

use std::time::Duration;

use crate::digest::hmac_sha256;
use subtle::ConstantTimeEq;

use crate::id::UserId;
use crate::secret::SecretText;
use crate::session::PasswordHash;
use crate::time::Timestamp;

/// How long a device stays known after the last sign-in with it.
pub const DEVICE_LIFETIME: Duration = Duration::from_secs(180 * 24 * 3600);
const PREFIX: &str = "dev_";
/// What the signature begins with, so that it can be mistaken for no other.
const PURPOSE: &[u8] = b"opsknight device 1";
const NONCE_BYTES: usize = 16;
const MAC_BYTES: usize = 32;

/// The token of a device that a person signs in with now.
pub fn device_token(
    user_id: UserId,
    password: &PasswordHash,
    now: Timestamp,
    nonce: [u8; NONCE_BYTES],
) -> SecretText {
    let at = now.as_millis().to_be_bytes();
    let mac = mac(user_id, password, at, nonce);
    let bytes = [&at[..], &nonce, &mac].concat();
    SecretText::new(format!("{PREFIX}{}", hex::encode(bytes)))
}

/// Whether a token is that of a device of this person.
pub fn is_device_of(user_id: UserId, password: &PasswordHash, token: &str, now: Timestamp) -> bool {
    let read = || {
        let mut bytes = [0; 8 + NONCE_BYTES + MAC_BYTES];
        hex::decode_to_slice(token.strip_prefix(PREFIX)?, &mut bytes).ok()?;
        let (at, rest) = bytes.split_first_chunk::<8>()?;
        let (nonce, signed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let is_theirs = bool::from(mac(user_id, password, *at, *nonce).as_slice().ct_eq(signed));
        is_theirs.then(|| Timestamp::from_millis(i64::from_be_bytes(*at)))
    };
    read().is_some_and(|signed_in_at| now.since(signed_in_at) < DEVICE_LIFETIME)
}

fn mac(user_id: UserId, password: &PasswordHash, at: [u8; 8], nonce: [u8; NONCE_BYTES]) -> [u8; MAC_BYTES] {
    hmac_sha256(
        password.as_str().as_bytes(),
        [PURPOSE, user_id.as_bytes(), &at, &nonce],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_for_its_person_and_password_until_it_rests_too_long() {
        let user = |byte: u8| UserId::from_bytes([byte; 16]);
        let password = |text: &str| PasswordHash::new(text.to_owned());
        let now = Timestamp::from_millis(1_000_000);
        let token = device_token(user(1), &password("a"), now, [7; 16]);
        let is_known =
            |user_id, text: &str, token: &str, at| is_device_of(user_id, &password(text), token, at);
        assert!(is_known(user(1), "a", token.reveal(), now));
        assert!(!is_known(user(2), "a", token.reveal(), now));
        assert!(!is_known(user(1), "b", token.reveal(), now));
        assert!(!is_known(user(1), "a", token.reveal(), now.plus(DEVICE_LIFETIME)));
        assert!(!is_known(user(1), "a", "", now) && !is_known(user(1), "a", "dev_00", now));
    }
}
