//! Texts of people in Jira's wiki markup, without any markup of their own: no mention, no macro, no picture, no heading.

/// Breaks a mark up without being seen.
const WORD_JOINER: char = '\u{2060}';
/// What has a meaning wherever it stands.
const ALWAYS: &str = "{}[]|!#";
/// What has a meaning beside a word, but not within it.
const BESIDE_WORDS: &str = "*_-+^~?";

/// A text that looks as it is.
pub(super) fn escape(text: &str) -> String {
    let lines = text.lines().map(escape_line);
    lines.collect::<Vec<_>>().join("\n")
}

fn escape_line(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len() + 8);
    if begins_a_block(line) {
        escaped.push(WORD_JOINER);
    }
    let mut before = ' ';
    let mut rest = line.chars();
    while let Some(character) = rest.next() {
        let after = rest.clone().next().unwrap_or(' ');
        let is_within_word = before.is_alphanumeric() && after.is_alphanumeric();
        let is_mark = ALWAYS.contains(character) || BESIDE_WORDS.contains(character) && !is_within_word;
        if is_mark {
            escaped.push('\\');
        }
        escaped.push(character);
        // A backslash is itself shown only where nothing follows that it could escape.
        if character == '\\' {
            escaped.push(WORD_JOINER);
        }
        before = character;
    }
    escaped
}

/// Whether a line begins like a heading (`h1.`) or a quote (`bq.`).
fn begins_a_block(line: &str) -> bool {
    let start = line.trim_start();
    let is_heading = start.strip_prefix('h').is_some_and(|rest| {
        rest.starts_with(|level: char| level.is_ascii_digit()) && rest.get(1..2) == Some(".")
    });
    is_heading || start.starts_with("bq.")
}

/// A link to one of our own pages.
pub(super) fn link(label: &str, url: &str) -> String {
    let address: String = url.chars().map(in_address).collect();
    format!("[{}|{address}]", escape(label))
}

fn in_address(character: char) -> String {
    match character {
        '|' => "%7C".to_owned(),
        '[' => "%5B".to_owned(),
        ']' => "%5D".to_owned(),
        '{' => "%7B".to_owned(),
        '}' => "%7D".to_owned(),
        other if other.is_whitespace() || other.is_control() => "%20".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_markup_of_a_text_works() {
        assert_eq!(escape("*Now* [~ada] {code}"), r"\*Now\* \[\~ada\] \{code\}");
        assert_eq!(escape("!x.png! |a| ??b??"), r"\!x.png\! \|a\| \?\?b\?\?");
        assert_eq!(
            escape("a\n- b\nh1. c\nbq. d"),
            "a\n\\- b\n\u{2060}h1. c\n\u{2060}bq. d"
        );
    }

    #[test]
    fn what_stands_within_a_word_stays_as_it_is() {
        assert_eq!(
            escape("API-Gateway inc_1 2024-01-15"),
            "API-Gateway inc_1 2024-01-15"
        );
    }

    #[test]
    fn a_backslash_escapes_nothing_and_breaks_no_line() {
        assert_eq!(escape(r"C:\\x"), "C:\\\u{2060}\\\u{2060}x");
        assert_eq!(escape(r"\{x"), "\\\u{2060}\\{x");
    }

    #[test]
    fn a_link_stays_within_its_brackets() {
        assert_eq!(
            link("Open", "https://a.b/c]|x y"),
            "[Open|https://a.b/c%5D%7Cx%20y]"
        );
    }
}
