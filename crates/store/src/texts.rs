//! Texts that come from outside, made fit to be kept: PostgreSQL's TEXT takes no NUL, SQLite measures a text up to its first
//! one, and an answer that holds some must be recorded all the same. Doors refuse NULs; what receivers and ticket systems answer
//! passes no door.

use std::borrow::Cow;

use serde_json::Value;

use model::patch::Patch;

/// The text without NULs.
pub fn plain(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => Cow::Owned(text.replace('\0', "")),
        false => Cow::Borrowed(text),
    }
}

/// A text as it can be looked for: nothing that is kept holds a NUL.
pub fn findable(text: &str) -> Option<&str> {
    (!text.contains('\0')).then_some(text)
}

/// What an attempt leaves of a text, as it can be kept; one of NULs only leaves nothing.
pub fn plain_patch(patch: &Patch<String>) -> Patch<Cow<'_, str>> {
    match patch {
        Patch::Keep => Patch::Keep,
        Patch::Set(text) if plain(text).is_empty() => Patch::Clear,
        Patch::Set(text) => Patch::Set(plain(text)),
        Patch::Clear => Patch::Clear,
    }
}

/// The same for a JSON text, in which a NUL is written as an escape that PostgreSQL does not read.
pub fn plain_json(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u0000") {
        return plain(text);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            strip(&mut value);
            Cow::Owned(value.to_string())
        }
        Err(_) => plain(text),
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|letter| letter != '\0'),
        Value::Array(values) => values.iter_mut().for_each(strip),
        Value::Object(members) => {
            let before = std::mem::take(members);
            let stripped = before.into_iter().map(|(name, mut value)| {
                strip(&mut value);
                (name.replace('\0', ""), value)
            });
            members.extend(stripped);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nuls_go_and_nothing_else_does() {
        assert_eq!(plain("a\0b\0"), "ab");
        assert!(matches!(plain("a\u{1}b"), Cow::Borrowed("a\u{1}b")));
    }

    #[test]
    fn a_text_of_nuls_only_leaves_nothing() {
        assert_eq!(plain_patch(&Patch::Set("\0\0".into())), Patch::Clear);
        assert_eq!(plain_patch(&Patch::Set("\0a".into())), Patch::Set("a".into()));
        assert_eq!(plain_patch(&Patch::Keep), Patch::Keep);
    }

    #[test]
    fn a_nul_in_a_json_text_goes_and_what_only_looks_like_one_stays() {
        assert_eq!(plain_json(r#"{"a\u0000":["b\u0000c",1]}"#), r#"{"a":["bc",1]}"#);
        assert_eq!(plain_json(r#"{"a":"\\u0000"}"#), r#"{"a":"\\u0000"}"#);
        assert_eq!(plain_json("no \\u0000 JSON\0"), "no \\u0000 JSON");
    }
}
