//! A message as a mail program reads it: RFC 5322, the headers that there must be once, encoded words, alternatives, and both
//! encodings of texts. What breaks the rules is refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::message::Message;

/// Headers of which there may be one at most.
const ONCE: [&str; 9] = [
    "date",
    "from",
    "to",
    "reply-to",
    "subject",
    "message-id",
    "in-reply-to",
    "references",
    "content-type",
];
/// Those without which there is no message that people send each other.
const NEEDED: [&str; 4] = ["date", "from", "to", "message-id"];

type Headers = Vec<(String, String)>;

/// What a reader sees; a sentence about what is wrong.
pub(super) fn read(message: &[u8]) -> Result<Message, String> {
    let message = std::str::from_utf8(message).map_err(|_| "the message is no text".to_owned())?;
    let (headers, body) = split(message)?;
    for name in ONCE {
        let count = headers.iter().filter(|(other, _)| other == name).count();
        if count > 1 || (count == 0 && NEEDED.contains(&name)) {
            return Err(format!("there are {count} headers {name}"));
        }
    }
    let mut shown = Message::default();
    shown.add(&words(value(&headers, "subject")));
    shown.add(text_of(&headers, body)?.trim_end());
    Ok(shown)
}

/// Headers, unfolded, and what comes after them.
fn split(part: &str) -> Result<(Headers, &str), String> {
    let (head, body) = match part.strip_prefix("\r\n") {
        Some(body) => ("", body),
        None => part
            .split_once("\r\n\r\n")
            .ok_or("there is no empty line after the headers")?,
    };
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let mut headers = Vec::new();
    for line in unfolded.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| format!("this is no header: {line}"))?;
        if name.is_empty()
            || !name.bytes().all(|byte| byte.is_ascii_graphic())
            || value.contains(['\r', '\n', '\0'])
        {
            return Err(format!("this is no header: {line}"));
        }
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok((headers, body))
}

fn value<'a>(headers: &'a Headers, name: &str) -> &'a str {
    let found = headers.iter().find(|(other, _)| other == name);
    found.map_or("", |(_, value)| value)
}

/// The text of a part: of alternatives, the plain one.
fn text_of(headers: &Headers, body: &str) -> Result<String, String> {
    let kind = value(headers, "content-type").to_ascii_lowercase();
    if kind.starts_with("multipart/") {
        let given = value(headers, "content-type");
        let boundary = given
            .split("boundary=")
            .nth(1)
            .map(|rest| rest.trim_matches('"').to_owned());
        let delimiter = format!("--{}", boundary.ok_or("the parts have no boundary")?);
        if !body.contains(&format!("{delimiter}--")) {
            return Err("the last part has no end".to_owned());
        }
        let first = body.split(&delimiter).nth(1).ok_or("there is no part")?;
        let (headers, body) = split(
            first
                .strip_prefix("\r\n")
                .ok_or("a boundary has a line of its own")?,
        )?;
        return text_of(&headers, body);
    }
    if !kind.is_empty() && !kind.starts_with("text/plain") {
        return Err(format!("a reader without HTML sees nothing of {kind}"));
    }
    let text = match value(headers, "content-transfer-encoding")
        .to_ascii_lowercase()
        .as_str()
    {
        "quoted-printable" => quoted_printable(body)?,
        "base64" => {
            let text: String = body.split_whitespace().collect();
            STANDARD
                .decode(text)
                .map_err(|_| "the part is no base64".to_owned())?
        }
        "" | "7bit" | "8bit" => body.as_bytes().to_vec(),
        other => return Err(format!("the encoding {other} is not known")),
    };
    let text = String::from_utf8(text).map_err(|_| "the text is not UTF-8".to_owned())?;
    Ok(text.replace("\r\n", "\n"))
}

fn quoted_printable(body: &str) -> Result<Vec<u8>, String> {
    let mut decoded = Vec::new();
    let joined = body.replace("=\r\n", "");
    let mut bytes = joined.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'=' {
            decoded.push(byte);
            continue;
        }
        let digits: Vec<u8> = bytes.by_ref().take(2).collect();
        let digits = std::str::from_utf8(&digits).unwrap_or_default();
        let byte = u8::from_str_radix(digits, 16).map_err(|_| format!("={digits} is no byte"))?;
        decoded.push(byte);
    }
    Ok(decoded)
}

/// A header's text with its encoded words decoded (RFC 2047). White space between two of them is none.
fn words(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, word)) = rest.split_once("=?") {
        let mut parts = word.splitn(4, '?');
        let (charset, encoding) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let encoded = parts.next().unwrap_or_default();
        let after = parts.next().and_then(|rest| rest.strip_prefix('='));
        let decoded = match encoding.to_ascii_lowercase().as_str() {
            "b" => STANDARD.decode(encoded).ok(),
            "q" => quoted_printable(&encoded.replace('_', " ")).ok(),
            _ => None,
        };
        let decoded = decoded.filter(|_| charset.eq_ignore_ascii_case("utf-8"));
        match (decoded, after) {
            (Some(bytes), Some(after)) => {
                if !before.trim().is_empty() || text.is_empty() {
                    text.push_str(before);
                }
                text.push_str(&String::from_utf8_lossy(&bytes));
                rest = after;
            }
            _ => {
                text.push_str(before);
                text.push_str("=?");
                rest = word;
            }
        }
    }
    text.push_str(rest);
    text
}
