//! Texts of people in Jira's wiki markup, without any markup of their own: no mention, no macro, no picture, no heading.

/// Breaks a mark up without being seen.
const WORD_JOINER: char = '\u{2060}';
/// What has a meaning wherever it stands.
const ALWAYS: &str = "{}[]|!#";
/// What has a meaning beside a word, but not within it.
const BESIDE_WORDS: &str = "*_-+^~?";

/// How the addresses of pages begin.
const SCHEMES: [&str; 2] = ["http://", "https://"];
/// What ends an address.
const ENDS: &str = "<>\"\u{2060}";
/// What at an address's end is the sentence's.
const SENTENCE_ENDS: &str = ".,;:!?'*_|\\";

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
    let mut rest = line;
    while let Some((text, url, after)) = cut_at_url(rest) {
        escape_text(text, &mut escaped);
        escaped.extend(url.chars().map(in_address));
        // A backslash would be taken for a part of the address.
        if after.starts_with(is_mark_anywhere) {
            escaped.push(WORD_JOINER);
        }
        rest = after;
    }
    escape_text(rest, &mut escaped);
    escaped
}

fn is_mark_anywhere(character: char) -> bool {
    character == '\\' || ALWAYS.contains(character) || BESIDE_WORDS.contains(character)
}

/// What stands before the first address of a page in a text, the address, and what stands behind it. Addresses are links by
/// themselves, in which nothing may be escaped.
fn cut_at_url(text: &str) -> Option<(&str, &str, &str)> {
    let start = SCHEMES.iter().filter_map(|scheme| text.find(scheme)).min()?;
    let (before, rest) = text.split_at(start);
    let ends =
        |character: char| character.is_whitespace() || character.is_control() || ENDS.contains(character);
    let end = rest.find(ends).unwrap_or(rest.len());
    let mut url = rest.get(..end)?;
    while let Some(last) = url.chars().next_back().filter(|last| is_outside(url, *last)) {
        url = url.strip_suffix(last)?;
    }
    let is_whole = SCHEMES
        .iter()
        .any(|scheme| url.len() > scheme.len() && url.starts_with(scheme));
    if is_whole {
        return Some((before, url, rest.get(url.len()..)?));
    }
    // Nothing but a scheme: what follows it may still hold an address.
    let (_, behind) = text.split_at(start + rest.find(':')? + 1);
    let (more, url, after) = cut_at_url(behind)?;
    let length = text.len() - behind.len() + more.len();
    Some((text.get(..length)?, url, after))
}

/// Whether a sign at an address's end is one of the sentence around it.
fn is_outside(url: &str, last: char) -> bool {
    let opening = match last {
        ')' => '(',
        ']' => '[',
        '}' => '{',
        _ => return SENTENCE_ENDS.contains(last),
    };
    url.matches(last).count() > url.matches(opening).count()
}

fn escape_text(text: &str, escaped: &mut String) {
    let mut before = ' ';
    let mut rest = text.chars();
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
        '\\' => "%5C".to_owned(),
        '!' => "%21".to_owned(),
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

    #[test]
    fn addresses_stay_whole() {
        assert_eq!(
            escape("see https://a.b/c?x=1#step-4 #1"),
            r"see https://a.b/c?x=1#step-4 \#1"
        );
        assert_eq!(
            escape("https://a.b/{id}/x|y~z_-*+^"),
            "https://a.b/%7Bid%7D/x%7Cy~z_-*+^"
        );
        assert_eq!(escape("(https://a.b/c), x"), "(https://a.b/c), x");
        assert_eq!(escape("[https://a.b/c]"), "\\[https://a.b/c\u{2060}\\]");
        assert_eq!(escape("https://a.b/(c)!"), "https://a.b/(c)\u{2060}\\!");
        assert_eq!(escape("*https://a.b/c*"), "\\*https://a.b/c\u{2060}\\*");
        assert_eq!(escape("https:// {x} http://a"), "https:// \\{x\\} http://a");
        assert_eq!(escape("https://"), "https://");
    }
}
