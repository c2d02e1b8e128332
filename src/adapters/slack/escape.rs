//! People's texts in Slack's messages: the three signs that Slack reads as its own become entities, which also disarms
//! everything that calls somebody. Lengths are counted in UTF-16 units of the escaped text, which is never less than
//! what Slack counts.

use crate::adapters::text::{Unit, cut};

/// The unit that every budget here counts.
pub const UNIT: Unit = Unit::Utf16;

/// The text with its signs escaped.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match entity(character) {
            Some(entity) => escaped.push_str(entity),
            None => escaped.push(character),
        }
    }
    escaped
}

/// The text escaped, or as much of it as fits when escaped; never cut within an entity.
pub fn fit(text: &str, max: usize) -> String {
    let whole = escape(text);
    if UNIT.length(&whole) <= max {
        return whole;
    }
    let room = max.saturating_sub(1);
    let mut escaped_length = 0;
    let mut kept_length = 0;
    for character in text.chars() {
        let length = character.len_utf16();
        escaped_length += entity(character).map_or(length, str::len);
        if escaped_length > room {
            break;
        }
        kept_length += length;
    }
    // What is cut has to be longer than its limit even where only an entity is too much.
    let longer = format!("{text}…");
    escape(&cut(&longer, kept_length + 1, UNIT))
}

/// The text as a reader sees it.
pub fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn entity(character: char) -> Option<&'static str> {
    match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_calls_somebody_becomes_text() {
        assert_eq!(escape("<!channel> & <@U1>"), "&lt;!channel&gt; &amp; &lt;@U1&gt;");
    }

    #[test]
    fn a_text_at_its_limit_stays_and_one_beyond_is_cut_between_entities() {
        assert_eq!(fit("<<<", 12), "&lt;&lt;&lt;");
        assert_eq!(fit("<<<", 11), "&lt;&lt;…");
        assert_eq!(fit("<<<", 8), "&lt;…");
        assert_eq!(fit("one two", 7), "one two");
        assert_eq!(fit("one two", 6), "one…");
    }

    proptest! {
        #[test]
        fn a_fitted_text_fits_and_reads_back(text in ".{0,60}|[<>&;amplgt ]{0,60}", max in 1usize..80) {
            let fitted = fit(&text, max);
            prop_assert!(UNIT.length(&fitted) <= max, "{fitted}");
            let shown = unescape(&fitted);
            prop_assert!(shown == text || text.starts_with(shown.trim_end_matches('…')), "{shown}");
        }
    }
}
