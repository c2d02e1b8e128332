//! An authenticator that keeps one passkey, and lies about whatever a test wants.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Whoever it asked, by finger or PIN, was there.
pub const VERIFIED: u8 = 0b101;
/// Somebody touched it.
pub const PRESENT: u8 = 0b001;
const HAS_CREDENTIAL: u8 = 0b100_0000;

/// A field of a form, and what stands in it.
pub type Field = (&'static str, String);

/// An authenticator in a browser.
pub struct Authenticator {
    /// The page that asks, as the browser says.
    pub origin: String,
    pub flags: u8,
    pub sign_count: u32,
    pub credential_id: Vec<u8>,
    /// Whose passkey it is: as the server said when it was made.
    pub user_handle: String,
    key: EcdsaKeyPair,
}

impl Authenticator {
    /// A new one, in a browser on a page of this origin.
    pub fn new(origin: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self {
            origin: origin.to_owned(),
            flags: VERIFIED,
            sign_count: 0,
            credential_id: Sha256::digest(key.public_key())[..16].to_vec(),
            user_handle: String::new(),
            key,
        }
    }

    /// Makes its passkey, as `navigator.credentials.create` is asked.
    pub fn create(&mut self, asked: &Value) -> Vec<Field> {
        self.user_handle = asked["user"]["id"].as_str().unwrap().to_owned();
        let mut data = self.data(&asked["rp"]["id"], self.flags | HAS_CREDENTIAL);
        let length = u16::try_from(self.credential_id.len()).unwrap();
        let point = self.key.public_key().as_ref();
        let (x, y) = (&point[1..33], &point[33..]);
        // A COSE key: EC2, ES256, P-256.
        let key = [
            &[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32],
            x,
            &[0x22, 0x58, 32],
            y,
        ]
        .concat();
        data.extend([&[0; 16][..], &length.to_be_bytes(), &self.credential_id, &key].concat());
        let length = u8::try_from(data.len()).unwrap();
        let head = [
            &b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"[..],
            &[length],
        ]
        .concat();
        vec![
            ("clientData", text(&self.words("webauthn.create", asked))),
            ("attestation", text(&[head, data].concat())),
        ]
    }

    /// Signs in with it, as `navigator.credentials.get` is asked.
    pub fn get(&mut self, asked: &Value) -> Vec<Field> {
        let data = self.data(&asked["rpId"], self.flags);
        let words = self.words("webauthn.get", asked);
        let signed = [&data[..], &Sha256::digest(&words)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        vec![
            ("id", text(&self.credential_id)),
            ("clientData", text(&words)),
            ("authenticatorData", text(&data)),
            ("signature", text(signature.as_ref())),
            ("userHandle", self.user_handle.clone()),
        ]
    }

    fn words(&self, ceremony: &str, asked: &Value) -> Vec<u8> {
        let words = json!({"type": ceremony, "challenge": asked["challenge"], "origin": self.origin,
            "crossOrigin": false});
        words.to_string().into_bytes()
    }

    fn data(&self, party: &Value, flags: u8) -> Vec<u8> {
        let party = Sha256::digest(party.as_str().unwrap());
        [&party[..], &[flags], &self.sign_count.to_be_bytes()].concat()
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
