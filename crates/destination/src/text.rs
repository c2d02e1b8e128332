//! Texts of people in messages of platforms: made harmless, cut to a budget in the platform's own unit.

/// What a platform counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Unicode characters (scalar values).
    Characters,
    /// UTF-16 code units.
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
}

impl Unit {
    /// How long a text is.
    pub fn length(self, text: &str) -> usize {
        text.chars().map(|character| self.of(character)).sum()
    }

    fn of(self, character: char) -> usize {
        match self {
            Self::Characters => 1,
            Self::Utf16 => character.len_utf16(),
            Self::Bytes => character.len_utf8(),
        }
    }
}

/// What stands where a text was cut.
pub const ELLIPSIS: char = '…';

/// One line without anything that is not seen: no line breaks, no control characters, nothing that turns the direction
/// of the text that follows, no white space at its ends or doubled.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars().filter(|character| !is_unseen(*character)) {
        let is_space = character.is_whitespace() || character.is_control();
        if !is_space {
            line.push(character);
        } else if !line.is_empty() && !line.ends_with(' ') {
            line.push(' ');
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// How much is quoted of what a service says, in characters.
const MAX_QUOTE: usize = 200;

/// What a service says, as part of a sentence: one line, short, without a full stop.
pub fn quote(text: &str) -> String {
    cut(one_line(text).trim_end_matches('.'), MAX_QUOTE, Unit::Characters)
}

/// The same in brackets, for the end of a sentence; nothing if there is nothing to read.
pub fn quote_in_brackets(text: &str) -> String {
    match quote(text) {
        words if words.trim_matches([':', ' ']).is_empty() => String::new(),
        words => format!(" ({words})"),
    }
}

/// Marks of direction and width that a reader does not see, but that change what is seen around them.
fn is_unseen(character: char) -> bool {
    matches!(character,
        '\u{00ad}' | '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text if it fits, or else as many whole words of it as fit, and "…". A single long word is cut between characters,
/// never within a pair that belongs together.
pub fn cut(text: &str, max: usize, unit: Unit) -> String {
    if unit.length(text) <= max {
        return text.to_owned();
    }
    let Some(room) = max.checked_sub(unit.of(ELLIPSIS)) else {
        return String::new();
    };
    let mut used = 0;
    let end = text
        .char_indices()
        .find(|(_, character)| {
            used += unit.of(*character);
            used > room
        })
        .map_or(text.len(), |(index, _)| index);
    let kept = &text[..end];
    let cuts_a_word = !text[end..].starts_with(char::is_whitespace);
    let at_word = kept.rfind(char::is_whitespace).filter(|_| cuts_a_word);
    // A word that is most of the text is better cut than lost.
    let at_word = at_word.filter(|index| index * 2 >= kept.len());
    let kept = at_word.map_or(kept, |index| &kept[..index]);
    let torn = kept.trim_end();
    let mut kept = torn.to_owned();
    drop_half_characters(&mut kept, &text[end..]);
    // A character that is longer than all that fits is better torn than lost.
    if kept.is_empty() {
        kept.push_str(torn);
    }
    kept.push(ELLIPSIS);
    kept
}

/// The text escaped, or as much of it as fits when escaped; never cut within an escape. `escaped` adds what a character
/// becomes.
pub fn cut_escaped(text: &str, max: usize, unit: Unit, escaped: impl Fn(char, &mut String)) -> String {
    let escape = |text: &str| {
        let mut whole = String::with_capacity(text.len() + 8);
        text.chars().for_each(|character| escaped(character, &mut whole));
        whole
    };
    let whole = escape(text);
    if unit.length(&whole) <= max {
        return whole;
    }
    let room = max.saturating_sub(unit.of(ELLIPSIS));
    let (mut escaped_length, mut kept_length) = (0, 0);
    let mut one = String::new();
    for character in text.chars() {
        one.clear();
        escaped(character, &mut one);
        escaped_length += unit.length(&one);
        if escaped_length > room {
            break;
        }
        kept_length += unit.of(character);
    }
    // What is cut has to be longer than its limit even where only an escape is too much.
    let longer = format!("{text}{ELLIPSIS}");
    escape(&cut(&longer, kept_length + unit.of(ELLIPSIS), unit))
}

/// Takes away what only makes sense with what was cut off: joiners at the end, and a letter whose accents were cut off.
fn drop_half_characters(kept: &mut String, cut_off: &str) {
    let continues = cut_off.chars().next().is_some_and(is_continuation);
    if continues {
        while kept.pop().is_some_and(is_continuation) {}
    }
    while kept.ends_with('\u{200d}') {
        kept.pop();
        while kept.pop().is_some_and(is_continuation) {}
    }
}

/// Joiners, variation selectors, skin tones, combining accents.
fn is_continuation(character: char) -> bool {
    matches!(character,
        '\u{0300}'..='\u{036f}' | '\u{200d}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{1f3fb}'..='\u{1f3ff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_shows_what_it_is() {
        assert_eq!(one_line("  a\r\n\tb \u{202e}c\u{200b}d\0 "), "a b cd");
        assert_eq!(one_line("Zoë 👩‍🚒 عربي"), "Zoë 👩‍🚒 عربي");
        assert_eq!(one_line("\n \u{feff}"), "");
    }

    #[test]
    fn a_text_at_its_limit_stays_and_one_beyond_is_cut_at_a_word() {
        assert_eq!(cut("one two three", 13, Unit::Characters), "one two three");
        assert_eq!(cut("one two three", 12, Unit::Characters), "one two…");
        assert_eq!(cut("one two three", 8, Unit::Characters), "one two…");
        assert_eq!(cut("onetwothree", 6, Unit::Characters), "onetw…");
        assert_eq!(cut("anything", 0, Unit::Characters), "");
    }

    #[test]
    fn nothing_that_belongs_together_is_torn() {
        assert_eq!(cut("ab👩‍🚒cd", 4, Unit::Characters), "ab…");
        assert_eq!(cut("abe\u{301}cd", 4, Unit::Characters), "ab…");
        assert_eq!(cut("ab👍🏽cd", 4, Unit::Characters), "ab…");
        assert_eq!(cut("😀😀", 3, Unit::Utf16), "😀…");
        assert_eq!(cut("üüü", 5, Unit::Bytes), "ü…");
    }

    #[test]
    fn a_character_that_is_longer_than_all_that_fits_is_torn_and_not_lost() {
        let zalgo = format!("a{}", "\u{301}".repeat(500));
        assert_eq!(cut(&zalgo, 4, Unit::Characters), "a\u{301}\u{301}…");
        assert_eq!(
            cut("👩\u{200d}🚒\u{200d}👩\u{200d}🚒", 3, Unit::Characters),
            "👩\u{200d}…"
        );
    }

    proptest! {
        #[test]
        fn a_cut_text_fits_and_begins_like_the_whole(text in ".{0,60}", max in 0usize..40) {
            for unit in [Unit::Characters, Unit::Utf16, Unit::Bytes] {
                let short = cut(&text, max, unit);
                prop_assert!(unit.length(&short) <= max);
                prop_assert!(text.starts_with(short.trim_end_matches(ELLIPSIS)));
            }
        }

        #[test]
        fn a_line_is_one_line(text in "\\PC{0,40}|.{0,40}") {
            let line = one_line(&text);
            prop_assert!(!line.chars().any(char::is_control) && !line.contains("  "));
            prop_assert_eq!(one_line(&line), line);
        }
    }
}
