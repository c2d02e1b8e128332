//! A body as it may be read: JSON in lines, anything else as it is.

use destination::preview::{Part, Preview};

/// The body as a text; nothing if it is empty or none.
pub(super) fn preview(body: &[u8]) -> Option<Preview> {
    let text = std::str::from_utf8(body).ok().filter(|text| !text.is_empty())?;
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let pretty = json.and_then(|json| serde_json::to_string_pretty(&json).ok());
    Some(Preview {
        accent: None,
        parts: vec![Part::Text(pretty.unwrap_or_else(|| text.to_owned()))],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_shown_in_lines_and_text_as_it_is() {
        let text = |body: &[u8]| preview(body).map(|shown| shown.text());
        assert_eq!(
            text(br#"{"b":1,"a":[2]}"#).as_deref(),
            Some("{\n  \"b\": 1,\n  \"a\": [\n    2\n  ]\n}")
        );
        assert_eq!(text("Zoë:\nx".as_bytes()).as_deref(), Some("Zoë:\nx"));
        assert_eq!((text(b""), text(b"\xff")), (None, None));
    }
}
