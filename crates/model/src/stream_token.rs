//! Tokens that open the stream of events for a while, made for a page that can send no header: a browser's `EventSource` takes an
//! address only, and a key that stands in one is soon somebody else's.
//!
//! A token says which API key it was made with, until when it holds and which events it shows, followed by half an HMAC-SHA256
//! under the key's hash, which is told to nobody. So nothing is stored, and a token ends with its key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::access::KeyHash;
use crate::digest::hmac_sha256;
use crate::event::EventSet;
use crate::id::KeyId;
use crate::secret::SecretText;
use crate::time::Timestamp;

/// The longest time that a token may hold.
pub const MAX_STREAM_TOKEN_SECONDS: u32 = 3600;
/// What a token begins with.
const PREFIX: &str = "st_";
/// What the signature begins with, so that it can be mistaken for no other under the same key.
const PURPOSE: &[u8] = b"opsknight stream token 1";
const PAYLOAD_BYTES: usize = 16 + 8 + 1;
const MAC_BYTES: usize = 16;

/// What a token permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamToken {
    /// The key whose rights it has.
    pub key_id: KeyId,
    /// Until when.
    pub expires_at: Timestamp,
    /// The events of incidents that it shows.
    pub events: EventSet,
}

/// A token as it came, of which nothing is believed yet.
#[derive(Debug, Clone, Copy)]
pub struct GivenStreamToken {
    token: StreamToken,
    mac: [u8; MAC_BYTES],
}

impl StreamToken {
    /// The token as a text, under the hash of its key.
    pub fn sign(&self, hash: &KeyHash) -> SecretText {
        let bytes = [&self.payload()[..], &self.mac(hash)].concat();
        SecretText::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    fn payload(&self) -> [u8; PAYLOAD_BYTES] {
        let mut payload = [0; PAYLOAD_BYTES];
        payload[..16].copy_from_slice(self.key_id.as_bytes());
        payload[16..24].copy_from_slice(&self.expires_at.as_millis().to_be_bytes());
        payload[24] = self.events.bits();
        payload
    }

    fn mac(&self, hash: &KeyHash) -> [u8; MAC_BYTES] {
        let mut half = [0; MAC_BYTES];
        half.copy_from_slice(&hmac_sha256(&hash.0, [PURPOSE, &self.payload()])[..MAC_BYTES]);
        half
    }
}

impl GivenStreamToken {
    /// Reads what looks like a token.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let bytes: [u8; PAYLOAD_BYTES + MAC_BYTES] = bytes.try_into().ok()?;
        let (mut id, mut at, mut mac) = ([0; 16], [0; 8], [0; MAC_BYTES]);
        id.copy_from_slice(&bytes[..16]);
        at.copy_from_slice(&bytes[16..24]);
        mac.copy_from_slice(&bytes[PAYLOAD_BYTES..]);
        let token = StreamToken {
            key_id: KeyId::from_bytes(id),
            expires_at: Timestamp::from_millis(i64::from_be_bytes(at)),
            events: EventSet::from_bits(bytes[24], 0),
        };
        Some(Self { token, mac })
    }

    /// The key that it names.
    pub fn key_id(&self) -> KeyId {
        self.token.key_id
    }

    /// The token, if it was made under the hash of its key and still holds.
    pub fn verify(&self, hash: &KeyHash, now: Timestamp) -> Option<StreamToken> {
        let is_ours: bool = self.token.mac(hash).ct_eq(&self.mac).into();
        (is_ours && now < self.token.expires_at).then_some(self.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventName;
    use proptest::prelude::*;

    fn token() -> StreamToken {
        StreamToken {
            key_id: KeyId::new(Timestamp::from_millis(7), [3; 10]),
            expires_at: Timestamp::from_millis(5000),
            events: EventSet::new(&[EventName::Triggered, EventName::Resolved]),
        }
    }

    #[test]
    fn a_token_holds_under_its_key_until_its_time() {
        let (token, hash) = (token(), KeyHash::new("ok_one"));
        let given = GivenStreamToken::parse(token.sign(&hash).reveal()).unwrap();
        assert_eq!(given.key_id(), token.key_id);
        assert_eq!(given.verify(&hash, Timestamp::from_millis(4999)), Some(token));
        assert_eq!(given.verify(&hash, token.expires_at), None);
        assert_eq!(given.verify(&KeyHash::new("ok_other"), Timestamp::EPOCH), None);
    }

    #[test]
    fn no_byte_of_a_token_can_be_changed() {
        let hash = KeyHash::new("ok_one");
        let text = token().sign(&hash).reveal().to_owned();
        let bytes = URL_SAFE_NO_PAD.decode(&text[PREFIX.len()..]).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 2;
            let changed = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(changed));
            let given = GivenStreamToken::parse(&changed).unwrap();
            assert_eq!(given.verify(&hash, Timestamp::EPOCH), None, "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = GivenStreamToken::parse(&text);
            let _ = GivenStreamToken::parse(&format!("st_{text}"));
        }
    }
}
