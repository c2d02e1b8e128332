//! Checks `X-OpsKnight-Signature`. Needs the crates `hmac` (0.13) and `sha2` (0.11).

use std::io::Read as _;
use std::process::ExitCode;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Whether `signature` (the header's value, or an empty text) is what `secret` gives for the raw `body`.
pub fn verify_signature(body: &[u8], signature: &str, secret: &str) -> bool {
    let Some(received) = signature.strip_prefix("sha256=").and_then(decode_hex) else {
        return false;
    };
    // An HMAC takes a key of any length, so this never fails.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return false;
    };
    // In constant time.
    mac.chain_update(body).verify_slice(&received).is_ok()
}

/// Whether a request is ours, also while the secret is being rotated: then `X-OpsKnight-Signature` is made with the
/// new secret and `X-OpsKnight-Signature-Previous` with the old one, so whichever you hold, one of them fits.
pub fn verify_request(body: &[u8], signature: &str, previous_signature: &str, secret: &str) -> bool {
    verify_signature(body, signature, secret) || verify_signature(body, previous_signature, secret)
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let pairs = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    pairs
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok())
        .collect()
}

/// `verify <signature> <secret> [previous signature] < body`
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |at: usize| arguments.get(at).map_or("", String::as_str);
    let mut body = Vec::new();
    let was_read = std::io::stdin().read_to_end(&mut body).is_ok();
    let is_valid = was_read && verify_request(&body, argument(0), argument(2), argument(1));
    println!("{}", if is_valid { "valid" } else { "invalid" });
    if is_valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
