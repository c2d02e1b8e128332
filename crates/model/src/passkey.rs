//! Passkeys: keys by which people sign in without a password. Their secret halves never leave the people's authenticators.

use crate::id::{PasskeyId, UserId};
use crate::time::Timestamp;

/// The longest name of a credential, in bytes (WebAuthn, section 4).
pub const MAX_CREDENTIAL_ID_BYTES: usize = 1023;
/// The longest public key, in bytes, as authenticators write it: RSA with 8192 bits takes 1100.
pub const MAX_PUBLIC_KEY_BYTES: usize = 2048;
/// The longest name that a person gives a passkey, in characters.
pub const MAX_PASSKEY_NAME_LENGTH: usize = 100;

/// What an authenticator has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// How the authenticator names it: any bytes.
    pub id: Vec<u8>,
    /// Its public key as a COSE key (RFC 9052).
    pub public_key: Vec<u8>,
    /// How many signatures the authenticator had made with it the last time; zero if it does not count.
    pub sign_count: u32,
}

/// A credential that somebody signs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    pub id: PasskeyId,
    pub user_id: UserId,
    /// What its person calls it.
    pub name: String,
    pub credential: Credential,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

/// Whether a counter that was `before` may be `now`. An authenticator that counts counts up; one that does not says zero for ever. A
/// counter that stands still or goes back was copied, or is the copy's.
pub fn is_count_after(before: u32, now: u32) -> bool {
    now > before || (before == 0 && now == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_goes_up_or_is_none() {
        let allowed = [(0, 0), (0, 1), (5, 6), (5, 500)];
        assert!(allowed.iter().all(|(before, now)| is_count_after(*before, *now)));
        let refused = [(5, 5), (5, 4), (5, 0), (1, 0)];
        assert!(!refused.iter().any(|(before, now)| is_count_after(*before, *now)));
    }
}
