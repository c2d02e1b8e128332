//! Makes the head of an answer readable however its receiver writes it. Pure.
//!
//! Folded lines are joined, spaces before a colon and control characters go, lines that are no headers are left out. Only
//! what tells the message's length must be plain: where two readers could see two messages, there is none.

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};

/// The largest head, in bytes.
pub(super) const HEAD_CAP_BYTES: usize = 64 * 1024;
/// Headers that are handed to the HTTP library, which takes 100 at most and needs a few of them itself.
const LIBRARY_HEADERS: usize = 90;
/// Headers of an answer that are looked at.
const MAX_HEADERS: usize = 1000;

/// Why a head is not taken for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadError {
    /// Larger than [`HEAD_CAP_BYTES`].
    #[error("the head of the receiver's answer is larger than 64 KiB")]
    TooLarge,
    /// Several lengths, or one that is no number.
    #[error(
        "the receiver's answer does not say plainly how long it is: its Content-Length is no single number"
    )]
    ContentLength,
    /// Codings that leave open where the message ends.
    #[error(
        "the receiver's answer does not say plainly how long it is: its Transfer-Encoding leaves that open"
    )]
    TransferEncoding,
    /// A line that would tell the length, if it could be read.
    #[error("the receiver's answer does not say plainly how long it is: the header line for that is broken")]
    BrokenLine,
}

/// A head, cleaned.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// What the HTTP library reads.
    pub(super) bytes: Vec<u8>,
    /// Headers beyond what the library takes.
    pub(super) surplus: Vec<(HeaderName, HeaderValue)>,
    /// Whether another head follows this one: 1xx.
    pub(super) is_informational: bool,
    /// Whether another answer may come on the same connection.
    pub(super) may_be_kept: bool,
}

/// Whether bytes may become the head of an answer over HTTP/1.
pub(super) fn begins_like_http(bytes: &[u8]) -> bool {
    let expected = b"HTTP/";
    let length = bytes.len().min(expected.len());
    bytes[..length] == expected[..length]
}

/// The frame that a server of HTTP/2 sends first (SETTINGS), or its farewell (GOAWAY): RFC 9113, 4.1.
pub(super) fn begins_like_http2(bytes: &[u8]) -> bool {
    matches!(bytes, [0, _, _, 4 | 7, _, 0, 0, 0, 0, ..])
}

/// Where a head ends: after its first empty line, looked for from a position on.
pub(super) fn find_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut start = from;
    loop {
        let line_end = start + bytes.get(start..)?.iter().position(|byte| *byte == b'\n')?;
        let mut next = line_end + 1;
        while bytes.get(next) == Some(&b'\r') {
            next += 1;
        }
        if *bytes.get(next)? == b'\n' {
            return Some(next + 1);
        }
        start = line_end + 1;
    }
}

/// The status that a head begins with, if it is one of HTTP/1.
pub(super) fn status(raw: &[u8]) -> Option<u16> {
    let line = raw.split(|byte| *byte == b'\n').next()?;
    Status::read(without_line_end(line)).map(|status| status.code)
}

/// Cleans a whole head. One without a status line of HTTP/1 stays as it is: the library says what is wrong with it.
pub(super) fn clean(raw: &[u8]) -> Result<Head, HeadError> {
    let mut lines = raw.split(|byte| *byte == b'\n').map(without_line_end);
    let Some(status) = lines.next().and_then(Status::read) else {
        return Ok(Head {
            bytes: raw.to_vec(),
            surplus: Vec::new(),
            is_informational: false,
            may_be_kept: true,
        });
    };
    let fields = fields(lines)?;
    let may_be_kept = check_length(&status, &fields)?;
    let mut head = Head {
        bytes: Vec::with_capacity(raw.len()),
        surplus: Vec::new(),
        is_informational: matches!(status.code, 100 | 102..=199),
        may_be_kept,
    };
    let version = u8::from(!status.is_http_1_0);
    head.bytes
        .extend_from_slice(format!("HTTP/1.{version} {:03}\r\n", status.code).as_bytes());
    for (index, (name, value)) in fields.into_iter().enumerate() {
        if index < LIBRARY_HEADERS || name == CONNECTION || tells_length(&name) {
            head.bytes.extend_from_slice(name.as_str().as_bytes());
            head.bytes.extend_from_slice(b": ");
            head.bytes.extend_from_slice(value.as_bytes());
            head.bytes.extend_from_slice(b"\r\n");
        } else {
            head.surplus.push((name, value));
        }
    }
    head.bytes.extend_from_slice(b"\r\n");
    Ok(head)
}

struct Status {
    is_http_1_0: bool,
    code: u16,
}

impl Status {
    fn read(line: &[u8]) -> Option<Self> {
        let (minor, rest) = line.strip_prefix(b"HTTP/1.")?.split_first()?;
        let code = rest.strip_prefix(b" ")?.trim_ascii_start();
        let (digits, rest) = code.split_at_checked(3)?;
        let is_code = digits.iter().all(u8::is_ascii_digit) && !rest.first().is_some_and(u8::is_ascii_digit);
        let code = digits
            .iter()
            .fold(0, |code, digit| code * 10 + u16::from(digit.wrapping_sub(b'0')));
        (minor.is_ascii_digit() && is_code).then_some(Self {
            is_http_1_0: *minor == b'0',
            code,
        })
    }

    /// RFC 9112, 6.3: such an answer ends with its head, whatever the head says.
    fn has_no_body(&self) -> bool {
        matches!(self.code, 100..=199 | 204 | 304)
    }
}

fn fields<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<Vec<(HeaderName, HeaderValue)>, HeadError> {
    let mut fields: Vec<(HeaderName, Vec<u8>)> = Vec::new();
    let mut may_fold = false;
    for line in lines.take_while(|line| !line.is_empty()) {
        // Some readers take a lone CR for the end of a line.
        if line.split(|byte| *byte == b'\r').skip(1).any(is_about_length) {
            return Err(HeadError::BrokenLine);
        }
        let is_folded = matches!(line[0], b' ' | b'\t');
        if let (true, true, Some((_, value))) = (is_folded, may_fold, fields.last_mut()) {
            value.push(b' ');
            value.extend(without_controls(line));
            continue;
        }
        let field = match is_folded {
            true => None,
            false => read_field(line)?,
        };
        may_fold = field.is_some();
        match field {
            None if is_about_length(line) => return Err(HeadError::BrokenLine),
            None => {}
            Some((name, _)) if fields.len() >= MAX_HEADERS && !tells_length(&name) => may_fold = false,
            Some(field) => fields.push(field),
        }
    }
    let read = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, HeaderValue::from_bytes(value.trim_ascii()).ok()?)));
    Ok(read.collect())
}

/// A header line; nothing if it is none.
fn read_field(line: &[u8]) -> Result<Option<(HeaderName, Vec<u8>)>, HeadError> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return Ok(None);
    };
    let Ok(name) = HeaderName::from_bytes(line[..colon].trim_ascii_end()) else {
        return Ok(None);
    };
    let value = line[colon + 1..].trim_ascii();
    if tells_length(&name) && value.iter().any(|byte| is_control(*byte)) {
        return Err(HeadError::BrokenLine);
    }
    Ok(Some((name, without_controls(value))))
}

/// Whether head and length leave no doubt about the message; says whether the connection may go on after it.
fn check_length(status: &Status, fields: &[(HeaderName, HeaderValue)]) -> Result<bool, HeadError> {
    if status.has_no_body() {
        return Ok(true);
    }
    let items = |wanted: HeaderName| {
        let values = fields.iter().filter(move |(name, _)| *name == wanted);
        values.flat_map(|(_, value)| {
            value
                .as_bytes()
                .split(|byte| *byte == b',')
                .map(<[u8]>::trim_ascii)
        })
    };
    let mut lengths = items(CONTENT_LENGTH);
    let first_length = lengths.next();
    let codings: Vec<_> = items(TRANSFER_ENCODING).collect();
    if codings.is_empty() {
        let is_number = |text: &[u8]| (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
        let is_plain =
            first_length.is_none_or(|first| is_number(first) && lengths.all(|other| other == first));
        return if is_plain {
            Ok(true)
        } else {
            Err(HeadError::ContentLength)
        };
    }
    let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let ends_chunked = codings.last().is_some_and(is_chunked);
    match (
        codings.iter().filter(|coding| is_chunked(coding)).count(),
        ends_chunked,
    ) {
        _ if status.is_http_1_0 => Err(HeadError::TransferEncoding),
        // The coding overrides the length, which is no sign of health: RFC 9112, 6.3.
        (1, true) => Ok(first_length.is_none()),
        // It ends with the connection.
        (0, _) if first_length.is_none() => Ok(false),
        _ => Err(HeadError::TransferEncoding),
    }
}

fn tells_length(name: &HeaderName) -> bool {
    *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING
}

/// Whether a line that cannot be read would be one of those that tell the length.
fn is_about_length(line: &[u8]) -> bool {
    let kept = line
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric() || **byte == b'-');
    let kept: Vec<u8> = kept.take(32).map(u8::to_ascii_lowercase).collect();
    kept.starts_with(b"content-length") || kept.starts_with(b"transfer-encoding")
}

fn without_line_end(mut line: &[u8]) -> &[u8] {
    while let Some(shorter) = line.strip_suffix(b"\r") {
        line = shorter;
    }
    line
}

fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

fn without_controls(text: &[u8]) -> Vec<u8> {
    let clean = |byte: &u8| if is_control(*byte) { b' ' } else { *byte };
    text.iter().map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cleaned(raw: &str) -> Result<String, HeadError> {
        clean(raw.as_bytes()).map(|head| String::from_utf8(head.bytes).unwrap())
    }

    #[test]
    fn what_is_written_oddly_is_read() {
        let odd = "HTTP/1.1  200 Fine\x01\r\nSet-Cookie: a=\x01b\0\r\nX-Name : 1\r\nLong: one\r\n\t two\nno colon\r\n\
                   ba d: 1\r\n more of it\r\nEmpty:\r\n\r\n";
        assert_eq!(
            cleaned(odd),
            Ok(
                "HTTP/1.1 200\r\nset-cookie: a= b\r\nx-name: 1\r\nlong: one \t two\r\nempty: \r\n\r\n"
                    .to_owned()
            )
        );
    }

    #[test]
    fn headers_beyond_what_the_library_takes_are_kept_beside() {
        let many: String = (0..150).map(|index| format!("x-{index}: {index}\r\n")).collect();
        let head = clean(format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 0\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(head.surplus.len(), 150 - LIBRARY_HEADERS);
        assert!(head.bytes.ends_with(b"\r\ncontent-length: 0\r\n\r\n"));
    }

    #[test]
    fn a_length_that_two_readers_could_read_differently_is_refused() {
        let refused = [
            ("Content-Length: 2\r\nContent-Length: 3", HeadError::ContentLength),
            ("Content-Length: +2", HeadError::ContentLength),
            ("Content-Length: 2\r\n 3", HeadError::ContentLength),
            ("Content-Length: 2\x01", HeadError::BrokenLine),
            ("Content-Length\x01: 2", HeadError::BrokenLine),
            ("Content-Length 2", HeadError::BrokenLine),
            ("X: a\rContent-Length: 2", HeadError::BrokenLine),
            ("Transfer-Encoding: chunked, gzip", HeadError::TransferEncoding),
            ("Transfer-Encoding: chunked, chunked", HeadError::TransferEncoding),
            (
                "Transfer-Encoding: gzip\r\nContent-Length: 2",
                HeadError::TransferEncoding,
            ),
        ];
        for (line, error) in refused {
            assert_eq!(
                cleaned(&format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n")),
                Err(error),
                "{line}"
            );
        }
        let http_1_0 = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(cleaned(http_1_0), Err(HeadError::TransferEncoding));
    }

    #[test]
    fn a_length_that_is_plain_is_taken_and_one_that_is_overridden_ends_the_connection() {
        let may_be_kept = |lines: &str| {
            let head = clean(format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n").as_bytes());
            head.unwrap().may_be_kept
        };
        assert!(may_be_kept("Content-Length: 2\r\ncontent-length : 2"));
        assert!(may_be_kept("Transfer-Encoding: gzip, Chunked"));
        assert!(!may_be_kept("Transfer-Encoding: chunked\r\nContent-Length: 2"));
        assert!(cleaned("HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n").is_ok());
    }

    #[test]
    fn a_head_ends_with_its_first_empty_line() {
        assert_eq!(find_end(b"HTTP/1.1 200\r\na: b\r\n\r\nbody", 0), Some(22));
        assert_eq!(find_end(b"HTTP/1.1 200\n\nbody", 0), Some(14));
        assert_eq!(find_end(b"HTTP/1.1 200\r\na: b\r\n\r", 0), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_it_is_cleaned_into_what_the_library_reads_or_refused(text in "[ -~\t\r\n\x00\x01:]{0,200}") {
            let raw = format!("HTTP/1.1 200 OK\r\n{text}\r\n\r\n");
            let end = find_end(raw.as_bytes(), 0).unwrap();
            if let Ok(head) = clean(&raw.as_bytes()[..end]) {
                let mut headers = [httparse::EMPTY_HEADER; 100];
                let mut response = httparse::Response::new(&mut headers);
                prop_assert!(response.parse(&head.bytes).is_ok_and(|status| status.is_complete()));
            }
        }
    }
}
