//! Texts of people in the Markdown of Adaptive Cards, and back.
//!
//! Two readers matter. Teams on desktop and web reads CommonMark without HTML: a backslash disarms any punctuation. Teams
//! on phones uses the shared C++ model of the Adaptive Cards project, which knows emphasis, links and lists only and
//! takes the backslash away before `*`, `_`, `[`, `]` and `)` alone; before anything else it would be seen. So a
//! backslash is put only where desktop would otherwise read something, and common titles come through without any.

/// A line of a person's, so that no reader finds anything in it but text. It may stand at the start of a text block.
pub(super) fn escape(line: &str) -> String {
    let characters: Vec<char> = line.chars().collect();
    let at_start = list_or_block_mark(&characters);
    let mut escaped = String::with_capacity(line.len() + 8);
    for (index, character) in characters.iter().enumerate() {
        let around = Around::new(&characters, index);
        if at_start == Some(index) || is_read(*character, &around, &escaped) {
            escaped.push('\\');
        }
        escaped.push(*character);
    }
    escaped
}

/// What stands beside a character.
struct Around<'a> {
    before: Option<char>,
    after: Option<char>,
    rest: &'a [char],
    is_within_word: bool,
}

impl<'a> Around<'a> {
    fn new(characters: &'a [char], index: usize) -> Self {
        let rest = characters.get(index + 1..).unwrap_or_default();
        let past = characters.get(..index).unwrap_or_default();
        let is_other = |character: &&char| **character != '_';
        let is_of_word = |character: Option<&char>| character.is_some_and(|it| it.is_alphanumeric());
        Self {
            before: past.last().copied(),
            after: rest.first().copied(),
            rest,
            is_within_word: is_of_word(past.iter().rev().find(is_other))
                && is_of_word(rest.iter().find(is_other)),
        }
    }
}

/// Whether a reader would take a character for something else than itself.
fn is_read(character: char, around: &Around<'_>, so_far: &str) -> bool {
    match character {
        '*' | '[' | ']' | '`' => true,
        '_' => !around.is_within_word,
        // A backslash means something only before punctuation, and at the end it would take in what follows.
        '\\' => around.after.is_none_or(|next| next.is_ascii_punctuation()),
        '~' => around.before == Some('~') || around.after == Some('~'),
        '<' => around
            .after
            .is_some_and(|next| next.is_ascii_alphabetic() || "/!?".contains(next)),
        '&' => begins_entity(around.rest),
        // {{DATE(…)}} and {{TIME(…)}} are functions of Adaptive Cards.
        '{' => so_far.ends_with('{'),
        _ => false,
    }
}

/// The place of what makes a line a list, heading or quote.
fn list_or_block_mark(characters: &[char]) -> Option<usize> {
    let digits = characters.iter().take_while(|it| it.is_ascii_digit()).count();
    let mark = characters.get(digits)?;
    match mark {
        '-' | '+' | '#' | '>' | '=' if digits == 0 => Some(0),
        '.' | ')' if digits > 0 => Some(digits),
        _ => None,
    }
}

/// Whether what follows an ampersand makes it an entity: letters or digits up to a semicolon.
fn begins_entity(rest: &[char]) -> bool {
    let length = rest
        .iter()
        .take_while(|it| it.is_ascii_alphanumeric() || **it == '#')
        .count();
    length > 0 && rest.get(length) == Some(&';')
}

/// A text as Teams shows it on a desktop. It reads more eagerly than Teams does: every mark that is not disarmed goes.
pub(super) fn read(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut shown = String::with_capacity(text.len());
    let mut index = 0;
    if let Some(mark) = list_or_block_mark(&characters) {
        shown.push('•');
        index = mark + 1;
    }
    while let Some(character) = characters.get(index).copied() {
        let around = Around::new(&characters, index);
        index += 1;
        match character {
            '\\' => match around.after.filter(char::is_ascii_punctuation) {
                Some(next) => {
                    shown.push(next);
                    index += 1;
                }
                None => shown.push('\\'),
            },
            '{' => match read_function(around.rest) {
                Some((time, length)) => {
                    shown.push_str(&time);
                    index += length;
                }
                None => shown.push('{'),
            },
            '&' if begins_entity(around.rest) => shown.push('?'),
            '*' | '`' | '[' | ']' => {}
            '_' if !around.is_within_word => {}
            '~' if around.after == Some('~') => index += 1,
            _ => shown.push(character),
        }
    }
    shown
}

/// What `{{DATE(…)}}` or `{{TIME(…)}}` shows, and how many characters of it follow its first brace.
fn read_function(rest: &[char]) -> Option<(String, usize)> {
    let text: String = rest.iter().take(48).collect();
    let call = text.strip_prefix('{')?.split_once("}}")?.0;
    let length = call.chars().count() + 3;
    let arguments = call.get(5..)?.strip_suffix(')')?;
    let at = arguments.split(',').next()?;
    match call.get(..5)? {
        "DATE(" => Some((at.get(..10)?.to_owned(), length)),
        "TIME(" => Some((format!("{} UTC", at.get(11..16)?), length)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use destination::text::one_line;
    use proptest::prelude::*;

    #[test]
    fn common_titles_come_through_without_a_backslash() {
        let title = r#"db_primary-2 (eu-west): p99 < 5s & "C:\Data" at 97.5% = bad, see #42!"#;
        assert_eq!(escape(title), title);
        assert_eq!(read(title), title);
    }

    #[test]
    fn links_emphasis_and_code_are_disarmed() {
        assert_eq!(escape("[x](http://evil)"), r"\[x\](http://evil)");
        assert_eq!(escape("**a** _b_ __c__ `d`"), r"\*\*a\*\* \_b\_ \_\_c\_\_ \`d\`");
        assert_eq!(escape("~~a~~ ~b"), r"\~\~a\~\~ ~b");
    }

    #[test]
    fn tags_mentions_and_entities_are_disarmed() {
        assert_eq!(escape("<at>Ada</at>"), r"\<at>Ada\</at>");
        assert_eq!(escape("<http://evil>"), r"\<http://evil>");
        assert_eq!(escape("&lt;b&#62; A&B; a & b"), r"\&lt;b\&#62; A\&B; a & b");
    }

    #[test]
    fn lists_headings_and_quotes_are_disarmed_at_the_start_only() {
        assert_eq!(escape("- a - b"), r"\- a - b");
        assert_eq!(escape("# a"), r"\# a");
        assert_eq!(escape("> a"), r"\> a");
        assert_eq!(escape("12. a 12. b"), r"12\. a 12. b");
        assert_eq!(escape("1) a"), r"1\) a");
    }

    #[test]
    fn a_backslash_of_the_text_never_disarms_ours() {
        assert_eq!(escape(r"\*a\*"), r"\\\*a\\\*");
        assert_eq!(escape(r"C:\Data\"), r"C:\Data\\");
    }

    #[test]
    fn functions_of_cards_are_ours_alone() {
        assert_eq!(
            escape("{{DATE(2024-01-15T10:30:00Z)}}"),
            r"{\{DATE(2024-01-15T10:30:00Z)}}"
        );
        assert_eq!(
            read("{{DATE(2024-01-15T10:30:00Z, SHORT)}} {{TIME(2024-01-15T10:30:00Z)}}"),
            "2024-01-15 10:30 UTC"
        );
    }

    #[test]
    fn the_reader_takes_what_is_alive_for_what_it_is() {
        assert_eq!(
            read("- **a** _b_ [x](http://evil) &lt;"),
            "• a b x(http://evil) ?lt;"
        );
    }

    proptest! {
        #[test]
        fn every_line_is_read_as_it_was_written(text in "\\PC{0,60}|[\\\\*_\\[\\]()~`<>&#+.!|{}=:;/a1 -]{0,30}") {
            let line = one_line(&text);
            prop_assert_eq!(read(&escape(&line)), line);
        }
    }
}
