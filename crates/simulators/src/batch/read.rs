//! Reading what was sent: unpacked, and as JSON by lines.

use std::io::Read;

use flate2::read::GzDecoder;
use http::header::CONTENT_ENCODING;
use serde_json::Value;

use super::{Refused, refused};
use crate::simulator::Request;

/// The body without its packing; a refusal if it is too large, or packed as nobody takes it.
pub(super) fn unpacked(request: &Request<'_>, max_bytes: usize) -> Result<Vec<u8>, Refused> {
    let encoding = request.headers.get(CONTENT_ENCODING);
    let mut body = Vec::new();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX) + 1;
    let read = match encoding.map(|value| value.as_bytes()) {
        None | Some(b"identity") => request.body.take(limit).read_to_end(&mut body),
        Some(b"gzip") => GzDecoder::new(request.body).take(limit).read_to_end(&mut body),
        Some(_) => return Err(refused(415, "that packing is not known")),
    };
    match read {
        Err(_) => Err(refused(400, "the body is not what its packing says")),
        Ok(bytes) if bytes > max_bytes => Err(refused(413, "the body is too large")),
        Ok(0) => Err(refused(400, "the body is empty")),
        Ok(_) => Ok(body),
    }
}

/// The lines of a body, each a JSON object.
pub(super) fn lines(body: &[u8]) -> Result<Vec<Value>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is no UTF-8")?;
    let object = |line: &str| match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Ok(Value::Object(object)),
        Ok(_) => Err(format!("a line is no JSON object: {line}")),
        Err(error) => Err(format!("a line is no JSON: {error}")),
    };
    text.lines().map(object).collect()
}
