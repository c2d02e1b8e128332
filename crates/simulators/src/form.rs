//! Bodies of forms, as simulators read them where their platforms take forms beside JSON.

use std::collections::BTreeMap;

use http::header::CONTENT_TYPE;

use crate::simulator::Request;

/// The most fields of a form that are read.
const MAX_FIELDS: usize = 100;

/// The fields of a form, of the last where several have one name; nothing if the body is none. Files are read like texts.
pub fn fields(request: &Request<'_>) -> Option<BTreeMap<String, String>> {
    let content_type = request.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    match kind.trim() {
        "application/x-www-form-urlencoded" => {
            let pairs = url::form_urlencoded::parse(request.body).into_owned();
            Some(pairs.take(MAX_FIELDS).collect())
        }
        "multipart/form-data" => {
            let boundary = parameters
                .split(';')
                .find_map(|part| part.trim().strip_prefix("boundary="))?;
            Some(parts(request.body, boundary.trim_matches('"')))
        }
        _ => None,
    }
}

/// The parts of a multipart body (RFC 7578) that have a name.
fn parts(body: &[u8], boundary: &str) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let delimiter = format!("--{boundary}");
    let parts = text.split(delimiter.as_str()).skip(1).take(MAX_FIELDS);
    let named = parts.filter_map(|part| {
        let (head, content) = part.split_once("\r\n\r\n")?;
        let (_, name) = head.split_once(" name=\"")?;
        let (name, _) = name.split_once('"')?;
        Some((
            name.to_owned(),
            content.strip_suffix("\r\n").unwrap_or(content).to_owned(),
        ))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, Method};
    use model::time::Timestamp;

    fn read(content_type: &'static str, body: &str) -> Option<BTreeMap<String, String>> {
        fields(&Request {
            method: &Method::POST,
            target: "/",
            headers: &HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]),
            body: body.as_bytes(),
            now: Timestamp::EPOCH,
        })
    }

    #[test]
    fn forms_of_both_kinds_are_read_and_json_is_none() {
        let expected = Some(BTreeMap::from([
            ("a".to_owned(), "1 & 2".to_owned()),
            ("b".to_owned(), "x\r\ny".to_owned()),
        ]));
        let encoded = read(
            "application/x-www-form-urlencoded; charset=utf-8",
            "a=1+%26+2&b=x%0D%0Ay",
        );
        assert_eq!(encoded, expected);
        let multipart = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1 & 2\r\n\
                         --X\r\nContent-Disposition: form-data; name=\"b\"\r\nContent-Type: text/plain\r\n\r\n\
                         x\r\ny\r\n--X--\r\n";
        assert_eq!(read("multipart/form-data; boundary=X", multipart), expected);
        assert_eq!(read("application/json", "{}"), None);
    }
}
