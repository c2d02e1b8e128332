//! People's texts in Slack's messages: the three signs that Slack reads as its own become entities, which also disarms
//! everything that calls somebody. Lengths are counted in UTF-16 units of the escaped text, which is never less than
//! what Slack counts.

use destination::text::{Unit, cut_escaped};

/// The unit that every budget here counts.
pub const UNIT: Unit = Unit::Utf16;

/// The text with its signs escaped.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    text.chars().for_each(|character| push(character, &mut escaped));
    escaped
}

fn push(character: char, escaped: &mut String) {
    match entity(character) {
        Some(entity) => escaped.push_str(entity),
        None => escaped.push(character),
    }
}

/// The text escaped, or as much of it as fits when escaped; never cut within an entity.
pub fn fit(text: &str, max: usize) -> String {
    cut_escaped(text, max, UNIT, push)
}

/// The text as a reader sees it.
pub fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
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
