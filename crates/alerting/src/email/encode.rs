//! Quoted-printable (RFC 2045, 6.7), written so that a word is never torn where it fits into a line: a secret in it is found again
//! by whoever masks the log. And read again, for previews.

/// The longest line, without the `=` at its end, in bytes.
const MAX_LINE: usize = 75;

/// A text as a part of a mail.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + text.len() / 8);
    for line in text.split('\n') {
        encode_line(line.trim_end_matches('\r'), &mut encoded);
        encoded.push_str("\r\n");
    }
    encoded
}

fn encode_line(line: &str, encoded: &mut String) {
    let is_word = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    let (mut used, mut rest) = (0, line);
    while let Some(first) = rest.chars().next() {
        let length = match is_word(first) {
            true => rest.find(|character| !is_word(character)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (unit, after) = rest.split_at(length);
        rest = after;
        let is_plain = is_word(first) || (matches!(first, ' '..='~') && first != '=');
        // White space at the end of a line may get lost on the way; a dot alone in a line is a special one.
        let is_plain = is_plain && !(rest.is_empty() && first == ' ') && !(used == 0 && first == '.');
        let unit = match is_plain {
            true => unit.to_owned(),
            false => unit.bytes().map(|byte| format!("={byte:02X}")).collect(),
        };
        for piece in pieces(&unit) {
            if used + piece.len() > MAX_LINE {
                encoded.push_str("=\r\n");
                used = 0;
            }
            encoded.push_str(piece);
            used += piece.len();
        }
    }
}

/// Parts of a unit that each fit into a line.
fn pieces(unit: &str) -> impl Iterator<Item = &str> {
    let mut rest = unit;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(rest.len().min(MAX_LINE));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The text of a part.
pub(super) fn decode(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    for line in part.lines() {
        let (line, goes_on) = match line.strip_suffix('=') {
            Some(line) => (line, true),
            None => (line, false),
        };
        let mut rest = line;
        while let Some(position) = rest.find('=') {
            let (before, escape) = rest.split_at(position);
            bytes.extend_from_slice(before.as_bytes());
            let byte = escape
                .get(1..3)
                .and_then(|digits| u8::from_str_radix(digits, 16).ok());
            bytes.extend(byte);
            rest = escape.get(byte.map_or(1, |_| 3)..).unwrap_or_default();
        }
        bytes.extend_from_slice(rest.as_bytes());
        if !goes_on {
            bytes.push(b'\n');
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_is_not_torn() {
        let token = "x".repeat(64);
        let text = format!("Acknowledge: https://ops.example/some/where/act/{token}?a=b");
        let encoded = encode(&text);
        assert!(encoded.contains(&token), "{encoded}");
        assert!(encoded.contains("?a=3Db"));
        assert_eq!(encode(".\nend "), "=2E\r\nend=20\r\n");
    }

    proptest! {
        #[test]
        fn a_text_comes_back_in_short_lines_of_ascii(text in "(\\PC|\n| ){0,300}") {
            let encoded = encode(&text);
            prop_assert!(encoded.is_ascii());
            prop_assert!(encoded.lines().all(|line| line.len() <= 76), "{encoded}");
            prop_assert_eq!(decode(&encoded), format!("{text}\n"));
        }
    }
}
