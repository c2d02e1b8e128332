//! What the browser says it did (WebAuthn, section 5.8.1): for which challenge, and on whose page. The authenticator signs it, so that
//! a page of somebody else can get no answer that is believed here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::PasskeyError;

/// The longest that is looked at, in bytes: a browser writes 300.
const MAX_CLIENT_DATA_BYTES: usize = 4096;

/// What the browser was told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ceremony {
    Create,
    Get,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    ceremony: String,
    challenge: String,
    origin: String,
    cross_origin: Option<bool>,
    top_origin: Option<Value>,
}

/// The challenge that a browser's words are about, if they are about this ceremony, on a page of this origin.
pub fn challenge_of(words: &[u8], ceremony: Ceremony, origin: &str) -> Result<Vec<u8>, PasskeyError> {
    let malformed = PasskeyError::NotBelieved("the browser's words cannot be read");
    if words.len() > MAX_CLIENT_DATA_BYTES {
        return Err(malformed);
    }
    let data: ClientData = serde_json::from_slice(words).map_err(|_| malformed)?;
    let expected = match ceremony {
        Ceremony::Create => "webauthn.create",
        Ceremony::Get => "webauthn.get",
    };
    if data.ceremony != expected {
        return Err(PasskeyError::NotBelieved(
            "it is the answer to another kind of question",
        ));
    }
    // Nothing of ours stands in a frame of somebody else's page.
    if data.origin != origin || data.cross_origin == Some(true) || data.top_origin.is_some() {
        return Err(PasskeyError::NotBelieved(
            "it comes from a page of another origin",
        ));
    }
    // There is one spelling of each challenge: it is used once.
    URL_SAFE_NO_PAD.decode(&data.challenge).map_err(|_| malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ORIGIN: &str = "https://ops.example";

    fn words() -> Value {
        json!({"type": "webauthn.get", "challenge": "AQID", "origin": ORIGIN, "crossOrigin": false, "new": [1]})
    }

    fn read(words: &Value) -> Result<Vec<u8>, PasskeyError> {
        challenge_of(words.to_string().as_bytes(), Ceremony::Get, ORIGIN)
    }

    #[test]
    fn the_challenge_is_read_and_members_that_are_not_known_do_not_matter() {
        assert_eq!(read(&words()), Ok(vec![1, 2, 3]));
    }

    #[test]
    fn another_page_another_kind_and_a_frame_are_refused() {
        let changes = [
            ("type", json!("webauthn.create")),
            ("origin", json!("http://ops.example")),
            ("origin", json!("https://ops.example:8443")),
            ("origin", json!("https://ops.example.evil.example")),
            ("crossOrigin", json!(true)),
            ("topOrigin", json!("https://evil.example")),
            ("challenge", json!("AQIDBB")),
            ("challenge", json!("AQI=")),
            ("challenge", json!(5)),
        ];
        for (member, value) in changes {
            let mut words = words();
            words[member] = value;
            assert!(read(&words).is_err(), "{words}");
        }
        for text in [
            "",
            "null",
            "{}",
            "{\"type\":\"webauthn.get\",\"type\":\"webauthn.get\",\"challenge\":\"\",\"origin\":\"\"}",
        ] {
            assert!(
                challenge_of(text.as_bytes(), Ceremony::Get, "").is_err(),
                "{text}"
            );
        }
        let long = format!("{}{}", words(), " ".repeat(MAX_CLIENT_DATA_BYTES));
        assert!(challenge_of(long.as_bytes(), Ceremony::Get, ORIGIN).is_err());
    }
}
