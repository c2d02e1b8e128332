//! Signs request bodies, and verifies signatures for `opsknight listen`.
//!
//! Two schemes side by side: our own `X-OpsKnight-Signature` over the body, keyed with the secret as it was typed,
//! and Standard Webhooks 1.0 over `id.timestamp.body`, keyed with the decoded secret when it is a `whsec_` one.
//! Everything here is pure; secrets come in and only signatures leave.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use http::{HeaderName, HeaderValue};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use model::digest::keyed;
use model::secret::SecretText;
use model::standard_secret;

/// The header with the signature of the body under the current secret.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-opsknight-signature");
/// The header with the signature of the body under the previous secret, while a rotation lasts.
pub const PREVIOUS_SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-opsknight-signature-previous");
/// Standard Webhooks: the delivery's id.
pub const ID_HEADER: HeaderName = HeaderName::from_static("webhook-id");
/// Standard Webhooks: the seconds of this attempt.
pub const TIMESTAMP_HEADER: HeaderName = HeaderName::from_static("webhook-timestamp");
/// Standard Webhooks: the signatures, newest secret first.
pub const STANDARD_SIGNATURE_HEADER: HeaderName = HeaderName::from_static("webhook-signature");

/// The secrets of one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningSecrets {
    /// The secret to sign with.
    pub current: SecretText,
    /// The secret before it, while receivers change over.
    pub previous: Option<SecretText>,
}

/// Signs for one webhook. The keys are prepared once, so that a signature costs little more than hashing the body.
#[derive(Clone)]
pub struct Signer {
    current: Keys,
    previous: Option<Keys>,
}

impl Signer {
    /// Prepares the keys.
    pub fn new(secrets: &SigningSecrets) -> Self {
        Self {
            current: Keys::new(&secrets.current),
            previous: secrets.previous.as_ref().map(Keys::new),
        }
    }

    /// The signature headers of one attempt. A delivery id that cannot stand in a header is left out; ours all can.
    pub fn sign(
        &self,
        delivery_id: &str,
        attempt_seconds: i64,
        body: &[u8],
    ) -> Vec<(HeaderName, HeaderValue)> {
        let timestamp = attempt_seconds.to_string();
        let mut standard = self.current.standard_signature(delivery_id, &timestamp, body);
        if let Some(previous) = &self.previous {
            standard.push(' ');
            standard.push_str(&previous.standard_signature(delivery_id, &timestamp, body));
        }
        let previous = self.previous.as_ref().map(|keys| keys.body_signature(body));
        [
            (SIGNATURE_HEADER, Some(self.current.body_signature(body))),
            (PREVIOUS_SIGNATURE_HEADER, previous),
            (ID_HEADER, Some(delivery_id.to_owned())),
            (TIMESTAMP_HEADER, Some(timestamp)),
            (STANDARD_SIGNATURE_HEADER, Some(standard)),
        ]
        .into_iter()
        .filter_map(|(name, text)| Some((name, HeaderValue::try_from(text?).ok()?)))
        .collect()
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

/// Signs once; for many signatures with the same secrets keep a [`Signer`].
pub fn sign(
    secrets: &SigningSecrets,
    delivery_id: &str,
    attempt_seconds: i64,
    body: &[u8],
) -> Vec<(HeaderName, HeaderValue)> {
    Signer::new(secrets).sign(delivery_id, attempt_seconds, body)
}

/// Whether the value of `X-OpsKnight-Signature` fits the body, compared in constant time.
pub fn verify_opsknight(secret: &SecretText, body: &[u8], header: &str) -> bool {
    let expected = Keys::new(secret).body_signature(body);
    expected.as_bytes().ct_eq(header.as_bytes()).into()
}

/// Whether one of the signatures in `webhook-signature` fits, compared in constant time. `timestamp` is the header's
/// text as it came; whether it is recent is the caller's question.
pub fn verify_standard(secret: &SecretText, id: &str, timestamp: &str, body: &[u8], header: &str) -> bool {
    let expected = Keys::new(secret).standard_signature(id, timestamp, body);
    header
        .split(' ')
        .any(|signature| bool::from(expected.as_bytes().ct_eq(signature.as_bytes())))
}

/// HMAC states that have already taken in a key.
#[derive(Clone)]
struct Keys {
    body: Hmac<Sha256>,
    standard: Hmac<Sha256>,
}

impl Keys {
    fn new(secret: &SecretText) -> Self {
        Self {
            body: keyed(secret.reveal().as_bytes()),
            standard: keyed(&standard_key(secret.reveal())),
        }
    }

    fn body_signature(&self, body: &[u8]) -> String {
        let signature = self.body.clone().chain_update(body).finalize().into_bytes();
        format!("sha256={}", hex::encode(signature))
    }

    fn standard_signature(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let mut mac = self.standard.clone();
        mac.update(id.as_bytes());
        mac.update(b".");
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        let mut signature = String::from("v1,");
        STANDARD.encode_string(mac.finalize().into_bytes(), &mut signature);
        signature
    }
}

/// A broken `whsec_` secret is refused when it is saved. One that was saved by an earlier version goes on to sign with its
/// bytes.
fn standard_key(secret: &str) -> Zeroizing<Vec<u8>> {
    standard_secret::decode(secret).unwrap_or_else(|| Zeroizing::new(secret.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use proptest::prelude::*;

    const ID: &str = "dlv_0190b6c88f3e7d2a8e4c5f6a7b8c9d0e";
    const BODY: &[u8] = br#"{"event":"incident.triggered"}"#;

    fn secrets(current: &str, previous: Option<&str>) -> SigningSecrets {
        SigningSecrets {
            current: SecretText::new(current),
            previous: previous.map(SecretText::new),
        }
    }

    fn signed(secrets: &SigningSecrets, seconds: i64) -> HeaderMap {
        sign(secrets, ID, seconds, BODY).into_iter().collect()
    }

    fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
        headers.get(name).unwrap().to_str().unwrap()
    }

    /// The present time as the outside judge sees it: it accepts only fresh timestamps.
    #[allow(clippy::disallowed_methods)]
    fn present_seconds() -> i64 {
        jiff::Timestamp::now().as_second()
    }

    #[test]
    fn the_body_signature_is_hmac_sha256_as_rfc_4231_knows_it() {
        let jefe = SecretText::new("Jefe");
        assert_eq!(
            Keys::new(&jefe).body_signature(b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let long_key = keyed(&[0xaa; 131])
            .chain_update(b"Test Using Larger Than Block-Size Key - Hash Key First")
            .finalize();
        assert_eq!(
            hex::encode(long_key.into_bytes()),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_whsec_secret_keys_the_body_signature_as_it_was_typed() {
        let typed = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let headers = signed(&secrets(typed, None), 1_700_000_000);
        let by_hand = keyed(typed.as_bytes()).chain_update(BODY).finalize().into_bytes();
        assert_eq!(
            text(&headers, "x-opsknight-signature"),
            format!("sha256={}", hex::encode(by_hand))
        );
    }

    #[test]
    fn the_standard_signature_matches_the_one_in_the_specifications_library() {
        let mac = Keys::new(&SecretText::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let signature = mac.standard_signature(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn the_standardwebhooks_crate_accepts_what_we_sign() {
        let whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let judge = standardwebhooks::Webhook::new(whsec).unwrap();
        let headers = signed(&secrets(whsec, None), present_seconds());
        judge.verify(BODY, &headers).unwrap();
    }

    #[test]
    fn a_secret_without_padding_or_url_safe_is_decoded_too() {
        let judge = standardwebhooks::Webhook::new("whsec_+/8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFg==").unwrap();
        let headers = signed(
            &secrets("whsec_-_8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFg", None),
            present_seconds(),
        );
        judge.verify(BODY, &headers).unwrap();
    }

    #[test]
    fn a_broken_secret_of_an_earlier_version_signs_with_its_bytes_and_never_with_nothing() {
        for broken in ["whsec_not base64!", "whsec_"] {
            let judge = standardwebhooks::Webhook::from_bytes(broken.into()).unwrap();
            let headers = signed(&secrets(broken, None), present_seconds());
            judge.verify(BODY, &headers).unwrap();
        }
    }

    #[test]
    fn during_a_rotation_receivers_with_either_secret_verify() {
        let headers = signed(&secrets("new", Some("old")), present_seconds());
        let judge_new = standardwebhooks::Webhook::from_bytes("new".into()).unwrap();
        let judge_old = standardwebhooks::Webhook::from_bytes("old".into()).unwrap();
        judge_new.verify(BODY, &headers).unwrap();
        judge_old.verify(BODY, &headers).unwrap();
        let new_signature = text(&headers, "x-opsknight-signature");
        let old_signature = text(&headers, "x-opsknight-signature-previous");
        assert!(verify_opsknight(&SecretText::new("new"), BODY, new_signature));
        assert!(verify_opsknight(&SecretText::new("old"), BODY, old_signature));
    }

    #[test]
    fn the_new_secret_signs_first() {
        let during = signed(&secrets("new", Some("old")), 1_700_000_000);
        let after = signed(&secrets("new", None), 1_700_000_000);
        let first = text(&during, "webhook-signature").split(' ').next();
        assert_eq!(first, Some(text(&after, "webhook-signature")));
        assert!(!after.contains_key("x-opsknight-signature-previous"));
    }

    #[test]
    fn a_signature_of_another_body_secret_or_form_does_not_verify() {
        let secret = SecretText::new("secret");
        let good = Keys::new(&secret).body_signature(BODY);
        assert!(verify_opsknight(&secret, BODY, &good));
        assert!(!verify_opsknight(&secret, b"other", &good));
        assert!(!verify_opsknight(&SecretText::new("Secret"), BODY, &good));
        assert!(!verify_opsknight(
            &secret,
            BODY,
            good.trim_start_matches("sha256=")
        ));
        assert!(!verify_opsknight(&secret, BODY, ""));
    }

    #[test]
    fn verifying_the_standard_header_takes_any_one_of_the_list() {
        let headers = signed(&secrets("new", Some("old")), 1_700_000_000);
        let list = text(&headers, "webhook-signature");
        let old = SecretText::new("old");
        assert!(verify_standard(&old, ID, "1700000000", BODY, list));
        assert!(!verify_standard(&old, ID, "1700000001", BODY, list));
        assert!(!verify_standard(
            &SecretText::new("older"),
            ID,
            "1700000000",
            BODY,
            list
        ));
        assert!(!verify_standard(&old, ID, "1700000000", BODY, ""));
    }

    #[test]
    fn a_signer_never_prints_its_keys() {
        assert_eq!(
            format!("{:?}", Signer::new(&secrets("s3cret", None))),
            "Signer { .. }"
        );
    }

    proptest! {
        #[test]
        fn whatever_we_sign_we_verify(secret in ".*", id in "[a-z0-9_]{1,40}", seconds: i64, body: Vec<u8>) {
            let headers: HeaderMap = sign(&secrets(&secret, None), &id, seconds, &body).into_iter().collect();
            let secret = SecretText::new(secret);
            let standard = text(&headers, "webhook-signature");
            prop_assert!(verify_opsknight(&secret, &body, text(&headers, "x-opsknight-signature")));
            prop_assert!(verify_standard(&secret, &id, &seconds.to_string(), &body, standard));
        }
    }
}
