//! Forms that must not act twice: each carries a token of its own, and a token that was used is refused. So loading a
//! page that showed a secret once, or pressing a button twice, makes nothing a second time, whichever node it comes to.
//!
//! A token is signed for the session whose page carries it, by what only that session knows: every node can read it, and
//! nothing is kept of what others invent. Those that were used are kept as idempotency keys of the session.

use model::digest::hmac_sha256;
use model::time::Timestamp;
use store::receipts::RECEIPT_LIFETIME;
use subtle::ConstantTimeEq;

/// How much less than a used token is remembered one can be used: the clocks of nodes may differ by that.
const CLOCK_MARGIN_MS: i64 = 3600 * 1000;
/// What the signature begins with, so that it can be mistaken for no other.
const PURPOSE: &[u8] = b"opsknight form 2";
const NONCE_BYTES: usize = 8;
const MAC_BYTES: usize = 16;

/// The field that carries the token.
pub const FORM_NONCE_FIELD: &str = "once";

/// A token for the forms of a page, whose session has this secret.
pub fn issue(secret: &str, now: Timestamp, nonce: [u8; NONCE_BYTES]) -> String {
    let at_ms = now.as_millis();
    hex::encode([&at_ms.to_be_bytes()[..], &nonce, &mac(secret, at_ms, &nonce)].concat())
}

/// Whether a token was issued to the session with this secret, and not too long ago.
pub fn is_valid(secret: &str, token: &str, now: Timestamp) -> bool {
    let Some((at_ms, nonce, given)) = read(token) else {
        return false;
    };
    let lifetime_ms = i64::try_from(RECEIPT_LIFETIME.as_millis()).unwrap_or(i64::MAX) - CLOCK_MARGIN_MS;
    bool::from(mac(secret, at_ms, &nonce).ct_eq(&given)) && now.as_millis() - at_ms < lifetime_ms
}

/// When a token was issued, its random part, and its signature.
fn read(token: &str) -> Option<(i64, [u8; NONCE_BYTES], [u8; MAC_BYTES])> {
    let mut bytes = [0; 8 + NONCE_BYTES + MAC_BYTES];
    // Each token has one spelling, or it could be used twice.
    if token.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    hex::decode_to_slice(token, &mut bytes).ok()?;
    let (at, rest) = bytes.split_first_chunk::<8>()?;
    let (nonce, mac) = rest.split_first_chunk::<NONCE_BYTES>()?;
    Some((i64::from_be_bytes(*at), *nonce, mac.try_into().ok()?))
}

fn mac(secret: &str, at_ms: i64, nonce: &[u8; NONCE_BYTES]) -> [u8; MAC_BYTES] {
    let mut half = [0; MAC_BYTES];
    let whole = hmac_sha256(secret.as_bytes(), [PURPOSE, &at_ms.to_be_bytes(), nonce]);
    half.copy_from_slice(&whole[..MAC_BYTES]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_token_is_good_for_its_own_session_and_for_less_than_it_is_remembered() {
        let now = Timestamp::from_millis(1_000_000_000_000);
        let token = issue("mine", now, [1; 8]);
        let late = now.plus(RECEIPT_LIFETIME);
        assert!(
            is_valid("mine", &token, now) && is_valid("mine", &token, now.minus(Duration::from_secs(600)))
        );
        assert!(
            !is_valid("yours", &token, now)
                && !is_valid("mine", &token, late.minus(Duration::from_secs(1800)))
        );
        let invented = [
            "",
            "x",
            &"0".repeat(64),
            &token.to_ascii_uppercase(),
            &token[..62],
        ];
        assert!(!invented.iter().any(|token| is_valid("mine", token, now)));
    }
}
