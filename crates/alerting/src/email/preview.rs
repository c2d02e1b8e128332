//! A mail as its reader sees it: subject, who wrote to whom, and the text. Reads what [`super::render`] writes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::email::encode::decode;
use destination::preview::{Part, Preview};

/// What a reader sees of a message; nothing if it is none of ours.
pub(super) fn preview(message: &[u8]) -> Option<Preview> {
    let message = String::from_utf8_lossy(message);
    let (head, body) = message.split_once("\r\n\r\n")?;
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let header = |name: &str| {
        let mut lines = head.lines();
        lines
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .map(words)
    };
    let plain = match body.split_once("Content-Type: text/plain") {
        // The first part, up to the next one's boundary.
        Some((_, part)) => part.split_once("\r\n\r\n")?.1.split("\r\n--=_").next()?,
        None => body,
    };
    let (from, to) = (header("From")?, header("To")?);
    Some(Preview {
        accent: None,
        parts: vec![
            Part::Heading(header("Subject")?),
            Part::Quiet(format!("{from} → {to}")),
            Part::Text(decode(plain).trim_end().to_owned()),
        ],
    })
}

/// A header with its encoded words decoded (RFC 2047): those that are UTF-8 in base64, as the library writes them.
fn words(value: &str) -> String {
    let mut text = String::new();
    let mut was_encoded = false;
    for (index, word) in value.split(' ').enumerate() {
        let encoded = word
            .strip_prefix("=?utf-8?b?")
            .and_then(|word| word.strip_suffix("?="));
        let decoded = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
        if index > 0 && !(was_encoded && decoded.is_some()) {
            text.push(' ');
        }
        was_encoded = decoded.is_some();
        match decoded {
            Some(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
            None => text.push_str(word),
        }
    }
    text
}
