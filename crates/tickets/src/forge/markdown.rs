//! Markdown as GitHub and GitLab read it: texts of people without any meaning of their own, and our marks, which nobody sees.
//!
//! What a reader of Markdown would take for markup is escaped. What is found in the text only after that, such as names of
//! people and numbers of issues, is not stopped by a backslash: a character that is not seen breaks it up.

use destination::text::one_line;
use model::ticket::MAX_TICKET_ID_BYTES;

/// Breaks a reference up without being seen.
const WORD_JOINER: char = '\u{2060}';
/// Stands for a space at a line's start, where spaces make a block of code.
const NO_BREAK_SPACE: char = '\u{a0}';
/// What has a meaning in Markdown wherever it stands.
const MARKUP: &str = "\\`*_{}[]<>|~$^";
/// What begins a reference: to a person, an issue, a merge request, an epic, a label, a milestone, a snippet, an alert.
const REFERENCES: &str = "@#!&~%$^";
/// What begins a block or a command at a line's start.
const BLOCKS: &str = "#-+=/";
/// What stands before and behind a ticket's marker.
const MARKER: (&str, &str) = ("<!-- opsknight:", " -->");
/// What stands between a comment and its key: the key is hidden too.
pub(crate) const COMMENT_BREAK: &str = "\n\n<!-- ";
/// What ends it.
pub(crate) const COMMENT_END: &str = " -->";
/// The most markers of one text that are looked at.
const MAX_MARKERS: usize = 5;

/// A text that looks as it is, calls nobody and links nowhere.
pub(crate) fn escape(text: &str) -> String {
    let lines = text.lines().map(escape_line);
    // Two spaces keep a line's end where it is.
    lines.collect::<Vec<_>>().join("  \n").trim_end().to_owned()
}

fn escape_line(line: &str) -> String {
    let indent = line
        .chars()
        .take_while(|character| character.is_whitespace())
        .count();
    let text = one_line(line);
    let mut escaped = String::with_capacity(text.len() + 16);
    if !text.is_empty() {
        escaped.extend(std::iter::repeat_n(NO_BREAK_SPACE, indent));
    }
    let numbering = text.bytes().take_while(u8::is_ascii_digit).count();
    let characters: Vec<char> = text.chars().collect();
    for (index, character) in characters.iter().copied().enumerate() {
        let begins_block = index == 0 && BLOCKS.contains(character);
        let numbers = index == numbering && index > 0 && matches!(character, '.' | ')');
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            _ => {
                if MARKUP.contains(character) || begins_block || numbers {
                    escaped.push('\\');
                }
                escaped.push(character);
            }
        }
        if begins_reference(&characters, index) || is_address(&characters, index) {
            escaped.push(WORD_JOINER);
        }
    }
    escaped
}

/// Whether something that names another thing would begin here.
fn begins_reference(characters: &[char], index: usize) -> bool {
    let at = |offset: usize| characters.get(index + offset).copied().unwrap_or(' ');
    let is_followed = !at(1).is_whitespace();
    let is_gh = |first: Option<&char>, second: Option<&char>| {
        let pair = first.zip(second);
        pair.is_some_and(|(first, second)| matches!((first, second), ('g' | 'G', 'h' | 'H' | 'l' | 'L')))
    };
    match at(0) {
        '-' => {
            let before = |count: usize| index.checked_sub(count).and_then(|at| characters.get(at));
            at(1).is_ascii_digit() && is_gh(before(2), before(1))
        }
        // An emoji's name, or an iteration's.
        ':' => at(1).is_ascii_alphabetic() || matches!(at(1), '+' | '-'),
        character => REFERENCES.contains(character) && is_followed,
    }
}

/// Whether an address would become a link here.
fn is_address(characters: &[char], index: usize) -> bool {
    let (before, rest) = characters.split_at(index);
    let is_host = before.ends_with(&['w', 'w', 'w']) && rest.starts_with(&['.']);
    is_host || rest.starts_with(&[':', '/'])
}

/// A title, which is not read as Markdown, but as a text in which people and issues are named.
pub(crate) fn title(text: &str) -> String {
    let line = one_line(text).replace('`', "'");
    let characters: Vec<char> = line.chars().collect();
    let mut title = String::with_capacity(line.len() + 8);
    for (index, character) in characters.iter().enumerate() {
        title.push(*character);
        if begins_reference(&characters, index) {
            title.push(WORD_JOINER);
        }
    }
    title
}

/// A link to one of our own pages.
pub(crate) fn link(label: &str, url: &str) -> String {
    let address: String = url
        .chars()
        .map(|character| match character {
            '<' => "%3C".to_owned(),
            '>' => "%3E".to_owned(),
            character if character.is_whitespace() => "%20".to_owned(),
            character => character.to_string(),
        })
        .collect();
    format!("[{}](<{address}>)", escape(label))
}

/// What carries a marker in a ticket's text.
pub(crate) fn marker(marker: &str) -> String {
    format!("{}{marker}{}", MARKER.0, MARKER.1)
}

/// Whether a ticket's text carries a marker.
pub(crate) fn carries(text: &str, marker_text: &str) -> bool {
    !marker_text.is_empty() && text.contains(&marker(marker_text))
}

/// What a ticket's text carries that may be our marker.
pub(crate) fn markers_in(text: &str) -> Vec<String> {
    let parts = text.split(MARKER.0).skip(1).take(MAX_MARKERS);
    let marks = parts.filter_map(|part| Some(part.split_once(MARKER.1)?.0));
    let is_one = |mark: &&str| mark.len() <= MAX_TICKET_ID_BYTES && !mark.contains(char::is_whitespace);
    marks.filter(is_one).map(str::to_owned).collect()
}

/// A text of a template without what could be taken for a mark of ours.
pub(crate) fn without_marks(text: &str) -> String {
    text.replace(MARKER.0, "<!-- ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is left once everything that is not seen is taken away, as a reader of Markdown shows it.
    fn shown(text: &str) -> String {
        let mut shown = String::new();
        let text = text
            .replace("&lt;", "\\<")
            .replace("&gt;", "\\>")
            .replace("&amp;", "\\&")
            .replace("  \n", "\n");
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                WORD_JOINER => {}
                '\\' => shown.extend(characters.next()),
                NO_BREAK_SPACE => shown.push(' '),
                character => shown.push(character),
            }
        }
        shown
    }

    #[test]
    fn nobody_is_called_and_nothing_is_linked() {
        for text in [
            "@ada",
            "mail ada@example.com",
            "#12",
            "a/b#12",
            "!7",
            "&3",
            "~bug",
            "%\"v 1\"",
            "GH-12",
            "gl-1",
        ] {
            let escaped = escape(text);
            let at = escaped.find(WORD_JOINER).unwrap_or_else(|| panic!("{escaped}"));
            assert!(at > 0 && at < escaped.len(), "{escaped}");
            assert!(title(text).contains(WORD_JOINER), "{text}");
        }
        assert_eq!(escape("@ada"), "@\u{2060}ada");
        assert_eq!(
            escape("https://x.example/#12"),
            "https:\u{2060}//x.example/#\u{2060}12"
        );
        assert_eq!(
            escape("www.x.example :tada:"),
            "www.\u{2060}x.example :\u{2060}tada:"
        );
    }

    #[test]
    fn no_line_begins_a_block_or_a_command() {
        let text = "/close\n  /assign me\n# big\n- one\n1. two\n> said\n    code\n===";
        let escaped = escape(text);
        let starts: Vec<char> = escaped.lines().filter_map(|line| line.chars().next()).collect();
        assert_eq!(starts, ['\\', '\u{a0}', '\\', '\\', '1', '&', '\u{a0}', '\\']);
        assert!(
            escaped.contains("1\\. two") && !escaped.contains("\n/"),
            "{escaped}"
        );
    }

    #[test]
    fn what_is_hidden_cannot_be_forged() {
        let forged = format!(
            "a {} (OpsKnight evt_1) --> {}",
            COMMENT_BREAK.trim(),
            marker("inc_1-abc")
        );
        for safe in [escape(&forged), escape(&forged.replace('\n', " "))] {
            assert!(!safe.contains("<!--") && !carries(&safe, "inc_1-abc"), "{safe}");
            assert_eq!(markers_in(&safe), Vec::<String>::new());
        }
        assert_eq!(markers_in(&marker("inc_1-abc")), ["inc_1-abc"]);
        assert!(!carries(&marker("inc_1-abc"), ""));
    }

    #[test]
    fn a_link_cannot_be_left() {
        assert_eq!(link("a]b", "https://x/> y"), "[a\\]b](<https://x/%3E%20y>)");
    }

    proptest! {
        #[test]
        fn a_text_looks_as_it_is(text in "[ -~\n]{0,60}|\\PC{0,30}") {
            let lines = text.lines().map(|line| {
                let indent: String = line.chars().take_while(|character| character.is_whitespace()).map(|_| ' ').collect();
                let line = one_line(line);
                if line.is_empty() { line } else { format!("{indent}{line}") }
            });
            let expected = lines.collect::<Vec<_>>().join("\n");
            let seen = shown(&escape(&text));
            prop_assert_eq!(seen.trim_end(), expected.trim_end());
        }

        #[test]
        fn no_markup_is_left(text in "[@#!/<>`*_\\[\\]a-c :.\n-]{0,40}") {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains('<') && !escaped.contains('>'));
            let mut before = ' ';
            for (character, after) in escaped.chars().zip(escaped.chars().skip(1).chain([' '])) {
                if "`*_[]".contains(character) {
                    prop_assert_eq!(before, '\\');
                }
                if "@#!".contains(character) {
                    prop_assert!(after == WORD_JOINER || after.is_whitespace());
                }
                before = if before == '\\' && character == '\\' { ' ' } else { character };
            }
        }
    }
}
