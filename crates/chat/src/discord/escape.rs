//! People's texts inside Discord's markdown: every sign that markdown, mentions, emoji, timestamps or bare links begin
//! with gets a backslash, so that a text shows as it was typed. Lengths are counted in UTF-16 units of the escaped
//! text, which is never less than what Discord counts.

use destination::text::{Unit, cut_escaped};

/// The unit that every budget here counts.
pub const UNIT: Unit = Unit::Utf16;

fn push(character: char, escaped: &mut String) {
    if is_sign(character) {
        escaped.push('\\');
    }
    escaped.push(character);
}

/// The text escaped, or as much of it as fits when escaped; never cut within an escape.
pub fn fit(text: &str, max: usize) -> String {
    cut_escaped(text, max, UNIT, push)
}

/// Whether Discord may take a character for something else than itself.
fn is_sign(character: char) -> bool {
    matches!(
        character,
        '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '>' | '[' | ']' | '#' | '-' | '+' | ':' | '@'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A text that is short enough.
    fn escape(text: &str) -> String {
        fit(text, usize::MAX)
    }

    #[test]
    fn signs_of_markdown_mentions_and_links_are_escaped() {
        assert_eq!(escape("*a* <@1> @here"), r"\*a\* \<\@1\> \@here");
        assert_eq!(escape("[a](https://b)"), r"\[a\](https\://b)");
        assert_eq!(escape(r"c:\d"), r"c\:\\d");
    }

    #[test]
    fn a_text_at_its_limit_stays_and_one_beyond_is_cut_between_escapes() {
        assert_eq!(fit("****", 8), r"\*\*\*\*");
        assert_eq!(fit("****", 7), r"\*\*\*…");
        assert_eq!(fit("****", 6), r"\*\*…");
        assert_eq!(fit("one two", 7), "one two");
        assert_eq!(fit("one two", 6), "one…");
    }

    proptest! {
        #[test]
        fn a_fitted_text_fits_and_ends_in_no_open_escape(text in ".{0,60}|[*_@<>a ]{0,60}", max in 1usize..80) {
            let fitted = fit(&text, max);
            prop_assert!(UNIT.length(&fitted) <= max, "{fitted}");
            let backslashes = fitted.chars().rev().take_while(|character| *character == '\\').count();
            prop_assert!(backslashes % 2 == 0, "{fitted}");
        }
    }
}
