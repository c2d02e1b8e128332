//! Signatures of senders: HMAC-SHA-256 in hexadecimal, compared in constant time.

use http::HeaderMap;
use subtle::ConstantTimeEq;

use crate::request::{Refusal, Refused, SourceRequest};
use model::digest::hmac_sha256;
use model::secret::SecretText;

/// A header's text; empty if there is none or it is no text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Checks the signature in a header, over some text before the body and the body. Nothing is checked if no secret is set.
pub(crate) fn verify(request: &SourceRequest<'_>, name: &str, before: &str) -> Result<(), Refused> {
    let Some(secret) = request.secret else {
        return Ok(());
    };
    let given = header(request.headers, name).trim();
    let given = given.strip_prefix("sha256=").unwrap_or(given);
    let expected = hmac_sha256(secret.reveal().as_bytes(), [before.as_bytes(), request.body]);
    let is_right = hex::decode(given).is_ok_and(|given| bool::from(given.as_slice().ct_eq(&expected)));
    match is_right {
        true => Ok(()),
        false => Err(Refusal::SignatureInvalid.into()),
    }
}

/// The signature of a body, as it stands in a header.
pub(crate) fn sign(secret: &SecretText, body: &[u8]) -> String {
    hex::encode(hmac_sha256(secret.reveal().as_bytes(), [body]))
}
