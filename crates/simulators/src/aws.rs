//! What Amazon's services have in common: Signature Version 4, checked as the documentation says. Keys and region are fixed.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderName;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};

use crate::simulator::Request;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
const SECRET_ACCESS_KEY: &str = "made/up/secret/access/key/of/forty/chars";
const REGION: &str = "us-east-1";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// Why a request is not believed: status, error, words.
pub(crate) type Refusal = (u16, &'static str, &'static str);

const INCOMPLETE: Refusal = (
    400,
    "IncompleteSignature",
    "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' parameters",
);
const MISMATCH: Refusal = (
    403,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided.",
);

/// Whether a request is signed with the keys for a service, its payload as the last word of what is signed. A path and query are
/// taken as they came.
pub(crate) fn check_signature(request: &Request<'_>, service: &str) -> Result<(), Refusal> {
    let text = |name: HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok());
    let header = text(AUTHORIZATION).ok_or((
        403,
        "MissingAuthenticationToken",
        "Request is missing Authentication Token",
    ))?;
    let date = text(DATE).ok_or(INCOMPLETE)?;
    let parts = header.strip_prefix(ALGORITHM).ok_or(INCOMPLETE)?;
    let part = |name: &str| {
        let parts = parts.split(',').map(str::trim);
        parts
            .filter_map(|part| part.split_once('='))
            .find(|(known, _)| *known == name)
    };
    let (_, credential) = part("Credential").ok_or(INCOMPLETE)?;
    let (_, signed) = part("SignedHeaders").ok_or(INCOMPLETE)?;
    let (_, signature) = part("Signature").ok_or(INCOMPLETE)?;
    let (key_id, scope) = credential.split_once('/').ok_or(INCOMPLETE)?;
    if key_id != ACCESS_KEY_ID {
        return Err((
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        ));
    }
    let day = date.get(..8).ok_or(INCOMPLETE)?;
    if scope != format!("{day}/{REGION}/{service}/aws4_request") {
        return Err((
            403,
            "SignatureDoesNotMatch",
            "Credential should be scoped to a valid region.",
        ));
    }
    if !signed.split(';').any(|name| name == "host") {
        return Err(MISMATCH);
    }
    let canonical = canonical(request, signed);
    let to_sign = format!(
        "{ALGORITHM}\n{date}\n{scope}\n{}",
        hex::encode(Sha256::digest(canonical))
    );
    let first = format!("AWS4{SECRET_ACCESS_KEY}").into_bytes();
    let key = scope
        .split('/')
        .fold(first, |key, part| keyed(&key, part.as_bytes()));
    (hex::encode(keyed(&key, to_sign.as_bytes())) == signature)
        .then_some(())
        .ok_or(MISMATCH)
}

fn canonical(request: &Request<'_>, signed: &str) -> String {
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    let mut pairs: Vec<_> = query.split('&').collect();
    pairs.sort_unstable();
    let headers = signed.split(';').map(|name| {
        let values = request.headers.get_all(name).iter();
        let values: Vec<_> = values
            .filter_map(|value| value.to_str().ok())
            .map(str::trim)
            .collect();
        format!("{name}:{}\n", values.join(","))
    });
    let headers: String = headers.collect();
    let payload = hex::encode(Sha256::digest(request.body));
    let method = request.method.as_str();
    format!(
        "{method}\n{path}\n{}\n{headers}\n{signed}\n{payload}",
        pairs.join("&")
    )
}

fn keyed(key: &[u8], text: &[u8]) -> Vec<u8> {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(text).finalize().into_bytes().to_vec(),
        Err(_) => Vec::new(),
    }
}
