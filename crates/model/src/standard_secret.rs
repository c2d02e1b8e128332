//! Signing secrets as Standard Webhooks writes them: `whsec_` and base64. Which of them can be used says this file alone, to
//! those who save a secret as well as to those who sign with it.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use zeroize::Zeroizing;

use crate::secret::SecretText;

/// What a secret whose remainder is base64 begins with.
const PREFIX: &str = "whsec_";
/// What some products show in front of it.
const VERSION: &str = "v1,";
/// Tools write base64 with its padding and without.
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const ALPHABETS: [GeneralPurpose; 2] = [
    GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING),
    GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING),
];

/// The key that a `whsec_` secret stands for; nothing of any other, nor of one that is broken.
pub fn decode(secret: &str) -> Option<Zeroizing<Vec<u8>>> {
    let encoded = secret.strip_prefix(PREFIX)?;
    let decoded = ALPHABETS
        .iter()
        .find_map(|alphabet| alphabet.decode(encoded).ok());
    decoded.filter(|key| !key.is_empty()).map(Zeroizing::new)
}

/// What is wrong with a text that was meant as such a secret; nothing of any other text.
pub fn mistake(secret: &str) -> Option<&'static str> {
    let text = secret.trim();
    if text
        .strip_prefix(VERSION)
        .is_some_and(|rest| rest.starts_with(PREFIX))
    {
        return Some("leave the v1, away: the secret begins with whsec_");
    }
    if !text.starts_with(PREFIX) || decode(secret).is_some() {
        return None;
    }
    if text == PREFIX {
        return Some("behind whsec_ the secret itself is missing");
    }
    Some(
        "a secret that begins with whsec_ goes on in base64 and nothing else: copy it anew, or choose another text",
    )
}

/// Makes such a secret out of 32 random bytes.
pub fn new_secret(random: &[u8; 32]) -> SecretText {
    let encoded = Zeroizing::new(general_purpose::STANDARD.encode(random));
    SecretText::new(format!("{PREFIX}{}", *encoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_or_not_url_safe_or_not_it_is_the_same_key() {
        let written = ["whsec_-_8AAQ==", "whsec_-_8AAQ", "whsec_+/8AAQ==", "whsec_+/8AAQ"];
        for secret in written {
            let key = decode(secret).map(|key| key.to_vec());
            assert_eq!(
                (key, mistake(secret)),
                (Some(vec![0xfb, 0xff, 0, 1]), None),
                "{secret}"
            );
        }
        let made = new_secret(&[7; 32]);
        assert_eq!(decode(made.reveal()).map(|key| key.to_vec()), Some(vec![7; 32]));
    }

    #[test]
    fn what_was_meant_as_one_and_is_none_is_told() {
        let broken = [
            "whsec_",
            "whsec_====",
            "whsec_!!!!",
            "whsec_MfKQ 9r8G",
            " whsec_MfKQ9r8G",
            "whsec_MfKQ9r8G\n",
            "v1,whsec_MfKQ9r8G",
        ];
        assert!(
            broken
                .iter()
                .all(|secret| decode(secret).is_none() && mistake(secret).is_some())
        );
        let others = ["", "secret", "v1,x", "WHSEC_!", "a whsec_ b"];
        assert!(
            others
                .iter()
                .all(|secret| decode(secret).is_none() && mistake(secret).is_none())
        );
    }
}
